"""The system as a whole: its health, its alerts, and the dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ...resilience import Health, Report, State
from ..alerts import Alert, AlertState
from ..history import EVERY, Sample
from ..journal import Entry
from ..naming import DATABASE, SERVICE_PREFIX, is_configured, is_lost, service_name
from .circuit import HEALTH_NAMES
from .database import (
    DatabaseHealth,
    HolderView,
    PoolMetrics,
    database_health,
    holder_views,
    pool_metrics,
)
from .glance import VerdictView, verdict
from .news import (
    AlertCounts,
    AlertView,
    EventView,
    SilenceView,
    Standing,
    alert_list,
    count_alerts,
    event_views,
)
from .service import ServiceHealth, service_health
from .shape import dollars, moment, told

__all__ = [
    "Dashboard",
    "DashboardDatabase",
    "Past",
    "PoolHistory",
    "ServiceSummary",
    "Summary",
    "SystemHealth",
    "dashboard",
    "overall_health",
    "service_healths",
    "system_health",
]

_OVERALL = ("healthy", "degraded", "unhealthy")


@dataclass(frozen=True, slots=True)
class ServiceSummary:
    """A service in one line."""

    state: str = told("The documented state.", one_of=HEALTH_NAMES)
    healthy: bool = told("True exactly in state healthy.")
    configured: bool = told("Whether it has a key.")


@dataclass(frozen=True, slots=True)
class SystemHealth:
    """The health of everything. Services without a key are left out."""

    overall_health: str = told("The worst that matters.", one_of=_OVERALL)
    database: DatabaseHealth | None = told("As check_database_health; null without a database.")
    ai_services: Mapping[str, ServiceSummary] = told("Each service in one line.")
    alerts: AlertCounts = told("How many alerts there are.")
    timestamp: str = told("When this was looked at.")


@dataclass(frozen=True, slots=True)
class Summary:
    """The dashboard's first line."""

    overall_health: str = told("The worst that matters.", one_of=_OVERALL)
    database_healthy: bool = told("Whether the database is in state healthy.")
    ai_services_healthy: int = told("Services in state healthy.")
    ai_services_total: int = told("Services with a key.")
    active_alerts: int = told("Alerts that fire.")
    circuit_breakers_open: int = told("Circuits open now.")
    spent_today: str = told("USD, all services with a key.")
    budget_today: str = told("USD, all services with a key.")


@dataclass(frozen=True, slots=True)
class PoolHistory:
    """The connection pool over the last quarter of an hour, oldest first."""

    since: str | None = told("The moment of the first number; null before any.")
    every_s: float = told("Seconds from one number to the next.")
    active: tuple[int, ...] = told("The most connections in use in that time.")
    waiting: tuple[int, ...] = told("The most tasks waiting in that time.")


@dataclass(frozen=True, slots=True)
class Past:
    """What a dashboard shows of the past; *refused*: calls, by component, while it is open."""

    entries: tuple[Entry, ...] = ()
    samples: tuple[Sample, ...] = ()
    refused: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class DashboardDatabase:
    """The database on the dashboard."""

    health: DatabaseHealth = told("As check_database_health.")
    metrics: PoolMetrics = told("As get_pool_metrics.")
    holders: tuple[HolderView, ...] = told("Who holds connections, the oldest first.")
    history: PoolHistory = told("The pool over the last quarter of an hour.")


@dataclass(frozen=True, slots=True)
class Dashboard:
    """All that the page shows."""

    verdict: VerdictView = told("The one thing to know first.")
    summary: Summary = told("The first line.")
    database: DashboardDatabase | None = told("The database; null without one.")
    ai_services: Mapping[str, ServiceHealth] = told("Each service, with or without a key.")
    alerts: tuple[AlertView, ...] = told("The most urgent first.")
    inhibited: tuple[AlertView, ...] = told("What a graver one of the alerts makes needless.")
    silences: tuple[SilenceView, ...] = told("The silences in force.")
    events: tuple[EventView, ...] = told("What changed, newest first.")
    timestamp: str = told("When this was looked at.")


def overall_health(reports: Iterable[Report]) -> str:
    """The word for everything together.

    unhealthy: the database's circuit is open or it cannot be reached; degraded:
    anything else is not healthy; services without a key do not count.
    """
    word = "healthy"
    for report in filter(is_configured, reports):
        if report.component == DATABASE and is_lost(report):
            return "unhealthy"
        if report.state is not Health.HEALTHY:
            word = "degraded"
    return word


def system_health(reports: Sequence[Report], alerts: Sequence[Alert], now: float) -> SystemHealth:
    """The health of everything at epoch second *now*."""
    database = _database(reports)
    return SystemHealth(
        overall_health=overall_health(reports),
        database=database_health(database, now) if database else None,
        ai_services={
            service_name(report.component): ServiceSummary(
                report.state.value, report.state is Health.HEALTHY, configured=True
            )
            for report in _services(reports)
            if is_configured(report)
        },
        alerts=count_alerts(alerts),
        timestamp=moment(now),
    )


def dashboard(reports: Sequence[Report], standing: Standing, past: Past, now: float) -> Dashboard:
    """All that the page shows at epoch second *now*."""
    database, listed = _database(reports), alert_list(standing, now)
    return Dashboard(
        verdict=verdict(reports, standing.alerts, now, refused=past.refused),
        summary=_summary(reports, standing.alerts),
        database=_dashboard_database(database, past, now) if database else None,
        ai_services=service_healths(reports, now),
        alerts=listed.alerts,
        inhibited=listed.inhibited,
        silences=listed.silences,
        events=event_views(past.entries),
        timestamp=moment(now),
    )


def _dashboard_database(report: Report, past: Past, now: float) -> DashboardDatabase:
    return DashboardDatabase(
        health=database_health(report, now),
        metrics=pool_metrics(report, now),
        holders=holder_views(report),
        history=_pool_history(past.samples),
    )


def _pool_history(samples: Sequence[Sample]) -> PoolHistory:
    return PoolHistory(
        since=moment(samples[0].at) if samples else None,
        every_s=EVERY,
        active=tuple(sample.active for sample in samples),
        waiting=tuple(sample.waiting for sample in samples),
    )


def _summary(reports: Sequence[Report], alerts: Sequence[Alert]) -> Summary:
    database = _database(reports)
    services = [report for report in _services(reports) if is_configured(report)]
    budgets = [report.reading("budget.spent") for report in services]
    return Summary(
        overall_health=overall_health(reports),
        database_healthy=database is not None and database.state is Health.HEALTHY,
        ai_services_healthy=sum(report.state is Health.HEALTHY for report in services),
        ai_services_total=len(services),
        active_alerts=sum(alert.state is AlertState.FIRING for alert in alerts),
        circuit_breakers_open=sum(_is_open(report) for report in reports),
        spent_today=dollars(sum(budget.value for budget in budgets if budget)),
        budget_today=dollars(sum(budget.limit or 0 for budget in budgets if budget)),
    )


def _is_open(report: Report) -> bool:
    return report.breaker is not None and report.breaker.state is State.OPEN


def _database(reports: Iterable[Report]) -> Report | None:
    return next((report for report in reports if report.component == DATABASE), None)


def _services(reports: Iterable[Report]) -> list[Report]:
    return [report for report in reports if report.component.startswith(SERVICE_PREFIX)]


def service_healths(reports: Iterable[Report], now: float) -> dict[str, ServiceHealth]:
    """Each service by its name, with or without a key."""
    views = (service_health(report, now) for report in _services(reports))
    return {view.service: view for view in views}
