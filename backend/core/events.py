"""Who listens to what changes: the journal that the page shows, and the log.

component --event--> listener --> journal.record
                             +--> log_event --> the standard library's logger "koo.events"
"""

from __future__ import annotations

import logging
from typing import Final

from koo.monitoring import AlertEvent, Journal
from koo.resilience import (
    CallRejected,
    ConfigurationChanged,
    Event,
    GaveUp,
    HealthChecked,
    LimitPaused,
    ModeChanged,
    OperatorAction,
    RetryScheduled,
    StateChanged,
    StateRenewed,
    fan_out,
)

__all__ = ["journal", "listener", "log_alert", "log_event"]

_LOG: Final = logging.getLogger("koo.events")
# Without a handler of the program's, Python would write warnings to its stderr.
_LOG.addHandler(logging.NullHandler())


def log_event(event: Event) -> None:
    """Say *event* in one line. An error is named by its class, never by what it says."""
    match event:
        case StateChanged(name, before, after, cause) | ModeChanged(name, before, after, cause):
            _LOG.warning("%s: circuit %s, it was %s; %s", name, after, before, cause)
        case StateRenewed(name, state, cause):
            _LOG.info("%s: circuit still %s; %s", name, state, cause)
        case LimitPaused(name, seconds):
            _LOG.warning("%s: paused for %.1f s, as the service asks", name, seconds)
        case HealthChecked(name, ok, error, _):
            _LOG.info("%s: check %s", name, "answered" if ok else f"failed; {error}")
        case ConfigurationChanged(name, names):
            _LOG.info("%s: settings changed since the last start; %s", name, ", ".join(names))
        case OperatorAction(name, action, reason, actor):
            _LOG.warning("%s: %s by %s; %s", name, action, actor, reason or "no reason given")
        case GaveUp(name, attempts, error):
            _LOG.info("%s: gave up after %d attempts; %s", name, attempts, type(error).__name__)
        case RetryScheduled(name, attempt, delay, error):
            what = type(error).__name__
            _LOG.debug("%s: attempt %d failed, next in %.2f s; %s", name, attempt, delay, what)
        case CallRejected(name, gate, reason, _):
            _LOG.debug("%s: refused by %s; %s", name, gate, reason)


def log_alert(event: AlertEvent) -> None:
    """Say that an alert is pending, firing or resolved, in one line."""
    alert = event.alert
    _LOG.warning("%s: alert %s, %s; %s", alert.id, alert.state, alert.severity, alert.message)


journal: Final = Journal()
listener: Final = fan_out(journal.record, log_event)
