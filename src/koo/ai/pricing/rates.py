"""What a request costs, in integers.

    genai-prices (Decimal, dated) --compile, once per model--> Price
        price.bound(request, from, until) --> the most it can cost: reserved before it is sent
        price.bill(usage, at) -------------> what it did cost, rounded up to the nano-dollar

Inside are pico-dollars per unit, so that no rate is rounded. Counts nest (cached
tokens are input tokens too): the weight of a count is its price less what the
counts around it charge already, so a bill is one sum of products.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from typing import Final, TypeAlias

from ..provider import Usage

__all__ = [
    "Interval",
    "Price",
    "Rates",
    "Tier",
    "TokenPrice",
    "flat_price",
    "pico_per_unit",
]

_PICO: Final = 10**12
_PICO_PER_NANO: Final = 1000
_MILLION: Final = 10**6
_NOISE: Final = Decimal("1e-12")
_DAY: Final = 86_400

Weights: TypeAlias = Mapping[str, int]


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


@dataclass(frozen=True, slots=True)
class Tier:
    """The pico-dollars of everything, for requests of one range of input tokens."""

    weights: Weights
    per_request: int
    dearest_input: int
    dearest_output: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Tiers: the one after ``starts[i]`` is for more than so many input tokens, all of them."""

    starts: tuple[int, ...]
    tiers: tuple[Tier, ...]

    def bill(self, usage: Usage) -> int:
        """The nano-dollars of *usage*, rounded up."""
        tier = self.tiers[bisect_left(self.starts, usage.input_tokens)]
        weights = tier.weights
        pico = (
            tier.per_request
            + usage.input_tokens * weights.get("input_tokens", 0)
            + usage.output_tokens * weights.get("output_tokens", 0)
        )
        for name, count in usage.parts:
            pico += count * weights.get(name, 0)
        return _nano(max(0, pico))

    def bound(self, input_tokens: int, output_tokens: int) -> int:
        """The nano-dollars that no request of up to so many tokens can pass."""
        most = 0
        for tier in self.tiers[: bisect_left(self.starts, input_tokens) + 1]:
            pico = (
                tier.per_request
                + input_tokens * tier.dearest_input
                + output_tokens * tier.dearest_output
            )
            most = max(most, pico)
        return _nano(most)


@dataclass(frozen=True, slots=True)
class Interval:
    """Rates that hold from *since* (epoch seconds), perhaps only in some hours of the UTC day."""

    rates: Rates
    since: float = float("-inf")
    hours: tuple[float, float] | None = None

    def holds(self, at: float) -> bool:
        """Whether it is valid at *at*, but for newer intervals."""
        if self.hours is None:
            return at >= self.since
        opens, closes = self.hours
        second = at % _DAY
        if closes < opens:
            return second >= opens or second < closes
        return opens <= second < closes


@dataclass(frozen=True, slots=True)
class Price:
    """One model's price: *intervals*, of which the last that holds counts.

    *unbounded* names what it bills and no request can limit; empty as a rule.
    """

    intervals: tuple[Interval, ...]
    unbounded: tuple[str, ...] = ()

    def bill(self, usage: Usage, at: float) -> Usage:
        """*usage* with its cost at the moment *at* (epoch seconds); a charge it names stays."""
        if usage.nanousd is not None:
            return usage
        cost = self._rates_at(at).bill(usage)
        return Usage(usage.input_tokens, usage.output_tokens, usage.parts, cost)

    def bound(self, input_tokens: int, output_tokens: int, since: float, until: float) -> int:
        """The nano-dollars that no request can pass between *since* and *until*."""
        if len(self.intervals) == 1:
            return self.intervals[0].rates.bound(input_tokens, output_tokens)
        return max(
            rates.bound(input_tokens, output_tokens) for rates in self._rates_between(since, until)
        )

    def _rates_at(self, at: float) -> Rates:
        for interval in reversed(self.intervals):
            if interval.holds(at):
                return interval.rates
        return self.intervals[0].rates

    def _rates_between(self, since: float, until: float) -> Iterable[Rates]:
        yield self._rates_at(since)
        yield self._rates_at(until)
        for interval in self.intervals:
            if interval.hours or since < interval.since <= until:
                yield interval.rates


def flat_price(price: TokenPrice) -> Price:
    """The price that a person has set."""
    taken = pico_per_unit(price.input_usd, _MILLION)
    given = pico_per_unit(price.output_usd, _MILLION)
    weights = MappingProxyType({"input_tokens": taken, "output_tokens": given})
    return Price((Interval(Rates((), (Tier(weights, 0, taken, given),))),))


def pico_per_unit(usd: Decimal, per: int) -> int:
    """The pico-dollars of one unit, of which *per* cost *usd*; rounded up.

    What stands behind twelve decimals of a price is the noise of a float, not money.
    """
    return int((usd.quantize(_NOISE) * _PICO / per).to_integral_value(ROUND_CEILING))


def _nano(pico: int) -> int:
    return -(-pico // _PICO_PER_NANO)
