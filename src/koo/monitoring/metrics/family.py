"""A family of metrics: one name, one kind, one unit, and a point for each set of labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from ...resilience import HistogramStats

__all__ = ["Family", "Kind", "Labels", "Point", "Spread"]

Labels: TypeAlias = tuple[tuple[str, str], ...]


class Kind(StrEnum):
    """What may be done with a number: a counter only grows, a gauge goes up and down."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Point(NamedTuple):
    """One number. A tuple, because a scrape makes thousands."""

    value: float
    labels: Labels = ()


class Spread(NamedTuple):
    """One histogram; what was recorded is *scale* times smaller than the family's unit."""

    stats: HistogramStats
    labels: Labels = ()
    scale: float = 1.0

    @property
    def total(self) -> float:
        """The sum of all values, in the family's unit."""
        return self.stats.total * self.scale

    def counts(self, bounds: tuple[float, ...]) -> Iterator[int]:
        """How many values were at most as large as each of *bounds*.

        Exact where a bound is one of the histogram's own, as every power of two is.
        """
        own, buckets = HistogramStats.bounds(), self.stats.buckets
        seen = index = 0
        for bound in bounds:
            while index < len(buckets) and own[index] * self.scale <= bound:
                seen += buckets[index]
                index += 1
            yield seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What is known under one *name*, which ends in its *unit* and, of a counter, ``_total``.

    *source* is what the rooms call it, for who names it otherwise. *bounds* are the upper
    bounds of a histogram's buckets, in the unit.
    """

    name: str
    kind: Kind
    help: str
    source: str = ""
    unit: str = ""
    points: tuple[Point, ...] = ()
    spreads: tuple[Spread, ...] = ()
    bounds: tuple[float, ...] = ()
