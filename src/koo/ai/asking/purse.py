"""What one call may cost, whatever the day's budget has left.

    Purse(max_cost) --an attempt's worst case fits into what is left--> taken, sent
                  ^ +-does not ----------------------------------------> TooDear: nothing is sent
                  |                                                        |
                  +--------- what it did not cost <-- settled <------------+ (of an attempt)

One purse serves all attempts of a call, and all services that it falls back to: so what it
costs in the end is bounded, and not only each request.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

from ...errors import BudgetExhausted, Rejected
from ...resilience import Ask, Outcome, Permit
from ...values import quickly_made

__all__ = ["WRONG_COST", "CostLimit", "CostlyAsk", "Purse", "TooDear", "is_cost"]

_NANO: Final = 10**9
#: More than any account holds, so that whatever a purse holds can be counted.
_MOST: Final = 10**9
WRONG_COST: Final = (
    "max_cost must be USD above 0 and below 10**9 as a Decimal, like Decimal('0.05')"
)


def is_cost(usd: object) -> bool:
    """Whether *usd* may be a max_cost: a Decimal or a whole number above 0, or None."""
    match usd:
        case None:
            return True
        case Decimal():
            # Before any comparison: a signaling nan raises.
            return usd.is_finite() and 0 < usd < _MOST
        case int() if not isinstance(usd, bool):
            return 0 < usd < _MOST
        case _:
            return False


class TooDear(BudgetExhausted):
    """The call could cost more than its caller allows."""

    __slots__ = ()

    what = "too dear"

    def _when(self) -> str:
        return "allow more as max_cost, or ask for less"


class Purse:
    """The nano-dollars that a call may still cost."""

    __slots__ = ("left",)

    def __init__(self, nanousd: int) -> None:
        self.left = nanousd

    @classmethod
    def of(cls, max_cost: Decimal | None) -> Self | None:
        """One with *max_cost* (USD) in it; None for no limit, or for what can't be one."""
        if max_cost is None or not is_cost(max_cost):
            return None
        return cls(int(max_cost * _NANO))


@quickly_made
@dataclass(frozen=True, slots=True)
class CostlyAsk(Ask):
    """An ask that is paid from *purse*; None: its caller has set no limit."""

    purse: Purse | None = None


class CostLimit:
    """The gate that holds a call to its own purse. It keeps nothing itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.double_settled_total = 0

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Take the most that the attempt can cost from its purse, or say what is missing."""
        purse = ask.purse if isinstance(ask, CostlyAsk) else None
        if purse is not None:
            if ask.nanousd > purse.left:
                could, left = _usd(ask.nanousd), _usd(purse.left)
                cause = f"it could cost {could} USD, and max_cost leaves {left}"
                return TooDear(self.name, None, cause)
            purse.left -= ask.nanousd
        return Permit(self, ask, 0.0, 0)

    def settled(self, permit: Permit, outcome: Outcome) -> None:
        """Put back what was not spent; nothing, if nobody knows what was."""
        if outcome.spent is not None:
            self._put_back(permit.ask, permit.ask.nanousd - outcome.spent.nanousd)

    def cancelled(self, permit: Permit) -> None:
        """Put all back."""
        self._put_back(permit.ask, permit.ask.nanousd)

    def _put_back(self, ask: Ask, nanousd: int) -> None:
        if isinstance(ask, CostlyAsk) and ask.purse is not None:
            ask.purse.left += nanousd


def _usd(nanousd: int) -> str:
    return f"{(Decimal(nanousd) / _NANO).normalize():f}"
