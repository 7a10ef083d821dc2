"""The last quarter of an hour of the connection pool, for a curve; and what an outage costs.

Looked at every second, kept every five: of the looks in between the highest stays,
so that a short queue is still seen.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from ..resilience import Report, State

__all__ = ["EVERY", "History", "Sample", "Toll"]

EVERY: Final = 5.0
_KEPT: Final = 180


@dataclass(frozen=True, slots=True)
class Sample:
    """The most connections in use, and tasks waiting, in the five seconds from *at*."""

    at: float
    active: int
    waiting: int


class History:
    """The samples of the last fifteen minutes."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=_KEPT)

    def note(self, report: Report, now: float) -> None:
        """Add a look at the database at epoch second *now*."""
        active, waiting = report.value("pool.active"), report.value("pool.waiting")
        if active is None:
            return
        sample = Sample(now // EVERY * EVERY, int(active), int(waiting or 0))
        if self._samples and self._samples[-1].at == sample.at:
            sample = _highest(self._samples.pop(), sample)
        self._samples.append(sample)

    def samples(self) -> tuple[Sample, ...]:
        """Oldest first."""
        return tuple(self._samples)


class Toll:
    """How many calls of each component its circuit has refused since it opened."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}

    def note(self, report: Report) -> None:
        """Look at *report*: what was refused until a circuit opens belongs to no outage."""
        breaker = report.breaker
        if breaker is not None and breaker.state is State.CLOSED:
            self._before[report.component] = breaker.rejected_total

    def refused(self, report: Report) -> int:
        """The calls that the circuit of *report* has refused since it opened; else 0."""
        breaker = report.breaker
        if breaker is None or breaker.state is State.CLOSED:
            return 0
        return breaker.rejected_total - self._before.get(report.component, 0)


def _highest(one: Sample, other: Sample) -> Sample:
    return Sample(one.at, max(one.active, other.active), max(one.waiting, other.waiting))
