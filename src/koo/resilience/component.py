"""How the rooms meet monitoring and web: a component reports, can be asked, can be put in order.

    Component --report()--> Report = state + breaker + last check + Readings + Distributions

The documented states are derived here, by one function, and never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from ..values import quickly_made
from .breaker import BreakerStats, State
from .measure import HistogramStats

__all__ = [
    "CheckStats",
    "Component",
    "Distribution",
    "Health",
    "Holder",
    "LastError",
    "Reading",
    "Report",
    "derive_health",
]

_UNHEALTHY_SHARE: Final = 0.25


class Health(StrEnum):
    """How far a component can be trusted now."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    CIRCUIT_OPEN = "circuit_open"
    DEGRADED = "degraded"
    RATE_LIMITED = "rate_limited"
    MAINTENANCE = "maintenance"


@quickly_made
@dataclass(frozen=True, slots=True)
class CheckStats:
    """The last active check: how it ended, when (*at*, epoch seconds), and in what time.

    *success_since*: a call has succeeded after it. *interval*: the seconds from one check in the
    background to the next, None if there are none.
    """

    ok: bool
    at: float
    response_time: float | None = None
    error: str | None = None
    success_since: bool = False
    interval: float | None = None


class Reading(NamedTuple):
    """One number, and the limit that it must stay under, if there is one.

    A tuple, because a look makes thousands.
    """

    name: str
    value: float
    limit: float | None = None
    labels: tuple[tuple[str, str], ...] = ()


@quickly_made
@dataclass(frozen=True, slots=True)
class Distribution:
    """One histogram under its name."""

    name: str
    stats: HistogramStats
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a connection: the task's name, the line that took it, and for how long.

    Whoever has a session of one's own on the engine is shown with the line where the task is now.
    """

    task: str
    where: str
    age: float


@dataclass(frozen=True, slots=True)
class LastError:
    """The kind of the last error and when it was (epoch seconds)."""

    kind: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One component at one moment.

    *since* is the epoch second of the breaker's last transition, *next_try* the
    seconds until a refused caller may come again, *cause* one sentence.
    """

    component: str
    kind: str
    state: Health
    since: float | None = None
    cause: str | None = None
    next_try: float | None = None
    breaker: BreakerStats | None = None
    check: CheckStats | None = None
    readings: tuple[Reading, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    details: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def reading(self, name: str, **labels: str) -> Reading | None:
        """The reading called *name* with exactly *labels*, if it was taken."""
        wanted = tuple(sorted(labels.items()))
        for reading in self.readings:
            if reading.name == name and tuple(sorted(reading.labels)) == wanted:
                return reading
        return None

    def value(self, name: str, **labels: str) -> float | None:
        """The value of a reading, None if it was not taken."""
        reading = self.reading(name, **labels)
        return None if reading is None else reading.value

    def distribution(self, name: str, **labels: str) -> HistogramStats:
        """The histogram called *name*; an empty one if nothing was recorded."""
        wanted = tuple(sorted(labels.items()))
        for distribution in self.distributions:
            if distribution.name == name and tuple(sorted(distribution.labels)) == wanted:
                return distribution.stats
        return HistogramStats()


class Component(Protocol):
    """Anything that can be watched."""

    @property
    def name(self) -> str:
        """What reports, alerts and metrics call it."""
        ...

    def report(self) -> Report:
        """How it is doing. Only looks."""
        ...

    async def check(self) -> Report:
        """Ask it now, or join whoever is asking, and report. Never raises for a failed check."""
        ...

    def half_open(self) -> None:
        """End its open wait: the next call probes. Does nothing unless its circuit is open."""
        ...

    def reset(self) -> None:
        """Close its circuit (ramped) and forget its errors, never its limits or its spend."""
        ...


def derive_health(
    breaker: BreakerStats,
    check: CheckStats | None = None,
    *,
    limited: bool = False,
    maintenance: bool = False,
) -> Health:
    """The documented state: the first that holds.

    maintenance (by hand, or no key), circuit_open (open), degraded (half-open),
    rate_limited, unhealthy, healthy. Unhealthy is closed with failures at least
    half the threshold and a quarter of the window, or a failed check with no
    success since.
    """
    if maintenance:
        return Health.MAINTENANCE
    if breaker.state is State.OPEN:
        return Health.CIRCUIT_OPEN
    if breaker.state is State.HALF_OPEN:
        return Health.DEGRADED
    if limited:
        return Health.RATE_LIMITED
    if _looks_unhealthy(breaker) or (check and not check.ok and not check.success_since):
        return Health.UNHEALTHY
    return Health.HEALTHY


def _looks_unhealthy(breaker: BreakerStats) -> bool:
    return (
        2 * breaker.failures >= breaker.failure_threshold
        and breaker.failures >= _UNHEALTHY_SHARE * breaker.outcomes
    )
