"""The database as the documentation shows it: health, pool metrics, detailed status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from ...resilience import Health, Holder, Report
from .circuit import CircuitBreakerView, LatencyView, circuit_view, latency_view
from .shape import instant, milliseconds, moment, told

__all__ = [
    "ConnectionsView",
    "DatabaseHealth",
    "DetailedStatus",
    "HolderView",
    "PoolMetrics",
    "PoolStatus",
    "RateView",
    "database_health",
    "detailed_status",
    "holder_views",
    "pool_metrics",
]

_STATES = ("healthy", "unhealthy", "circuit_open", "degraded")


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """The connections of the pool, and who waits for one."""

    pool_size: int = told("Connections kept open.")
    max_overflow: int = told("Connections allowed beyond them.")
    max_connections: int = told("Both together.")
    total_connections: int = told("Connections open now.")
    active_connections: int = told("Connections in use.")
    idle_connections: int = told("Connections open and free.")
    overflow_connections: int = told("Connections open beyond the pool's size, never negative.")
    waiting: int = told("Tasks that wait for a connection.")
    oldest_checkout_s: float | None = told("How long the oldest holder has had its connection.")


@dataclass(frozen=True, slots=True)
class RateView:
    """A counter, and its speed over the last minute."""

    total: int = told("Since the process began.")
    per_second: float = told("Over the last minute.")


@dataclass(frozen=True, slots=True)
class ConnectionsView:
    """What became of connections since the process began."""

    created_total: int = told("Opened.")
    closed_total: int = told("Closed.")
    invalidated_total: int = told("Thrown away as broken.")
    recycled_total: int = told("Replaced because of their age.")


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """Whether the database can be used, and why not."""

    healthy: bool = told("True exactly in state healthy.")
    state: str = told("The documented state.", one_of=_STATES)
    circuit_breaker: CircuitBreakerView = told("The circuit breaker before it.")
    pool_status: PoolStatus = told("Its connections.")
    response_time_ms: float | None = told("How long the last check took.")
    last_check: str | None = told("When it was last asked.")
    age_s: float | None = told("How old that answer is.")
    error: str | None = told("What is wrong, without secrets.")
    timestamp: str = told("When this was looked at.")


@dataclass(frozen=True, slots=True)
class PoolMetrics:
    """What the pool and the calls through it have counted."""

    healthy: bool = told("True exactly in state healthy.")
    pool_status: PoolStatus = told("The connections now.")
    checkouts: RateView = told("Connections handed out.")
    checkins: RateView = told("Connections given back.")
    connections: ConnectionsView = told("Connections opened and closed.")
    timeouts_total: int = told("Tasks that waited for a connection in vain.")
    response_times: LatencyView = told("How long the database took to answer.")
    wait_times: LatencyView = told("How long tasks waited for a connection.")
    failure_rate: float | None = told("Share of calls that failed, last five minutes.")
    errors: Mapping[str, int] = told("Errors by kind.")
    circuit_breaker: CircuitBreakerView = told("The circuit breaker before it.")
    timestamp: str = told("When this was looked at.")


@dataclass(frozen=True, slots=True)
class HolderView:
    """Who holds a connection."""

    task: str = told("The task's name.")
    where: str = told("The line that took the connection.")
    age_s: float = told("For how long it has had it.")


@dataclass(frozen=True, slots=True)
class DetailedStatus:
    """All that is known of the database."""

    health: DatabaseHealth = told("As check_database_health.")
    pool_metrics: PoolMetrics = told("As get_pool_metrics.")
    circuit_breaker: CircuitBreakerView = told("The circuit breaker before it.")
    configuration: Mapping[str, object] = told("The documented variables, no secrets.")
    holders: tuple[HolderView, ...] = told("Who holds connections, the oldest first.")
    timestamp: str = told("When this was looked at.")


def database_health(report: Report, now: float) -> DatabaseHealth:
    """The health of the database at epoch second *now*."""
    check = report.check
    return DatabaseHealth(
        healthy=report.state is Health.HEALTHY,
        state=report.state.value,
        circuit_breaker=circuit_view(report.breaker),
        pool_status=_pool_status(report),
        response_time_ms=milliseconds(check.response_time) if check else None,
        last_check=instant(check.at) if check else None,
        age_s=round(max(0.0, now - check.at), 3) if check else None,
        error=_error(report),
        timestamp=moment(now),
    )


def _error(report: Report) -> str | None:
    if report.state is Health.HEALTHY:
        return None
    failed = report.check is not None and not report.check.ok
    return (report.check.error if report.check and failed else None) or report.cause


def pool_metrics(report: Report, now: float) -> PoolMetrics:
    """What the pool has counted by epoch second *now*."""
    return PoolMetrics(
        healthy=report.state is Health.HEALTHY,
        pool_status=_pool_status(report),
        checkouts=_rate(report, "checkouts"),
        checkins=_rate(report, "checkins"),
        connections=_connections(report),
        timeouts_total=_count(report, "timeouts_total"),
        response_times=latency_view(report.distribution("response_time")),
        wait_times=latency_view(report.distribution("wait_time")),
        failure_rate=report.value("failure_rate"),
        errors=error_counts(report),
        circuit_breaker=circuit_view(report.breaker),
        timestamp=moment(now),
    )


def detailed_status(
    report: Report, configuration: Mapping[str, object], now: float
) -> DetailedStatus:
    """Health, metrics, holders and *configuration*, which must hold no secret."""
    return DetailedStatus(
        health=database_health(report, now),
        pool_metrics=pool_metrics(report, now),
        circuit_breaker=circuit_view(report.breaker),
        configuration=dict(configuration),
        holders=holder_views(report),
        timestamp=moment(now),
    )


def holder_views(report: Report) -> tuple[HolderView, ...]:
    """Who holds connections, the oldest first."""
    holders = cast("Iterable[Holder]", report.details.get("holders", ()))
    oldest_first = sorted(holders, key=lambda holder: -holder.age)
    return tuple(HolderView(item.task, item.where, round(item.age, 3)) for item in oldest_first)


def error_counts(report: Report) -> dict[str, int]:
    """The errors of a report by kind, the most frequent first."""
    counts = {
        dict(reading.labels).get("kind", ""): int(reading.value)
        for reading in report.readings
        if reading.name == "errors_total"
    }
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _pool_status(report: Report) -> PoolStatus:
    size = _count(report, "pool.size")
    overflow = _count(report, "pool.max_overflow")
    return PoolStatus(
        pool_size=size,
        max_overflow=overflow,
        max_connections=size + overflow,
        total_connections=_count(report, "pool.total"),
        active_connections=_count(report, "pool.active"),
        idle_connections=_count(report, "pool.idle"),
        overflow_connections=max(0, _count(report, "pool.overflow")),
        waiting=_count(report, "pool.waiting"),
        oldest_checkout_s=report.value("pool.oldest_checkout"),
    )


def _connections(report: Report) -> ConnectionsView:
    return ConnectionsView(
        created_total=_count(report, "connections_created_total"),
        closed_total=_count(report, "connections_closed_total"),
        invalidated_total=_count(report, "connections_invalidated_total"),
        recycled_total=_count(report, "connections_recycled_total"),
    )


def _rate(report: Report, name: str) -> RateView:
    per_second = report.value(f"{name}_per_second") or 0.0
    return RateView(_count(report, f"{name}_total"), round(per_second, 4))


def _count(report: Report, name: str) -> int:
    return int(report.value(name) or 0)
