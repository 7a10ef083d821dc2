"""Alerts as they are shown: what, since when, why, what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from ..naming import DATABASE, service_name
from .rulebook import RUNBOOKS
from .rules import Rule, Severity

__all__ = [
    "Alert",
    "AlertState",
    "Notice",
    "alert_of",
    "change_of",
    "recovery_of",
    "resolved",
    "urgency",
    "watchdog_of",
]

_URGENCY: Final = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


class AlertState(StrEnum):
    """Whether an alert still waits to be sure, holds, or is over."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that somebody should know; *since* is an epoch second."""

    id: str
    severity: Severity
    component: str
    title: str
    message: str
    cause: str | None
    state: AlertState
    since: float
    runbook: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A thing that happened once and is worth knowing for an hour: the settings *names* changed."""

    component: str
    names: tuple[str, ...]
    at: float


def urgency(alert: Alert) -> tuple[bool, int, bool, float, str]:
    """What sorts the most urgent first."""
    pending = alert.state is AlertState.PENDING
    other = alert.component != DATABASE
    return pending, _URGENCY[alert.severity], other, -alert.since, alert.id


def alert_of(
    rule: Rule, component: str, cause: str | None, *, state: AlertState, since: float, now: float
) -> Alert:
    """The alert of *rule* about *component*, as seen at epoch second *now*."""
    name = service_name(component)
    return Alert(
        id=rule.identity(component),
        severity=rule.severity,
        component=component,
        title=rule.title,
        message=f"{name}: {rule.what} since {_time_of_day(since, now)}; {rule.advice}",
        cause=cause,
        state=state,
        since=since,
        runbook=rule.runbook,
    )


def resolved(alert: Alert, now: float) -> Alert:
    """The same alert, over."""
    message = (
        f"{service_name(alert.component)}: over at {_time_of_day(now, now)}, "
        f"it was: {alert.title.lower()}, since {_time_of_day(alert.since, now)}; nothing to do"
    )
    return replace(alert, state=AlertState.RESOLVED, message=message)


def recovery_of(before: Alert, now: float) -> Alert:
    """The news that a component has no trouble any more; the worst of it was *before*."""
    return Alert(
        id=f"{before.component}:recovered",
        severity=Severity.INFO,
        component=before.component,
        title="Recovered",
        message=(
            f"{service_name(before.component)}: in order again since {_time_of_day(now, now)}; "
            "nothing to do, read what it was when there is time"
        ),
        cause=f"It was: {before.title.lower()}, since {_time_of_day(before.since, now)}",
        state=AlertState.RESOLVED,
        since=now,
        runbook=RUNBOOKS["recovered"],
    )


def change_of(notice: Notice) -> Alert:
    """The news that settings differ from those of the last start."""
    return Alert(
        id=f"{notice.component}:configuration-changed",
        severity=Severity.INFO,
        component=notice.component,
        title="Configuration changed",
        message=(
            f"{service_name(notice.component)}: {len(notice.names)} settings differ since "
            f"{_time_of_day(notice.at, notice.at)}; see that this was meant"
        ),
        cause=", ".join(notice.names),
        state=AlertState.FIRING,
        since=notice.at,
        runbook=RUNBOOKS["configuration-changed"],
    )


def watchdog_of(since: float, now: float) -> Alert:
    """The alert that always fires, to show that whoever would be told is told."""
    return Alert(
        id="system:watchdog",
        severity=Severity.INFO,
        component="system",
        title="Watchdog",
        message=f"system: watched since {_time_of_day(since, now)}; act when this stops",
        cause=None,
        state=AlertState.FIRING,
        since=since,
        runbook=RUNBOOKS["watchdog"],
    )


def _time_of_day(epoch: float, now: float) -> str:
    """The time of day, with the date unless it is today's."""
    then, today = datetime.fromtimestamp(epoch, UTC), datetime.fromtimestamp(now, UTC).date()
    return then.strftime("%H:%M:%S UTC" if then.date() == today else "%Y-%m-%d %H:%M:%S UTC")
