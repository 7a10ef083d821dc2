"""Counters and histograms as plain values, owned by whoever counts.

A histogram has four buckets to an octave, from 2**-20 s (1 us) to 2**10 s
(17 min): a quantile is off by at most one bucket, 19 %, and by half of that as
a rule. Two histograms merge by adding their buckets; percentiles never merge.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

__all__ = ["Counter", "Histogram", "HistogramStats", "RollingCount"]

_PER_OCTAVE: Final = 4
_LOWEST: Final = -20
_OCTAVES: Final = 30
_BUCKETS: Final = _PER_OCTAVE * _OCTAVES


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
        longer, shorter = sorted((self.buckets, other.buckets), key=len, reverse=True)
        padded = shorter + (0,) * (len(longer) - len(shorter))
        return HistogramStats(
            self.count + other.count,
            self.total + other.total,
            tuple(map(sum, zip(longer, padded, strict=True))),
        )

    @staticmethod
    def bounds() -> tuple[float, ...]:
        """The upper bounds of the buckets in seconds."""
        return tuple(_bound(index + 1) for index in range(_BUCKETS))


def _between(index: int, share: float) -> float:
    low = _bound(index)
    return low + (_bound(index + 1) - low) * share


class Histogram:
    """Where durations are recorded; half a kilobyte once the first has come."""

    __slots__ = ("_buckets", "_total")

    def __init__(self) -> None:
        self._total = 0.0
        self._buckets = array("I")

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return sum(self._buckets)

    def record(self, seconds: float) -> None:
        """Add one duration; above the highest bucket it counts there."""
        self._total += seconds
        try:
            self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        except IndexError:
            self._record_first(seconds)

    def stats(self) -> HistogramStats:
        """A photograph."""
        return HistogramStats(self.count, self._total, tuple(self._buckets))

    def _record_first(self, seconds: float) -> None:
        self._buckets = array("I", bytes(4 * _BUCKETS))
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1


class RollingCount:
    """How much was counted in the last *span* seconds.

    A bucket of ``span / ticks`` seconds leaves as a whole: the total never
    misses anything younger than the span, and keeps nothing older than one
    bucket more. The log holds (tick, amount) pairs, so idleness costs nothing.
    """

    __slots__ = ("_log", "_width", "kept", "span", "ticks")

    def __init__(self, span: float, ticks: int = 60) -> None:
        self.span = span
        self.ticks = ticks
        self.kept = 0
        self._width = span / ticks
        self._log = array("q")

    def add(self, now: float, amount: int = 1) -> None:
        """Count *amount* at the moment *now* (monotonic seconds)."""
        tick = int(now / self._width)
        log = self._log
        if log and log[-2] >= tick:
            log[-1] += amount
        else:
            self.forget(now)
            log.extend((tick, amount))
        self.kept += amount

    def take_back(self, stamp: float, amount: int) -> int:
        """Uncount up to *amount* of what was counted at *stamp*; return how much that was."""
        tick, log = int(stamp / self._width), self._log
        for i in range(len(log) - 2, -1, -2):
            if log[i] <= tick:
                taken = min(amount, log[i + 1]) if log[i] == tick else 0
                log[i + 1] -= taken
                self.kept -= taken
                return taken
        return 0

    def forget(self, now: float) -> None:
        """Drop what has left the span; ``kept`` is exact afterwards."""
        oldest = int(now / self._width) - self.ticks
        log, end = self._log, 0
        while end < len(log) and log[end] < oldest:
            self.kept -= log[end + 1]
            end += 2
        del log[:end]

    def total(self, now: float) -> int:
        """What was counted in the last *span* seconds. Looking changes nothing."""
        oldest = int(now / self._width) - self.ticks
        log = self._log
        return sum(log[i + 1] for i in range(0, len(log), 2) if log[i] >= oldest)

    def copy(self) -> RollingCount:
        """A photograph that can be counted on without touching the original."""
        copy = RollingCount(self.span, self.ticks)
        copy.kept = self.kept
        copy._log = self._log[:]
        return copy

    def per_second(self, now: float) -> float:
        """The mean rate over the span."""
        return self.total(now) / self.span

    def leaves_at(self, amount: int) -> float:
        """The moment when at least *amount* of what is kept will have left."""
        log, left, i = self._log, 0, -2
        while left < amount and i + 2 < len(log):
            i += 2
            left += log[i + 1]
        if i < 0:
            return 0.0
        # A hair more than the bucket's end, so that rounding can't wake a waiter too early.
        return (log[i] + self.ticks + 1) * self._width * (1 + 1e-12)

    def next_edge(self, now: float) -> float:
        """The moment when the bucket of *now* ends."""
        return (int(now / self._width) + 1) * self._width
