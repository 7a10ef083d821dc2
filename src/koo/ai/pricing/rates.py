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

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from math import inf
from typing import Final, TypeAlias

from ..provider import Terms, Usage
from .searches import SEARCHES

__all__ = [
    "Ceiling",
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
        return _nano(zepto)

    def tiers_to(self, start: float) -> tuple[Tier, ...]:
        """Those that can count if a request may have one input token more than *start*."""
        return self.tiers[: bisect_right(self.starts, start) + 1]


@dataclass(frozen=True, slots=True)
class Interval:
    """Rates that hold from *since* (epoch seconds), perhaps only in some hours of the UTC day."""

    rates: Rates
    since: float = -inf
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


Intervals: TypeAlias = tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that a request can cost, whichever of several rates it is billed by.

    What comes after ``starts[i]`` is for more than so many input tokens, as in :class:`Rates`:
    those tiers that no other covers. As a rule that is one.
    """

    starts: tuple[int, ...]
    dearest: tuple[tuple[Tier, ...], ...]

    @classmethod
    def over(cls, rates: Sequence[Rates]) -> Ceiling:
        """That of all *rates*."""
        starts = sorted({start for one in rates for start in one.starts})
        return cls(
            tuple(starts),
            tuple(
                _dearest(tier for one in rates for tier in one.tiers_to(start))
                for start in (-inf, *starts)
            ),
        )

    def bound(self, input_tokens: int, output_tokens: int) -> int:
        """The nano-dollars that no request of up to so many tokens can pass."""
        most = 0
        for tier in self.dearest[bisect_left(self.starts, input_tokens)]:
            zepto = (
                tier.per_request
                + input_tokens * tier.dearest_input
                + output_tokens * tier.dearest_output
            )
            most = max(most, zepto)
        return _nano(most)


@dataclass(frozen=True, slots=True)
class Price:
    """One model's price: *intervals*, of which the last that holds counts.

    *unbounded* names what it bills and no request can limit; empty as a rule. On other *terms*
    other intervals count; None: the same on all.
    """

    intervals: Intervals
    unbounded: tuple[str, ...] = ()
    terms: Mapping[Terms, Intervals] | None = None
    #: When prices change for good, and what is the most before, between and after.
    _changes: tuple[float, ...] = field(init=False, repr=False, compare=False)
    _ceilings: tuple[Ceiling, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the most on all terms once: every call asks for it."""
        sold = (self.intervals, *(self.terms or {}).values())
        changes = sorted({one.since for intervals in sold for one in intervals} - {-inf})
        ceilings = (
            Ceiling.over([rates for intervals in sold for rates in _rates_from(intervals, moment)])
            for moment in (-inf, *changes)
        )
        object.__setattr__(self, "_changes", tuple(changes))
        object.__setattr__(self, "_ceilings", tuple(ceilings))

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
        """The nano-dollars that no request can pass between *since* and *until*.

        Of a price that depends on the hour, that of the dearest hour.
        """
        first, last = bisect_right(self._changes, since), bisect_right(self._changes, until)
        if first == last:
            return self._ceilings[first].bound(input_tokens, output_tokens)
        between = self._ceilings[min(first, last) : max(first, last) + 1]
        return max(ceiling.bound(input_tokens, output_tokens) for ceiling in between)

    def _intervals_on(self, terms: Terms) -> Intervals | None:
        if not terms or self.terms is None:
            return self.intervals
        return self.terms.get(terms)


def _dearest(tiers: Iterable[Tier]) -> tuple[Tier, ...]:
    """Those that none of the others covers."""
    kept: list[Tier] = []
    for tier in tiers:
        if not any(one.covers(tier) for one in kept):
            kept = [one for one in kept if not tier.covers(one)] + [tier]
    return tuple(kept)


def _counts_searches(usage: Usage) -> bool:
    return any(name == SEARCHES for name, _ in usage.parts)


def _rates_at(intervals: Intervals, at: float) -> Rates:
    for interval in intervals[:0:-1]:
        if interval.holds(at):
            return interval.rates
    return intervals[0].rates


def _rates_from(intervals: Intervals, at: float) -> Iterator[Rates]:
    """All that hold from *at* on until the next change, at whatever hour of the day."""
    all_day = [one for one in intervals if one.hours is None]
    yield _rates_at((intervals[0], *all_day), at)
    yield from (one.rates for one in intervals if one.hours is not None)


def zepto_per_unit(usd: Decimal, per: int) -> int:
    """The zepto-dollars of one unit, of which *per* cost *usd*; rounded up."""
    return int((usd * _ZEPTO / per).to_integral_value(ROUND_CEILING))


def _nano(zepto: int) -> int:
    return -((_NOISE - zepto) // _ZEPTO_PER_NANO) if zepto > 0 else 0
