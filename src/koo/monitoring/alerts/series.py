"""How much a number has grown within a span, in a value of at most 62 points.

seen    3  5  9  2(it began anew)  4        growth: 0 2 6 8 10
rises   0  1  1  0  1                       growth: 0 1 1 1 2
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Final, TypeAlias

from .samples import Now, Sample

__all__ = ["Counted", "Past", "Series", "Trace", "follow"]

_POINTS: Final = 60


class Counted(StrEnum):
    """What counts as growth of a number: its increase, or that it rises from zero."""

    INCREASE = "increase"
    RISES = "rises"


@dataclass(frozen=True, slots=True)
class Trace:
    """Which number is followed, and for how many seconds."""

    number: str
    span: float
    counted: Counted = Counted.INCREASE


@dataclass(frozen=True, slots=True)
class Series:
    """The growth of one number: the *last* value, the *total* growth, and when it was how much.

    A point every sixtieth of the span, so what is said of a span is of at most
    a sixtieth more.
    """

    trace: Trace
    last: float
    total: float
    points: tuple[tuple[float, float], ...]

    @classmethod
    def begin(cls, trace: Trace, value: float, now: float) -> Series:
        """What *value* was reached with is unknown; that it stands above zero is one rise."""
        total = float(value > 0) if trace.counted is Counted.RISES else 0.0
        return cls(trace, value, total, ((now, 0.0),))

    def add(self, value: float, now: float) -> Series:
        """The series with *value* seen at the monotonic second *now*."""
        is_due = now - self.points[-1][0] >= self.trace.span / _POINTS
        if value == self.last and not is_due:
            return self
        total = self.total + self._growth(value)
        points = (*self._needed(now), (now, total)) if is_due else self.points
        return Series(self.trace, value, total, points)

    def grown(self, now: float) -> float:
        """The growth within the span before the monotonic second *now*."""
        return self.total - self.points[max(0, self._old(now) - 1)][1]

    def known(self, now: float) -> float:
        """For how much of the span the number has been followed, in seconds."""
        return min(self.trace.span, now - self.points[0][0])

    def _growth(self, value: float) -> float:
        if self.trace.counted is Counted.RISES:
            return float(self.last <= 0 < value)
        return value - self.last if value >= self.last else max(0.0, value)

    def _needed(self, now: float) -> tuple[tuple[float, float], ...]:
        """The points in the span, and the last one before it."""
        return self.points[max(0, self._old(now) - 1) :]

    def _old(self, now: float) -> int:
        """How many of the points lie before the span."""
        return bisect_right(self.points, now - self.trace.span, key=itemgetter(0))


Past: TypeAlias = Mapping[tuple[str, Trace], Series]


def follow(traces: Iterable[Trace], sample: Sample, past: Past, now: Now) -> Past:
    """The series of *sample*'s numbers that *traces* ask for, with its values added."""
    followed = {}
    for trace in traces:
        key, value = (sample.component, trace), sample.numbers.get(trace.number)
        series = past.get(key)
        # What is no number is a number not seen.
        if value is not None and math.isfinite(value):
            series = (
                series.add(value, now.monotonic)
                if series
                else Series.begin(trace, value, now.monotonic)
            )
        if series:
            followed[key] = series
    return followed
