"""From reports to alerts: a pure function of what is, what was known, and the time.

    finding ----> PENDING ----(held for the rule's time)----> FIRING ----(finding gone)---+
       |             |                                                                    |
       +--(gone)-----+--> nothing              every trouble of the component gone: -> RESOLVED,
                                               "recovered", kept for five minutes

An alert keeps its id and its ``since`` while it lasts. A service without a key
is silent: nobody can expect it to work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from typing import Final

from ..resilience import Report
from .naming import DATABASE, is_configured, service_name
from .rules import RULES, RUNBOOKS, Rule, Severity

__all__ = ["Alert", "AlertState", "Notice", "find_alerts"]

KEPT_RECOVERED: Final = 300.0
KEPT_NOTICE: Final = 3600.0

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


def find_alerts(
    reports: Iterable[Report],
    previous: Iterable[Alert],
    now: float,
    notices: Iterable[Notice] = (),
) -> tuple[Alert, ...]:
    """Everything worth knowing at epoch second *now*, the most urgent first.

    *previous* is what this function returned the last time, or nothing.
    """
    known = {alert.id: alert for alert in previous}
    troubles = [
        alert
        for report in reports
        if is_configured(report)
        for rule in RULES
        if (alert := _judge(rule, report, known, now))
    ]
    troubled = {alert.component for alert in troubles if alert.state is AlertState.FIRING}
    recovered = _recovered(known.values(), troubled, now)
    changed = (_changed(notice) for notice in notices if now - notice.at < KEPT_NOTICE)
    return tuple(sorted(chain(troubles, recovered, changed), key=_urgency))


def _urgency(alert: Alert) -> tuple[bool, int, bool, float, str]:
    pending = alert.state is AlertState.PENDING
    other = alert.component != DATABASE
    return pending, _URGENCY[alert.severity], other, -alert.since, alert.id


def _judge(rule: Rule, report: Report, known: Mapping[str, Alert], now: float) -> Alert | None:
    if rule.kind != report.kind:
        return None
    before = known.get(f"{report.component}:{rule.name}")
    finding = rule.find(report, rule.clear_at if before else rule.fire_at)
    if finding is None:
        return None
    since = finding.since or (before.since if before else now)
    fires = now - since >= rule.hold or (before is not None and before.state is AlertState.FIRING)
    sentence = f"{finding.what} since {_clock(since, now)}; {rule.advice}"
    return Alert(
        id=f"{report.component}:{rule.name}",
        severity=rule.severity,
        component=report.component,
        title=rule.title,
        message=f"{service_name(report.component)}: {sentence}",
        cause=finding.cause,
        state=AlertState.FIRING if fires else AlertState.PENDING,
        since=since,
        runbook=rule.runbook,
    )


def _recovered(known: Iterable[Alert], troubled: set[str], now: float) -> Iterable[Alert]:
    """What had trouble and has none, for as long as that is news."""
    quiet = [alert for alert in known if alert.component not in troubled]
    over = {
        alert.component: _recovery(alert, now)
        for alert in sorted(quiet, key=_urgency, reverse=True)
        if alert.state is AlertState.FIRING and alert.severity is not Severity.INFO
    }
    fresh = {
        alert.component: alert
        for alert in quiet
        if alert.state is AlertState.RESOLVED and now - alert.since < KEPT_RECOVERED
    }
    return (fresh | over).values()


def _recovery(before: Alert, now: float) -> Alert:
    return Alert(
        id=f"{before.component}:recovered",
        severity=Severity.INFO,
        component=before.component,
        title="Recovered",
        message=(
            f"{service_name(before.component)}: in order again since {_clock(now, now)}; "
            "nothing to do, read what it was when there is time"
        ),
        cause=f"It was: {before.title.lower()}, since {_clock(before.since, now)}",
        state=AlertState.RESOLVED,
        since=now,
        runbook=RUNBOOKS["recovered"],
    )


def _changed(notice: Notice) -> Alert:
    return Alert(
        id=f"{notice.component}:configuration-changed",
        severity=Severity.INFO,
        component=notice.component,
        title="Configuration changed",
        message=(
            f"{service_name(notice.component)}: {len(notice.names)} settings differ since "
            f"{_clock(notice.at, notice.at)}; see that this was meant"
        ),
        cause=", ".join(notice.names),
        state=AlertState.FIRING,
        since=notice.at,
        runbook=RUNBOOKS["configuration-changed"],
    )


def _clock(epoch: float, now: float) -> str:
    """The time of day, with the date unless it is today's."""
    then, today = datetime.fromtimestamp(epoch, UTC), datetime.fromtimestamp(now, UTC).date()
    return then.strftime("%H:%M:%S UTC" if then.date() == today else "%Y-%m-%d %H:%M:%S UTC")
