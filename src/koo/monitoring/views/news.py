"""What fires and what changed, as the outside sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..alerts import Alert, AlertState, Severity
from ..audit import AuditEntry
from ..journal import Entry
from ..notify import Mutes, Silence
from .shape import moment, told

__all__ = [
    "ActionView",
    "AlertCounts",
    "AlertList",
    "AlertView",
    "EventView",
    "SilenceView",
    "Standing",
    "action_view",
    "alert_list",
    "count_alerts",
    "event_views",
    "silence_view",
]


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
    acknowledged_by: str | None = told("Who has seen it; null if nobody said so.")
    silence: str | None = told("The silence that keeps it from being told; null without one.")


@dataclass(frozen=True, slots=True)
class SilenceView:
    """Quiet that a person asked for."""

    id: str = told("What to lift it by.")
    component: str = told("Of which components, as a pattern.")
    rule: str = told("Of which alerts, as a pattern.")
    starts: str = told("From when on.")
    ends: str = told("Until when.")
    actor: str = told("Who asked for it.")
    reason: str = told("Why.")


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """How many alerts of each severity."""

    critical: int = told("Somebody should look now.")
    warning: int = told("Somebody should look today.")
    info: int = told("Good to know.")


@dataclass(frozen=True, slots=True)
class AlertList:
    """What fires or is about to, and what follows from it."""

    alerts: tuple[AlertView, ...] = told("The most urgent first.")
    inhibited: tuple[AlertView, ...] = told("What a graver one of the alerts makes needless.")
    silences: tuple[SilenceView, ...] = told("The silences in force.")
    counts: AlertCounts = told("How many alerts of each severity there are.")


@dataclass(frozen=True, slots=True)
class ActionView:
    """One thing that a person did."""

    id: int = told("Its number; later ones are higher.")
    at: str = told("When.")
    component: str = told("To what.")
    action: str = told("What, in a word or two.")
    actor: str = told("Who.")
    address: str | None = told("From which network address.")
    reason: str | None = told("Why, as they said.")
    before: str | None = told("The state before.")
    after: str | None = told("The state after.")


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


@dataclass(frozen=True, slots=True)
class Standing:
    """*alerts*, what follows from them, and what people have silenced or seen of both."""

    alerts: tuple[Alert, ...] = ()
    inhibited: tuple[Alert, ...] = ()
    mutes: Mutes = field(default_factory=Mutes)


def alert_list(standing: Standing, now: float) -> AlertList:
    """What stands at epoch second *now*, as the outside sees it."""
    mutes = standing.mutes
    return AlertList(
        alerts=tuple(_alert_view(alert, mutes, now) for alert in standing.alerts),
        inhibited=tuple(_alert_view(alert, mutes, now) for alert in standing.inhibited),
        silences=tuple(silence_view(one) for one in mutes.silences if one.starts <= now < one.ends),
        counts=count_alerts(standing.alerts),
    )


def _alert_view(alert: Alert, mutes: Mutes, now: float) -> AlertView:
    seen, silence = mutes.acknowledgement_of(alert), mutes.silence_of(alert, now)
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
        acknowledged_by=seen.actor if seen else None,
        silence=silence.id if silence else None,
    )


def silence_view(silence: Silence) -> SilenceView:
    """A silence as the outside sees it."""
    return SilenceView(
        id=silence.id,
        component=silence.component,
        rule=silence.rule,
        starts=moment(silence.starts),
        ends=moment(silence.ends),
        actor=silence.actor,
        reason=silence.reason,
    )


def action_view(entry: AuditEntry) -> ActionView:
    """A line of the audit as the outside sees it."""
    action = entry.action
    return ActionView(
        id=entry.id,
        at=moment(action.at),
        component=action.component,
        action=action.action,
        actor=action.actor,
        address=action.address,
        reason=action.reason,
        before=action.before,
        after=action.after,
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
