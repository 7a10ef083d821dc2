"""What changed, and who changed it: the last events worth a person's eye.

A listener. Of the many things that components tell it keeps those that change
what a person sees: transitions, modes, pauses, actions, settings, and a check whose
answer differs from the one before. Retries and refused calls are counters.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ..resilience import (
    SYSTEM_CLOCK,
    Clock,
    ConfigurationChanged,
    Event,
    HealthChecked,
    LimitPaused,
    ModeChanged,
    OperatorAction,
    StateChanged,
)
from .alerts import Notice

__all__ = ["Entry", "Journal"]

_KEPT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the journal; *at* is an epoch second."""

    at: float
    component: str
    what: str
    before: str | None = None
    after: str | None = None
    cause: str | None = None
    actor: str | None = None


class Journal:
    """The last *kept* changes, with the time at which they were told."""

    def __init__(self, *, kept: int = _KEPT, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._notices: dict[str, Notice] = {}
        self._answers: dict[str, bool] = {}

    def record(self, event: Event) -> None:
        """Keep *event* if it changes what a person sees; a listener."""
        entry = self._entry(event, self._clock.time())
        if entry is not None:
            self._entries.append(entry)

    def entries(self, most: int = _KEPT) -> tuple[Entry, ...]:
        """At most *most* entries, newest first."""
        return tuple(islice(reversed(self._entries), most))

    def notices(self) -> tuple[Notice, ...]:
        """The last change of settings of each component."""
        return tuple(self._notices.values())

    def _entry(self, event: Event, at: float) -> Entry | None:
        match event:
            case StateChanged() | ModeChanged():
                return _move(event, at)
            case LimitPaused(name, seconds):
                return Entry(at=at, component=name, what="paused", cause=f"for {seconds:.1f} s")
            case OperatorAction():
                return _action(event, at)
            case ConfigurationChanged(name, names):
                self._notices[name] = Notice(name, names, at)
                what, cause = "configuration changed", ", ".join(names)
                return Entry(at=at, component=name, what=what, cause=cause)
            case HealthChecked():
                return self._checked(event, at)
        return None

    def _checked(self, event: HealthChecked, at: float) -> Entry | None:
        before = self._answers.get(event.component, True)
        self._answers[event.component] = event.ok
        if before == event.ok:
            return None
        what = "answers again" if event.ok else "check failed"
        return Entry(at=at, component=event.component, what=what, cause=event.error)


def _move(event: StateChanged | ModeChanged, at: float) -> Entry:
    return Entry(
        at=at,
        component=event.component,
        what="circuit" if isinstance(event, StateChanged) else "mode",
        before=str(event.before),
        after=str(event.after),
        cause=event.cause,
    )


def _action(event: OperatorAction, at: float) -> Entry:
    return Entry(
        at=at,
        component=event.component,
        what=event.action,
        before=event.before,
        after=event.after,
        cause=event.reason,
        actor=event.actor,
    )
