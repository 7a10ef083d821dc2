"""A price of one's own, the same at all times and on all terms."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from .rates import Interval, Price, Rates, Tier, zepto_per_unit

__all__ = ["TokenPrice", "flat_price"]

_MILLION: Final = 10**6


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """A price of one's own, in USD per million input and output tokens; 0 and 0 are free."""

    input_usd: Decimal
    output_usd: Decimal

    def __post_init__(self) -> None:
        """Refuse what is not a price."""
        for usd in (self.input_usd, self.output_usd):
            if not (usd.is_finite() and usd >= 0):
                raise ValueError(
                    "TokenPrice: USD per million tokens must be 0 or more, like 0.5,1.5"
                )

    @classmethod
    def parse(cls, text: str) -> TokenPrice:
        """The price in ``input,output``; ValueError with a sentence if it is none."""
        try:
            input_usd, output_usd = map(Decimal, text.split(","))
        except (ValueError, ArithmeticError):
            raise ValueError(
                "TokenPrice: give USD per million as input,output, like 0.5,1.5"
            ) from None
        return cls(input_usd, output_usd)


def flat_price(price: TokenPrice, unbounded: tuple[str, ...] = ()) -> Price:
    """The price that a person has set."""
    taken = zepto_per_unit(price.input_usd, _MILLION)
    given = zepto_per_unit(price.output_usd, _MILLION)
    weights = MappingProxyType({"input_tokens": taken, "output_tokens": given})
    return Price((Interval(Rates((), (Tier(weights, 0, taken, given),))),), unbounded)
