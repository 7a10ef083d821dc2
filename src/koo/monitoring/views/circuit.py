"""What the database and the services show alike: the circuit breaker and its latencies."""

from __future__ import annotations

from dataclasses import dataclass

from ...resilience import BreakerStats, Health, HistogramStats, State
from .shape import instant, milliseconds, told

__all__ = [
    "HEALTH_NAMES",
    "CircuitBreakerView",
    "LatencyView",
    "circuit_view",
    "generation_of",
    "latency_view",
]

HEALTH_NAMES = tuple(health.value for health in Health)
_STATE_NAMES = tuple(state.value for state in State)


@dataclass(frozen=True, slots=True)
class CircuitBreakerView:
    """A circuit breaker at one moment."""

    state: str = told("Whether calls pass.", one_of=_STATE_NAMES)
    failures: int = told("Failures in the window.")
    failure_threshold: int = told("Failures in the window that open the circuit.")
    retry_after: float | None = told(
        "Seconds until the next probe; 0 when calls pass, null when only a person can release it."
    )
    since: str | None = told("The last transition, null before any.")
    cause: str | None = told("Why the last transition happened, one sentence.")
    outcomes: int = told("Outcomes in the window, failures included.")
    mode: str = told("normal, or what a person made of it.")
    rejected_total: int = told("Calls refused by this breaker since the process began.")
    opened_total: int = told("How often it opened since the process began.")
    latest: tuple[bool, ...] = told("The last outcomes, oldest first; true: no failure.")
    generation: str = told("Changes with each transition; an action may demand it by If-Match.")


@dataclass(frozen=True, slots=True)
class LatencyView:
    """Durations: how many were measured, their average and percentiles."""

    count: int = told("Durations measured.")
    average_ms: float | None = told("Their mean.")
    p50_ms: float | None = told("Half of them were not longer.")
    p95_ms: float | None = told("95 of 100 were not longer.")
    p99_ms: float | None = told("99 of 100 were not longer.")


_NO_BREAKER = CircuitBreakerView("closed", 0, 0, 0.0, None, None, 0, "normal", 0, 0, (), "0")


def circuit_view(stats: BreakerStats | None) -> CircuitBreakerView:
    """The breaker of a report; what has none is always closed."""
    if stats is None:
        return _NO_BREAKER
    return CircuitBreakerView(
        state=stats.state.value,
        failures=stats.failures,
        failure_threshold=stats.failure_threshold,
        retry_after=None if stats.retry_after is None else round(stats.retry_after, 3),
        since=instant(stats.since),
        cause=stats.cause,
        outcomes=stats.outcomes,
        mode=stats.mode.value,
        rejected_total=stats.rejected_total,
        opened_total=stats.opened_total,
        latest=stats.latest,
        generation=generation_of(stats),
    )


def generation_of(stats: BreakerStats) -> str:
    """What tells this state of the breaker from others, those of earlier processes too."""
    return f"{stats.generation}-{int((stats.since or 0) * 1000)}"


def latency_view(stats: HistogramStats) -> LatencyView:
    """A histogram in milliseconds."""
    return LatencyView(
        count=stats.count,
        average_ms=milliseconds(stats.mean),
        p50_ms=milliseconds(stats.quantile(0.50)),
        p95_ms=milliseconds(stats.quantile(0.95)),
        p99_ms=milliseconds(stats.quantile(0.99)),
    )
