"""What a request costs, in integers.

    genai-prices (Decimal, dated) --compile, once per model--> Price
        price.bound(request, from, until) --> the most it can cost: reserved before it is sent
        price.bill(usage, at) -------------> what it did cost, rounded up to the nano-dollar

Inside are zepto-dollars per unit, so that no rate is rounded. Counts nest (cached
tokens are input tokens too): the weight of a count is its price less what the
counts around it charge already, so a bill is one sum of products.

What is served on other terms (a faster tier, a batch) has other rates. Whose account it is may
have chosen them at the vendor, so the dearest are reserved for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Final, TypeAlias

from ..provider import Terms, Usage
from .searches import SEARCHES

__all__ = [
    "Interval",
    "Intervals",
    "Price",
    "Rates",
    "Tier",
    "zepto_per_unit",
]

_ZEPTO: Final = 10**21
_ZEPTO_PER_NANO: Final = 10**12
#: The prices of the table were floats, some of them thirds: so little above a bill is not money.
_NOISE: Final = 5 * 10**7
_DAY: Final = 86_400

Weights: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tier:
    """The zepto-dollars of everything, for requests of one range of input tokens."""

    weights: Weights
    per_request: int
    dearest_input: int
    dearest_output: int

    def covers(self, other: Tier) -> bool:
        """Whether no request is dearer by *other*."""
        return (
            self.per_request >= other.per_request
            and self.dearest_input >= other.dearest_input
            and self.dearest_output >= other.dearest_output
        )

    def knows(self, usage: Usage) -> bool:
        """Whether it prices the searches that *usage* counts, one by one or with the request."""
        if SEARCHES in self.weights or self.per_request:
            return True
        return not any(name == SEARCHES and count for name, count in usage.parts)


@dataclass(frozen=True, slots=True)
class Rates:
    """Tiers: the one after ``starts[i]`` is for more than so many input tokens, all of them."""

    starts: tuple[int, ...]
    tiers: tuple[Tier, ...]

    def bill(self, usage: Usage) -> int | None:
        """The nano-dollars of *usage*, rounded up; None if it counts what has no price here."""
        tier = self.tiers[bisect_left(self.starts, usage.input_tokens)]
        if not tier.knows(usage):
            return None
        weights = tier.weights
        zepto = (
            tier.per_request
            + usage.input_tokens * weights.get("input_tokens", 0)
            + usage.output_tokens * weights.get("output_tokens", 0)
        )
        for name, count in usage.parts:
            zepto += count * weights.get(name, 0)
        return _nano(max(0, zepto))

    def bound(self, input_tokens: int, output_tokens: int) -> int:
        """The nano-dollars that no request of up to so many tokens can pass."""
        most = 0
        for tier in self.tiers[: bisect_left(self.starts, input_tokens) + 1]:
            zepto = (
                tier.per_request
                + input_tokens * tier.dearest_input
                + output_tokens * tier.dearest_output
            )
            most = max(most, zepto)
        return _nano(most)

    def covers(self, other: Rates) -> bool:
        """Whether no request is dearer by *other*."""
        return self.starts == other.starts and all(map(Tier.covers, self.tiers, other.tiers))


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

    def covers(self, other: Interval) -> bool:
        """Whether no request is dearer in *other*, which holds when it does."""
        is_same = (self.since, self.hours) == (other.since, other.hours)
        return is_same and self.rates.covers(other.rates)


Intervals: TypeAlias = tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """One model's price: *intervals*, of which the last that holds counts.

    *unbounded* names what it bills and no request can limit; empty as a rule. On other *terms*
    other intervals count; None: the same on all.
    """

    intervals: Intervals
    unbounded: tuple[str, ...] = ()
    terms: Mapping[Terms, Intervals] | None = None
    _dearest: tuple[Intervals, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the terms that can be the dearest."""
        others = () if self.terms is None else self.terms.values()
        object.__setattr__(self, "_dearest", tuple(_dearest((self.intervals, *others))))

    def bill(self, usage: Usage, at: float) -> Usage | None:
        """*usage* with its cost at the moment *at* (epoch seconds); a charge it names stays.

        None if nobody knows: on terms that have no price, or with searches that were not counted.
        """
        if usage.nanousd is not None:
            return usage
        intervals = self._intervals_on(usage.terms)
        if intervals is None or (SEARCHES in self.unbounded and not _counts_searches(usage)):
            return None
        cost = _rates_at(intervals, at).bill(usage)
        if cost is None:
            return None
        return Usage(usage.input_tokens, usage.output_tokens, usage.parts, cost, usage.terms)

    def bound(self, input_tokens: int, output_tokens: int, since: float, until: float) -> int:
        """The nano-dollars that no request can pass between *since* and *until*."""
        first, *others = self._dearest
        if not others and len(first) == 1:
            return first[0].rates.bound(input_tokens, output_tokens)
        return max(
            rates.bound(input_tokens, output_tokens)
            for intervals in self._dearest
            for rates in _rates_between(intervals, since, until)
        )

    def _intervals_on(self, terms: Terms) -> Intervals | None:
        if not terms or self.terms is None:
            return self.intervals
        return self.terms.get(terms)


def _dearest(all_intervals: Iterable[Intervals]) -> list[Intervals]:
    """Those that none of the others covers."""
    kept: list[Intervals] = []
    for intervals in all_intervals:
        if not any(_cover(one, intervals) for one in kept):
            kept = [one for one in kept if not _cover(intervals, one)] + [intervals]
    return kept


def _cover(these: Intervals, those: Intervals) -> bool:
    return len(these) == len(those) and all(map(Interval.covers, these, those))


def _counts_searches(usage: Usage) -> bool:
    return any(name == SEARCHES for name, _ in usage.parts)


def _rates_at(intervals: Intervals, at: float) -> Rates:
    for interval in reversed(intervals):
        if interval.holds(at):
            return interval.rates
    return intervals[0].rates


def _rates_between(intervals: Intervals, since: float, until: float) -> Iterable[Rates]:
    between = [one.rates for one in intervals if one.hours or since < one.since <= until]
    return (_rates_at(intervals, since), _rates_at(intervals, until), *between)


def zepto_per_unit(usd: Decimal, per: int) -> int:
    """The zepto-dollars of one unit, of which *per* cost *usd*; rounded up."""
    return int((usd * _ZEPTO / per).to_integral_value(ROUND_CEILING))


def _nano(zepto: int) -> int:
    return -((_NOISE - zepto) // _ZEPTO_PER_NANO)
