"""What fires and what changed, as the outside sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..alerts import Alert, AlertState, Severity
from ..journal import Entry
from .shape import moment, told

__all__ = ["AlertCounts", "AlertView", "EventView", "alert_views", "count_alerts", "event_views"]


@dataclass(frozen=True, slots=True)
class AlertView:
    """One thing that somebody should know."""

    id: str = told("Stable while it lasts.")
    severity: str = told("How soon to look.", one_of=tuple(item.value for item in Severity))
    component: str = told("database, ai:<service>, store, notifications or system.")
    title: str = told("What it is, in a few words.")
    message: str = told("What, since when, what to do.")
    cause: str | None = told("Why, one sentence.")
    state: str = told("Whether it holds.", one_of=tuple(item.value for item in AlertState))
    since: str = told("When it began.")
    runbook: str = told("The section of the documentation to read.")


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """How many alerts of each severity."""

    critical: int = told("Somebody should look now.")
    warning: int = told("Somebody should look today.")
    info: int = told("Good to know.")


@dataclass(frozen=True, slots=True)
class EventView:
    """One thing that changed."""

    at: str = told("When.")
    component: str = told("What it happened to.")
    what: str = told("What happened, in a word or two.")
    from_: str | None = told("The state before.", called="from")
    to: str | None = told("The state after.")
    cause: str | None = told("Why, or the reason a person gave.")
    actor: str | None = told("Who did it; null if nobody did.")
    request_id: str | None = told("The request in which it happened; null outside of one.")


def alert_views(alerts: Iterable[Alert]) -> tuple[AlertView, ...]:
    """Alerts as the outside sees them."""
    return tuple(_alert_view(alert) for alert in alerts)


def _alert_view(alert: Alert) -> AlertView:
    return AlertView(
        id=alert.id,
        severity=alert.severity.value,
        component=alert.component,
        title=alert.title,
        message=alert.message,
        cause=alert.cause,
        state=alert.state.value,
        since=moment(alert.since),
        runbook=alert.runbook,
    )


def count_alerts(alerts: Iterable[Alert]) -> AlertCounts:
    """How many alerts of each severity there are, whatever their state."""
    severities = [alert.severity for alert in alerts]
    return AlertCounts(*(severities.count(severity) for severity in Severity))


def event_views(entries: Iterable[Entry]) -> tuple[EventView, ...]:
    """Journal entries as the outside sees them."""
    return tuple(
        EventView(
            at=moment(entry.at),
            component=entry.component,
            what=entry.what,
            from_=entry.before,
            to=entry.after,
            cause=entry.cause,
            actor=entry.actor,
            request_id=entry.request_id,
        )
        for entry in entries
    )
