"""Counters and histograms as plain values, owned by whoever counts.

A histogram has four buckets to an octave, from 2**-20 s (1 us) to 2**10 s
(17 min): a quantile is off by at most one bucket, 19 %, and by half of that as
a rule. Two histograms merge by adding their buckets; percentiles never merge.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import Final

from ..values import quickly_made

__all__ = ["Counter", "Histogram", "HistogramStats", "RollingCount"]

_PER_OCTAVE: Final = 4
_LOWEST: Final = -20
_OCTAVES: Final = 30
_BUCKETS: Final = _PER_OCTAVE * _OCTAVES
_BYTE: Final = range(256)
#: Codes of arrays, from the narrowest on.
_CODES: Final = "HIq"


def _bound(index: int) -> float:
    octave, part = divmod(index, _PER_OCTAVE)
    return float(2.0 ** (octave + _LOWEST) * (1 + part / _PER_OCTAVE))


#: Upper bounds of all buckets but the last, which has none.
_BOUNDS: Final = tuple(_bound(index + 1) for index in range(_BUCKETS - 1))


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, amount: int = 1) -> None:
        """Count *amount* more."""
        self.value += amount


@quickly_made
@dataclass(frozen=True, slots=True)
class HistogramStats:
    """A photograph of a histogram: how many values, their sum in seconds, and the buckets."""

    count: int = 0
    total: float = 0.0
    buckets: tuple[int, ...] = ()

    @property
    def mean(self) -> float | None:
        """The average in seconds, None without values."""
        return self.total / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """The value in seconds that *share* (0 to 1) of all values do not exceed."""
        if not self.count:
            return None
        rank, seen = share * self.count, 0
        for index, number in enumerate(self.buckets):
            if number and seen + number >= rank:
                return _between(index, (rank - seen) / number)
            seen += number
        return _bound(_BUCKETS)

    def merge(self, other: HistogramStats) -> HistogramStats:
        """Both together, as if one histogram had seen all the values."""
        pairs = zip_longest(self.buckets, other.buckets, fillvalue=0)
        return HistogramStats(
            self.count + other.count, self.total + other.total, tuple(map(sum, pairs))
        )

    @staticmethod
    def bounds() -> tuple[float, ...]:
        """The upper bounds of the buckets in seconds."""
        return tuple(_bound(index + 1) for index in range(_BUCKETS))


def _between(index: int, share: float) -> float:
    low = _bound(index)
    return low + (_bound(index + 1) - low) * share


class Histogram:
    """Where durations are recorded; as long as the longest needs, as wide as the most frequent."""

    __slots__ = ("_buckets", "_total")

    def __init__(self) -> None:
        self._total = 0.0
        self._buckets: bytearray | list[int] = bytearray()

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return sum(self._buckets)

    def record(self, seconds: float) -> None:
        """Add one duration; above the highest bucket it counts there."""
        self._total += seconds
        try:
            self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        except (IndexError, ValueError):
            self._make_room(bisect_left(_BOUNDS, seconds))
            self._buckets[bisect_left(_BOUNDS, seconds)] += 1

    def stats(self) -> HistogramStats:
        """A photograph."""
        buckets = tuple(self._buckets)
        missing = _BUCKETS - len(buckets) if buckets else 0
        return HistogramStats(sum(buckets), self._total, buckets + (0,) * missing)

    def _make_room(self, index: int) -> None:
        missing = index + 1 - len(self._buckets)
        if missing > 0:
            self._buckets.extend([0] * missing)
        else:
            self._buckets = list(self._buckets)


def packed(amounts: list[int]) -> Sequence[int]:
    """*amounts* in as few bytes as they need; past the widest a list: a bill may say anything."""
    try:
        return bytes(amounts)
    except ValueError:
        pass
    for code in _CODES:
        with suppress(OverflowError):
            return array(code, amounts)
    return amounts


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of *seconds* in so many *ticks*, and what is done with the amounts in its buckets.

    Amounts are a sequence, the oldest bucket first, up to the bucket of some moment; those
    that are missing in front are 0. A bucket leaves as a whole: nothing younger than the span
    is ever missed, and nothing is kept that is older than one bucket more.
    """

    seconds: float
    ticks: int

    def tick(self, moment: float) -> int:
        """The number of the bucket of *moment* (monotonic seconds)."""
        return int(moment * self.ticks / self.seconds)

    def next_edge(self, moment: float) -> float:
        """The moment when the bucket of *moment* ends."""
        return (self.tick(moment) + 1) * self.seconds / self.ticks

    def left_at(self, tick: int) -> float:
        """The moment when bucket number *tick* will have left."""
        # A hair more than the bucket's end, so that rounding can't wake a waiter too early.
        return (tick + self.ticks + 1) * self.seconds / self.ticks * (1 + 1e-12)

    def leaves_at(self, amounts: Sequence[int], latest: int, amount: int) -> float:
        """The moment when at least *amount* will have left; *latest* is the last one's bucket."""
        if amount <= 0 or not sum(amounts):
            return 0.0
        place = min(bisect_left(list(accumulate(amounts)), amount), len(amounts) - 1)
        return self.left_at(latest + 1 - len(amounts) + place)

    def aged(self, amounts: Sequence[int], age: int) -> Sequence[int]:
        """*amounts* up to the bucket that comes *age* after the last one."""
        if age <= 0 or not amounts:
            return amounts
        if age > self.ticks:
            return b""
        if isinstance(amounts, bytes):
            # A service that is seldom called is here at each call.
            return (amounts + bytes(age))[-self.ticks - 1 :].lstrip(b"\0")
        if not sum(amounts):
            return b""
        later = [*amounts, *bytes(age)][-self.ticks - 1 :]
        return packed(later) if sum(later) else b""


