"""How an event reads as a line: how loud, in which words, with which fields.

An error is named by its class and never by what it says.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from ...resilience import (
    AuditLineLost,
    CallRejected,
    ConfigurationChanged,
    ConnectionEvent,
    Event,
    GaveUp,
    HealthChecked,
    LimitPaused,
    LimitReached,
    ModeChanged,
    OperatorAction,
    PaceChanged,
    PoolChanged,
    RetryScheduled,
    SchemaChanged,
    StateChanged,
    StateRenewed,
)
from ..alerts import AlertEvent

__all__ = ["Line", "line_of", "line_of_alert"]

Fields: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to say. *may_drown*: calls cause it, so there may be thousands in a second."""

    level: int
    component: str
    event: str
    message: str
    fields: Fields = field(default_factory=dict)
    may_drown: bool = False


def line_of(event: Event) -> Line:
    """*event* in one line."""
    match event:
        case CallRejected() | RetryScheduled() | GaveUp() | ConnectionEvent():
            return _of_a_call(event)
        case LimitPaused() | LimitReached() | PaceChanged():
            return _of_a_limit(event)
        case StateChanged() | ModeChanged() | StateRenewed():
            return _of_a_circuit(event)
        case HealthChecked(name, ok, error, seconds):
            level = logging.DEBUG if ok else logging.INFO
            message = f"{name}: check {'answered' if ok else f'failed; {error}'}"
            fields = {"ok": ok, "error": error, "seconds": round(seconds, 6)}
            return Line(level, name, "check", message, fields)
        case ConfigurationChanged() | SchemaChanged() | PoolChanged():
            return _of_a_change(event)
        case OperatorAction() | AuditLineLost():
            return _of_an_action(event)
        case _:
            assert_never(event)


def line_of_alert(event: AlertEvent) -> Line:
    """The pending, firing or resolved alert of *event* in one line."""
    alert = event.alert
    message = f"{alert.id}: alert {alert.state}, {alert.severity}; {alert.message}"
    fields = {"alert": alert.id, "severity": alert.severity.value, "state": alert.state.value}
    return Line(logging.WARNING, alert.component, "alert", message, fields)


def _of_a_circuit(event: StateChanged | ModeChanged | StateRenewed) -> Line:
    name, cause = event.component, event.cause
    if isinstance(event, StateRenewed):
        message = f"{name}: circuit still {event.state}; {cause}"
        return Line(
            logging.INFO, name, "circuit", message, {"to": str(event.state), "cause": cause}
        )
    before, after = str(event.before), str(event.after)
    message = f"{name}: circuit {after}, it was {before}; {cause}"
    fields = {"from": before, "to": after, "cause": cause}
    return Line(logging.WARNING, name, "circuit", message, fields)


def _of_a_change(event: ConfigurationChanged | SchemaChanged | PoolChanged) -> Line:
    match event:
        case ConfigurationChanged(name, names):
            message = f"{name}: settings changed since the last start; {', '.join(names)}"
            return Line(logging.INFO, name, "configuration", message, {"names": list(names)})
        case SchemaChanged(name, what):
            return Line(logging.INFO, name, "schema", f"{name}: {what}", {"what": what})
        case PoolChanged(name, before, after, cause):
            message = f"{name}: pool {after}, it was {before}; {cause}"
            fields: Fields = {"from": before, "to": after, "cause": cause}
            return Line(logging.WARNING, name, "pool", message, fields)
        case _:
            assert_never(event)


def _of_a_call(event: CallRejected | RetryScheduled | GaveUp | ConnectionEvent) -> Line:
    match event:
        case CallRejected(name, gate, reason, retry_after):
            message = f"{name}: refused by {gate}; {reason}"
            fields: Fields = {"gate": gate, "reason": reason, "retry_after": retry_after}
            return Line(logging.INFO, name, "refusal", message, fields, may_drown=True)
        case RetryScheduled(name, attempt, delay, error):
            what = type(error).__name__
            message = f"{name}: attempt {attempt} failed, next in {delay:.2f} s; {what}"
            fields = {"attempt": attempt, "delay": round(delay, 6), **_of_an_error(error)}
            return Line(logging.INFO, name, "retry", message, fields, may_drown=True)
        case GaveUp(name, attempts, error):
            times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
            message = f"{name}: gave up after {times}; {type(error).__name__}"
            fields = {"attempts": attempts, **_of_an_error(error)}
            return Line(logging.WARNING, name, "give_up", message, fields, may_drown=True)
        case ConnectionEvent(name, what, cause):
            message = f"{name}: connection {what}; {cause}"
            fields = {"what": what, "cause": cause}
            return Line(logging.DEBUG, name, "connection", message, fields, may_drown=True)
        case _:
            assert_never(event)


def _of_a_limit(event: LimitPaused | LimitReached | PaceChanged) -> Line:
    match event:
        case LimitPaused(name, seconds):
            message = f"{name}: paused for {seconds:.1f} s, as the service asks"
            fields: Fields = {"seconds": round(seconds, 3)}
            return Line(logging.WARNING, name, "pause", message, fields, may_drown=True)
        case LimitReached(name, cause, seconds):
            message = f"{name}: {cause}; calls wait for up to {seconds:.1f} s"
            fields = {"cause": cause, "seconds": round(seconds, 3)}
            return Line(logging.WARNING, name, "limit", message, fields, may_drown=True)
        case PaceChanged(name, None, cause):
            message = f"{name}: calls go as they come again; {cause}"
            fields = {"per_minute": None, "cause": cause}
            return Line(logging.INFO, name, "pace", message, fields)
        case PaceChanged(name, pace, cause):
            message = f"{name}: {pace:.1f} calls a minute from now on; {cause}"
            fields = {"per_minute": pace, "cause": cause}
            return Line(logging.WARNING, name, "pace", message, fields)
        case _:
            assert_never(event)


def _of_an_error(error: Exception) -> Fields:
    """Its class, its kind, and the id under which the other side knows the request."""
    fields = {"error": type(error).__name__}
    for name, attribute in (("kind", "kind"), ("upstream_request_id", "request_id")):
        if (value := getattr(error, attribute, None)) is not None:
            fields[name] = str(value)
    return fields


def _of_an_action(event: OperatorAction | AuditLineLost) -> Line:
    name, action = event.component, event.action
    if isinstance(event, AuditLineLost):
        message = f"{name}: {action} is not in the audit; {event.cause}"
        lost = {"action": action, "cause": event.cause}
        return Line(logging.WARNING, name, "audit", message, lost)
    reason = event.reason or "no reason given"
    message = f"{name}: {action} by {event.actor}; {reason}"
    fields = {
        "action": action,
        "actor": event.actor,
        "reason": event.reason,
        "from": event.before,
        "to": event.after,
    }
    return Line(logging.WARNING, name, "action", message, fields)
