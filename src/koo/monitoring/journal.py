"""What changed, and who changed it: the last events worth a person's eye.

    record(event) --> the last 500 entries --entries()--> newest first, for the page
                                           --read(cursor)--> oldest first, what is new to a reader

A listener of events and of alerts. Of the many things that components tell it keeps those that
change what a person sees: transitions, modes, pauses, limits, actions, settings, a check whose
answer differs from the one before, and alerts that fire or are over. Retries and refused calls
are counters.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from ..resilience import (
    SYSTEM_CLOCK,
    AuditLineLost,
    Clock,
    ConfigurationChanged,
    Event,
    HealthChecked,
    LimitPaused,
    LimitReached,
    ModeChanged,
    OperatorAction,
    PaceChanged,
    PoolChanged,
    SchemaChanged,
    StateChanged,
)
from .alerts import Alert, AlertEvent, AlertState, Notice, Severity
from .correlation import REQUEST_ID
from .redaction import Redact, redact

__all__ = ["Entry", "EntryPage", "Journal"]

_KEPT: Final = 500

_MOVES: Final = {StateChanged: "circuit", ModeChanged: "mode", PoolChanged: "pool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the journal; *at* is an epoch second, *number* grows by one each time."""

    at: float
    component: str
    what: str
    before: str | None = None
    after: str | None = None
    cause: str | None = None
    actor: str | None = None
    request_id: str | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Some *entries*, oldest first, and the *cursor* to read on from.

    *has_gap*: some that the reader has not seen are gone, or the process is another one.
    """

    entries: tuple[Entry, ...]
    cursor: str
    has_gap: bool


class Journal:
    """The last *kept* changes, with the time at which they were told, redacted."""

    def __init__(
        self, *, kept: int = _KEPT, redact: Redact = redact, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._clock = clock
        self._redact = redact
        self._last = 0
        # Again, because what the collector settles may tell something meanwhile.
        self._lock = threading.RLock()
        self._birth = f"{int(clock.time() * 1000):x}"
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._notices: dict[str, Notice] = {}
        self._answers: dict[str, bool] = {}

    def record(self, event: Event) -> None:
        """Keep *event* if it changes what a person sees; a listener."""
        entry = self._entry(event, self._clock.time())
        if entry is not None:
            self._keep(entry)

    def record_alert(self, event: AlertEvent) -> None:
        """Keep that an alert fires or is over; news are kept as the events that they are."""
        alert = event.alert
        if alert.severity is not Severity.INFO and alert.state is not AlertState.PENDING:
            self._keep(_alert(alert, event.at))

    def entries(self, most: int = _KEPT) -> tuple[Entry, ...]:
        """At most *most* entries, newest first."""
        return self._kept()[: -most - 1 : -1]

    def read(self, cursor: str | None = None, most: int = _KEPT) -> EntryPage:
        """At most *most* entries after *cursor*, oldest first; without one the newest.

        Raises ValueError for a cursor that no page has ever had.
        """
        if cursor is None:
            entries = self.entries(most)[::-1]
            return EntryPage(entries, self._cursor(self._last), has_gap=False)
        seen, is_ours = self._seen(cursor)
        new = tuple(islice((entry for entry in self._kept() if entry.number > seen), most))
        has_gap = not is_ours or bool(new and new[0].number > seen + 1)
        return EntryPage(new, self._cursor(new[-1].number if new else seen), has_gap)

    def notices(self) -> tuple[Notice, ...]:
        """The last change of settings of each component."""
        return tuple(self._notices.values())

    def _kept(self) -> tuple[Entry, ...]:
        # A copy is made in one step; a tuple's memory may call the collector, and that a listener.
        return tuple(self._entries.copy())

    def _keep(self, entry: Entry) -> None:
        cause = entry.cause and self._redact(entry.cause)
        with self._lock:
            self._last += 1
            numbered = replace(entry, cause=cause, request_id=REQUEST_ID.get(), number=self._last)
            self._entries.append(numbered)

    def _cursor(self, number: int) -> str:
        return f"{self._birth}-{number}"

    def _seen(self, cursor: str) -> tuple[int, bool]:
        """The number up to which a reader has seen ours, and whether *cursor* is from this life."""
        birth, _, number = cursor.partition("-")
        if not number.isdecimal() or not number.isascii():
            raise ValueError("journal: no such cursor; take one from a page, or none to begin")
        is_ours = birth == self._birth and int(number) <= self._last
        return int(number) if is_ours else 0, is_ours

    def _entry(self, event: Event, at: float) -> Entry | None:
        match event:
            case StateChanged() | ModeChanged() | PoolChanged():
                return _move(event, at)
            case LimitPaused() | LimitReached() | PaceChanged():
                return _throttling(event, at)
            case OperatorAction() | AuditLineLost():
                return _action(event, at)
            case HealthChecked():
                return self._checked(event, at)
            case SchemaChanged(name, cause):
                what = "schema changed"
            case ConfigurationChanged(name, names):
                self._notices[name] = Notice(name, names, at)
                what, cause = "configuration changed", ", ".join(names)
            case _:
                return None
        return Entry(at=at, component=name, what=what, cause=cause)

    def _checked(self, event: HealthChecked, at: float) -> Entry | None:
        before = self._answers.get(event.component, True)
        self._answers[event.component] = event.ok
        if before == event.ok:
            return None
        what = "answers again" if event.ok else "check failed"
        return Entry(at=at, component=event.component, what=what, cause=event.error)


def _throttling(event: LimitPaused | LimitReached | PaceChanged, at: float) -> Entry:
    match event:
        case LimitPaused(name, seconds):
            return Entry(at=at, component=name, what="paused", cause=f"for {seconds:.1f} s")
        case LimitReached(name, cause, _):
            return Entry(at=at, component=name, what="limit reached", cause=cause)
    pace = event.per_minute
    after = "as they come" if pace is None else f"{pace:.1f} a minute"
    return Entry(
        at=at, component=event.component, what="pace of calls", after=after, cause=event.cause
    )


def _move(event: StateChanged | ModeChanged | PoolChanged, at: float) -> Entry:
    return Entry(
        at=at,
        component=event.component,
        what=_MOVES[type(event)],
        before=str(event.before),
        after=str(event.after),
        cause=event.cause,
    )


def _action(event: OperatorAction | AuditLineLost, at: float) -> Entry:
    if isinstance(event, AuditLineLost):
        name, what = event.component, f"not in the audit: {event.action}"
        return Entry(at=at, component=name, what=what, cause=event.cause)
    return Entry(
        at=at,
        component=event.component,
        what=event.action,
        before=event.before,
        after=event.after,
        cause=event.reason,
        actor=event.actor,
    )


def _alert(alert: Alert, at: float) -> Entry:
    words = alert.title if alert.cause is None else f"{alert.title}: {alert.cause}"
    what, state = f"{alert.severity} alert", alert.state.value
    return Entry(at=at, component=alert.component, what=what, after=state, cause=words)
