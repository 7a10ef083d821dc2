"""Counters and histograms as plain values, owned by whoever counts.

A histogram has four buckets to an octave, from 2**-20 s (1 us) to 2**10 s
(17 min): a quantile is off by at most one bucket, 19 %, and by half of that as
a rule. Two histograms merge by adding their buckets; percentiles never merge.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import Final

from ..values import quickly_made

__all__ = ["Counter", "Histogram", "HistogramStats", "RollingCount"]

_PER_OCTAVE: Final = 4
_LOWEST: Final = -20
_OCTAVES: Final = 30
_BUCKETS: Final = _PER_OCTAVE * _OCTAVES
_WIDER: Final = {"B": "H", "H": "I", "I": "Q"}
_NO_COUNTS: Final = array("H")


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


def _wider(counts: array[int]) -> array[int]:
    return array(_WIDER[counts.typecode], counts)


def _wider_ring(ring: array[int] | list[int]) -> array[int] | list[int]:
    """A *ring* for larger numbers; beyond the widest array a list, for a bill may say anything."""
    if isinstance(ring, array) and ring.typecode in _WIDER:
        return _wider(ring)
    return list(ring)


class Histogram:
    """Where durations are recorded; as long as the longest needs, as wide as the most frequent."""

    __slots__ = ("_buckets", "_total")

    def __init__(self) -> None:
        self._total = 0.0
        self._buckets = array("H")

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return sum(self._buckets)

    def record(self, seconds: float) -> None:
        """Add one duration; above the highest bucket it counts there."""
        self._total += seconds
        try:
            self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        except (IndexError, OverflowError):
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
            self._buckets.extend(array(self._buckets.typecode, [0]) * missing)
        else:
            self._buckets = _wider(self._buckets)


class RollingCount:
    """How much was counted in the last *span* seconds.

    A bucket of ``span / ticks`` seconds leaves as a whole: the total never
    misses anything younger than the span, and keeps nothing older than one
    bucket more. The latest bucket is a number; those before it are a ring, made
    when the first of them is over.
    """

    __slots__ = ("_due_at", "_fresh", "_latest", "_ring", "kept", "span", "ticks")

    def __init__(self, span: float, ticks: int = 60) -> None:
        self.span = span
        self.ticks = ticks
        self.kept = 0
        self._latest = 0
        self._fresh = 0
        # Before it the latest bucket has not ended for certain; afterwards somebody must look.
        self._due_at = float("-inf")
        self._ring: array[int] | list[int] = _NO_COUNTS

    def add(self, now: float, amount: int = 1) -> None:
        """Count *amount* at the moment *now* (monotonic seconds)."""
        if now >= self._due_at:
            self.forget(now)
        self._fresh += amount
        self.kept += amount

    def take_back(self, stamp: float, amount: int) -> int:
        """Uncount up to *amount* of what was counted at *stamp*; return how much that was."""
        tick = self._tick(stamp)
        if not self.kept or not 0 <= self._latest - tick <= self.ticks:
            return 0
        taken = min(amount, self._counted(tick))
        if tick == self._latest:
            self._fresh -= taken
        elif taken:
            self._ring[tick % self.ticks] -= taken
        self.kept -= taken
        return taken

    def forget(self, now: float) -> None:
        """Drop what has left the span; ``kept`` is exact afterwards."""
        tick = self._tick(now)
        if tick <= self._latest:
            return
        self.kept = self._staying(tick)
        if self.kept:
            self._store(tick)
        else:
            self._ring = _NO_COUNTS
        self._latest, self._fresh = tick, 0
        # A hair less than the bucket's end, so that rounding can't keep it beyond that.
        self._due_at = self.next_edge(now) * (1 - 1e-12)

    def total(self, now: float) -> int:
        """What was counted in the last *span* seconds. Looking changes nothing."""
        return self._staying(self._tick(now))

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
        start = self._latest % self.ticks
        older = [*self._ring[start:], *self._ring[:start]] if self._ring else [0] * self.ticks
        return self._latest, [*older, self._fresh]

    def refill(self, latest: int, amounts: list[int]) -> None:
        """Hold what ``buckets`` told of a count with the same span and ticks."""
        *older, self._fresh = amounts
        self._latest, self.kept = latest, sum(amounts)
        self._due_at = float("-inf")
        self._ring = array("B", bytes(self.ticks)) if any(older) else _NO_COUNTS
        for place, amount in enumerate(older if self._ring else ()):
            self._put((latest + place) % self.ticks, amount)

    def next_edge(self, now: float) -> float:
        """The moment when the bucket of *now* ends."""
        return (self._tick(now) + 1) * self.span / self.ticks

    def _tick(self, moment: float) -> int:
        return int(moment * self.ticks / self.span)

    def _left_at(self, tick: int) -> float:
        # A hair more than the bucket's end, so that rounding can't wake a waiter too early.
        return (tick + self.ticks + 1) * self.span / self.ticks * (1 + 1e-12)

    def _counted(self, tick: int) -> int:
        """What bucket *tick* holds: the latest one, or one of the ``ticks`` before it."""
        if tick == self._latest:
            return self._fresh
        return self._ring[tick % self.ticks] if self._ring else 0

    def _staying(self, tick: int) -> int:
        """How much is still in the span once *tick* has begun."""
        if not self.kept or tick <= self._latest:
            return self.kept
        if tick > self._latest + self.ticks:
            return 0
        first = self._latest - self.ticks
        return self.kept - sum(self._counted(old) for old in range(first, tick - self.ticks))

    def _store(self, tick: int) -> None:
        """Move the latest bucket into the ring and empty those that *tick* pushes out."""
        if not self._ring:
            self._ring = array("B", bytes(self.ticks))
        for old in range(self._latest, tick):
            self._put(old % self.ticks, self._fresh if old == self._latest else 0)

    def _put(self, slot: int, amount: int) -> None:
        try:
            self._ring[slot] = amount
        except OverflowError:
            self._ring = _wider_ring(self._ring)
            self._put(slot, amount)
