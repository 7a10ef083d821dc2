"""What a call weighs in a vendor's limits, and what an answer tells of them.

PacedAsk (before the call) --> PacedSpent (after it) --> Told (by the answer's headers)

Vendors limit requests, tokens, and those of input and output apart, for each model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal, TypeAlias

from ...resilience import Advice, Ask, Spent
from ...values import quickly_made
from ..asking.purse import CostlyAsk

__all__ = [
    "KINDS",
    "UNTOLD",
    "Amounts",
    "Kind",
    "PacedAsk",
    "PacedSpent",
    "Told",
    "Urge",
    "WindowTold",
    "amounts",
]

Kind: TypeAlias = Literal["requests", "tokens", "input tokens", "output tokens"]
Amounts: TypeAlias = tuple[int, int, int, int]
#: What vendors limit, in the order of every :data:`Amounts`.
KINDS: Final[tuple[Kind, ...]] = ("requests", "tokens", "input tokens", "output tokens")


class Urge(Enum):
    """What an answer asks for beside its limits."""

    NONE = "nothing"
    EASE = "the service is overloaded"
    GROW_SLOWLY = "the traffic grew too fast"


@quickly_made
@dataclass(frozen=True, slots=True)
class PacedAsk(CostlyAsk):
    """An ask for *model*, of whose tokens *output_tokens* are the answer's."""

    model: str = ""
    output_tokens: int = 0


@quickly_made
@dataclass(frozen=True, slots=True)
class PacedSpent(Spent):
    """What an attempt used; of its tokens *output_tokens* were the answer's."""

    output_tokens: int = 0


@quickly_made
@dataclass(frozen=True, slots=True)
class WindowTold:
    """One limit as an answer tells it: *remaining* of *limit* are left, all in *reset_after* s.

    *limit* None: it does not say of how many.
    """

    name: str
    kind: Kind
    limit: int | None
    remaining: int
    reset_after: float


@quickly_made
@dataclass(frozen=True, slots=True)
class Told(Advice):
    """What an answer tells: its *windows* and its *urge*, heard at the monotonic second *at*.

    The windows are those of one *key* among several, by its place; None: there is only one.
    """

    at: float = 0.0
    windows: tuple[WindowTold, ...] = ()
    urge: Urge = Urge.NONE
    key: int | None = None

    def of_key(self, key: int) -> Told:
        """The same, told of the key at that place."""
        return replace(self, key=key)


#: What an answer tells that tells nothing.
UNTOLD: Final = Told()


def amounts(what: Ask | Spent) -> Amounts:
    """What *what* weighs, in the order of :data:`KINDS`.

    Where nobody says which tokens are the answer's, all of them may be.
    """
    match what:
        case PacedAsk() | PacedSpent():
            output = what.output_tokens
            return what.requests, what.tokens, what.tokens - output, output
        case _:
            return what.requests, what.tokens, what.tokens, what.tokens