def more(amounts: Sequence[int], amount: int) -> Sequence[int]:
    """*amounts* with *amount* more in the last bucket."""
    if not amount:
        return amounts
    latest = amounts[-1] + amount if amounts else amount
    if latest in _BYTE and isinstance(amounts, bytes):
        return amounts[:-1] + bytes((latest,))
    return packed([*amounts[:-1], latest])


def less(amounts: Sequence[int], amount: int, age: int) -> Sequence[int]:
    """*amounts* with up to *amount* less in the bucket that comes *age* before the last one."""
    if not 0 <= age < len(amounts) or not sum(amounts):
        return amounts
    place = len(amounts) - 1 - age
    left = list(amounts)
    left[place] -= min(amount, left[place])
    return packed(left)


class RollingCount:
    """How much was counted in the last *span* seconds, exact to one bucket of ``span / ticks``."""

    __slots__ = ("_amounts", "_fresh", "_latest", "_span")

    def __init__(self, span: float, ticks: int = 60) -> None:
        self._span = Span(span, ticks)
        self._latest = 0
        #: What has come in the latest bucket and is not among its amount yet.
        self._fresh = 0
        self._amounts: Sequence[int] = b""

    @property
    def span(self) -> float:
        """How far back it counts, in seconds."""
        return self._span.seconds

    def add(self, now: float, amount: int = 1) -> None:
        """Count *amount* at the moment *now* (monotonic seconds)."""
        self.forget(now)
        self._fresh += amount

    def take_back(self, stamp: float, amount: int) -> int:
        """Uncount up to *amount* of what was counted at *stamp*; return how much that was."""
        before = more(self._amounts, self._fresh)
        self._amounts, self._fresh = less(before, amount, self._latest - self._span.tick(stamp)), 0
        return sum(before) - sum(self._amounts)

    def forget(self, now: float) -> None:
        """Drop what has left the span."""
        age = self._span.tick(now) - self._latest
        if age <= 0:
            return
        self._amounts = self._span.aged(more(self._amounts, self._fresh), age)
        self._latest += age
        self._fresh = 0

    def total(self, now: float) -> int:
        """What was counted in the last *span* seconds. Looking changes nothing."""
        age = self._span.tick(now) - self._latest
        fresh = self._fresh if age <= self._span.ticks else 0
        return sum(self._span.aged(self._amounts, age)) + fresh

    def keeps(self, stamp: float, now: float) -> bool:
        """Whether at *now* what was counted at *stamp* is still in the span."""
        return self._span.tick(now) - self._span.tick(stamp) <= self._span.ticks

    def per_second(self, now: float) -> float:
        """The mean rate over the span."""
        return self.total(now) / self._span.seconds

    def next_edge(self, now: float) -> float:
        """The moment when the bucket of *now* ends."""
        return self._span.next_edge(now)
