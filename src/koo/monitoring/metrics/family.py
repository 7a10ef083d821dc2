"""A family of metrics: one name, one kind, one unit, and a point for each set of labels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

from ...resilience import HistogramStats

__all__ = ["Family", "Kind", "Labels", "Point", "Spread"]

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Kind(StrEnum):
    """What may be done with a number: a counter only grows, a gauge goes up and down."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Labels(tuple[tuple[str, str], ...]):  # noqa: SLOT001 - the texts are kept beside
    """Names and values. Keep them: their text is made once, and a scrape needs thousands."""

    @cached_property
    def inner(self) -> str:
        """As both text forms have them, without braces."""
        return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in self)

    @cached_property
    def text(self) -> str:
        """As both text forms have them; nothing for no labels."""
        return f"{{{self.inner}}}" if self else ""


_NONE: Final = Labels()


class Point(NamedTuple):
    """One number. A tuple, because a scrape makes thousands."""

    value: float
    labels: Labels = _NONE


class Spread(NamedTuple):
    """One histogram; what was recorded is *scale* times smaller than the family's unit."""

    stats: HistogramStats
    labels: Labels = _NONE
    scale: float = 1.0

    @property
    def total(self) -> float:
        """The sum of all values, in the family's unit."""
        return self.stats.total * self.scale

    def counts(self, bounds: tuple[float, ...]) -> list[int]:
        """How many values were at most as large as each of *bounds*.

        Exact where a bound is one of the histogram's own, as every power of two is.
        """
        if not self.stats.count:
            return [0] * len(bounds)
        seen = [*accumulate(self.stats.buckets, initial=0)]
        return [seen[place] for place in _places(bounds, self.scale)]


@lru_cache
def _places(bounds: tuple[float, ...], scale: float) -> list[int]:
    """How many buckets end at or below each of *bounds*."""
    ends = [end * scale for end in HistogramStats.bounds()]
    return [sum(end <= bound for end in ends) for bound in bounds]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What is known under one *name*, which ends in its *unit* and, of a counter, ``_total``.

    *bounds* are the upper bounds of a histogram's buckets, in the unit.
    """

    name: str
    kind: Kind
    help: str
    unit: str = ""
    points: tuple[Point, ...] = ()
    spreads: tuple[Spread, ...] = ()
    bounds: tuple[float, ...] = ()
