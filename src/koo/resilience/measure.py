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

__all__ = ["Counter", "Histogram", "HistogramStats", "RollingCount"]

_PER_OCTAVE: Final = 4
_LOWEST: Final = -20
_OCTAVES: Final = 30
_BUCKETS: Final = _PER_OCTAVE * _OCTAVES
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


def _packed(amounts: list[int]) -> Sequence[int]:
    """*amounts* in as few bytes as they need; past the widest a list: a bill may say anything."""
    try:
        return bytes(amounts)
    except ValueError:
        pass
    for code in _CODES:
        with suppress(OverflowError):
            return array(code, amounts)
    return amounts


class Histogram:
    """Where durations are recorded; as long as the longest needs, as wide as the most frequent."""

    __slots__ = ("_buckets", "_total")

    def __init__(self) -> None:
        self._total = 0.0
        self._buckets: bytearray | array[int] = bytearray()

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return sum(self._buckets)

    def record(self, seconds: float) -> None:
        """Add one duration; above the highest bucket it counts there."""
        self._total += seconds
        try:
            self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        except (IndexError, ValueError, OverflowError):
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
        elif isinstance(self._buckets, bytearray):
            self._buckets = array("I", list(self._buckets))
        else:
            self._buckets = array("Q", self._buckets)


class RollingCount:
    """How much was counted in the last *span* seconds.

    A bucket of ``span / ticks`` seconds leaves as a whole: the total never
    misses anything younger than the span, and keeps nothing older than one
    bucket more. The latest bucket is a number; those before it are a sequence,
    the oldest first, made anew when a bucket is over: bytes as a rule.
    """

    __slots__ = ("_fresh", "_latest", "_older", "kept", "span", "ticks")

    def __init__(self, span: float, ticks: int = 60) -> None:
        self.span = span
        self.ticks = ticks
        self.kept = 0
        self._latest = 0
        self._fresh = 0
        self._older: Sequence[int] = b""

    def add(self, now: float, amount: int = 1) -> None:
        """Count *amount* at the moment *now* (monotonic seconds)."""
        self.forget(now)
        self._fresh += amount
        self.kept += amount

    def take_back(self, stamp: float, amount: int) -> int:
        """Uncount up to *amount* of what was counted at *stamp*; return how much that was."""
        age = self._latest - self._tick(stamp)
        if not self.kept or not 0 <= age <= self.ticks:
            return 0
        taken = min(amount, self._counted(age))
        if not age:
            self._fresh -= taken
        elif taken:
            older = list(self._older)
            older[-age] -= taken
            self._older = _packed(older)
        self.kept -= taken
        return taken

    def forget(self, now: float) -> None:
        """Drop what has left the span; ``kept`` is exact afterwards."""
        age = self._tick(now) - self._latest
        if age <= 0:
            return
        self.kept = self._staying(age)
        self._older = self._aged(age) if self.kept else b""
        self._latest += age
        self._fresh = 0

    def total(self, now: float) -> int:
        """What was counted in the last *span* seconds. Looking changes nothing."""
        return self._staying(self._tick(now) - self._latest)

    def keeps(self, stamp: float, now: float) -> bool:
        """Whether at *now* what was counted at *stamp* is still in the span."""
        return self._tick(now) - self._tick(stamp) <= self.ticks

    def per_second(self, now: float) -> float:
        """The mean rate over the span."""
        return self.total(now) / self.span

    def leaves_at(self, amount: int) -> float:
        """The moment when at least *amount* of what is kept will have left."""
        if amount <= 0 or not self.kept:
            return 0.0
        _, amounts = self.buckets()
        place = min(bisect_left(list(accumulate(amounts)), amount), self.ticks)
        return self._left_at(self._latest - self.ticks + place)

    def gone_at(self, stamp: float) -> float:
        """The moment when what was counted at *stamp* will have left."""
        return self._left_at(self._tick(stamp))

    def buckets(self) -> tuple[int, list[int]]:
        """The latest bucket's number, and what all buckets up to it hold, oldest first."""
        older = self._older
        return self._latest, [*bytes(self.ticks - len(older)), *older, self._fresh]

    def refill(self, latest: int, amounts: list[int]) -> None:
        """Hold what ``buckets`` told of a count with the same span and ticks."""
        *older, self._fresh = amounts
        self._latest, self.kept = latest, sum(amounts)
        self._older = _packed(older)

    def next_edge(self, now: float) -> float:
        """The moment when the bucket of *now* ends."""
        return (self._tick(now) + 1) * self.span / self.ticks

    def _tick(self, moment: float) -> int:
        return int(moment * self.ticks / self.span)

    def _left_at(self, tick: int) -> float:
        # A hair more than the bucket's end, so that rounding can't wake a waiter too early.
        return (tick + self.ticks + 1) * self.span / self.ticks * (1 + 1e-12)

    def _counted(self, age: int) -> int:
        """What the bucket holds that came so many before the latest one."""
        if not age:
            return self._fresh
        return self._older[-age] if age <= len(self._older) else 0

    def _staying(self, age: int) -> int:
        """How much is still in the span once the latest bucket is so many buckets old."""
        if not self.kept or age <= 0:
            return self.kept
        if age > self.ticks:
            return 0
        leaving = len(self._older) + age - self.ticks
        return self.kept - sum(self._older[:leaving]) if leaving > 0 else self.kept

    def _aged(self, age: int) -> Sequence[int]:
        """What stands before a bucket that begins so many after the latest one."""
        older = [*self._older, self._fresh, *bytes(age - 1)]
        return _packed(older[-self.ticks :])
