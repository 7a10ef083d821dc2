"""What every route shares: whom it watches, who may pass, and how an action is told.

    act: who? --> why? --> has it moved? (412) --> do it --> tell the journal --> add to the audit
             +--asked before, with this key: what it came to then

An action is not refused because the audit can't be written: that would make an outage worse.
It is told that the line is missing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final, NamedTuple

from fastapi import Request

from ..monitoring import Action, Monitor, Records
from ..monitoring.views import generation_of, moment
from ..resilience import (
    AuditLineLost,
    Clock,
    Component,
    Event,
    Listener,
    OperatorAction,
    Report,
    tell,
)
from ..stores import StoreError
from .doors import Doors, reason_of
from .problems import Problem

__all__ = ["Desk"]

_MOST_KEYS: Final = 1000
_KEY: Final = re.compile(r'"?([A-Za-z0-9._:-]{1,64})"?')


class _Wish(NamedTuple):
    """One wish of somebody, however often it is sent."""

    who: str
    key: str


class _Moves:
    """What the last thousand moves came to, of those whose wishes had a key."""

    def __init__(self) -> None:
        self._moves: dict[_Wish, tuple[str, tuple[str, str]]] = {}

    def find(self, wish: _Wish, path: str) -> tuple[str, str] | None:
        """The states before and after the first time; raises the 422 if that was another button."""
        first, states = self._moves.get(wish, (path, None))
        if first != path:
            detail = "this Idempotency-Key was sent to another address; make a new one"
            raise Problem(422, "key_used", detail)
        return states

    def keep(self, wish: _Wish, path: str, states: tuple[str, str]) -> None:
        """Remember *states*; the oldest wish is forgotten."""
        self._moves[wish] = path, states
        if len(self._moves) > _MOST_KEYS:
            del self._moves[next(iter(self._moves))]


@dataclass(frozen=True, slots=True)
class Desk:
    """The monitor, the doors, the clock and, where they are kept, the records of an application."""

    monitor: Monitor
    doors: Doors
    on_event: Listener
    clock: Clock
    records: Records | None = None
    _moves: _Moves = field(default_factory=_Moves, init=False, repr=False)

    def now(self) -> str:
        """The time of an answer."""
        return moment(self.clock.time())

    def database(self) -> Component:
        """The database; raises the 404 where there is none."""
        database = self.monitor.database
        if database is None:
            raise Problem(404, "no_database", "this application has no database")
        return database

    def service(self, name: str) -> Component:
        """The AI service called *name*; raises the 404, and makes nothing."""
        service = self.monitor.service(name)
        if service is None:
            detail = "there is no service of this name; GET /api/v1/monitoring/ai-services"
            raise Problem(404, "unknown_service", detail)
        return service

    async def reset(self, component: Component, action: str, request: Request) -> tuple[str, str]:
        """The documented states before and after a reset, which is told with its reason."""
        return await self._move(component, action, request, component.reset)

    async def half_open(self, component: Component, request: Request) -> tuple[str, str]:
        """The documented states before and after the open wait was ended."""
        return await self._move(component, "half-opened", request, component.half_open)

    async def reason(self, request: Request) -> str | None:
        """The reason that somebody gave for acting, redacted; None without one."""
        reason = await reason_of(request)
        return None if reason is None else self.monitor.redact(reason)

    async def check(self, component: Component, request: Request) -> Report:
        """Ask *component* now, or join whoever is asking; only asking anew uses the allowance."""
        reason = await self.reason(request)
        before = self.monitor.report(component)
        if not before.details.get("fresh"):
            self.doors.spend(self.doors.principal(request).key)
        report = self.monitor.redacted(await component.check())
        if reason is not None:
            action = self._action(component.name, "checked", reason, request)
            await self._tell(
                replace(action, before=before.state.value, after=report.state.value), request
            )
        return report

    async def note(self, component: str, action: str, reason: str | None, request: Request) -> str:
        """Tell an action that moves no circuit; who did it."""
        event = self._action(component, action, reason, request)
        await self._tell(event, request)
        return event.actor

    async def _move(
        self, component: Component, action: str, request: Request, work: Callable[[], None]
    ) -> tuple[str, str]:
        reason, wish = await self.reason(request), self._wish(request)
        if wish and (known := self._moves.find(wish, request.url.path)):
            return known
        before = self.monitor.report(component)
        _check_generation(before, request)
        work()
        states = before.state.value, self.monitor.report(component).state.value
        if wish:
            self._moves.keep(wish, request.url.path, states)
        event = self._action(component.name, action, reason, request)
        await self._tell(replace(event, before=states[0], after=states[1]), request)
        return states

    def identity(self, request: Request, *what: str) -> str:
        """A name for *what* is wished for: the same one each time that one wish is sent."""
        wish = self._wish(request)
        if wish is None:
            return secrets.token_hex(8)
        return sha256("\0".join((*wish, *what)).encode()).hexdigest()[:16]

    def _wish(self, request: Request) -> _Wish | None:
        key = request.headers.get("idempotency-key")
        if key is None:
            return None
        if not (found := _KEY.fullmatch(key)):
            detail = "Idempotency-Key must be 1 to 64 letters, digits or . _ : -; a UUID is one"
            raise Problem(422, "invalid_key", detail)
        return _Wish(self.doors.principal(request).key, found[1])

    def _action(
        self, component: str, action: str, reason: str | None, request: Request
    ) -> OperatorAction:
        return OperatorAction(component, action, reason, self.doors.principal(request).name)

    async def _tell(self, event: OperatorAction, request: Request) -> None:
        self._spread(event)
        if self.records is None:
            return
        try:
            await self.records.audit.append(
                Action(
                    at=self.clock.time(),
                    component=event.component,
                    action=event.action,
                    actor=event.actor,
                    address=request.client.host if request.client else None,
                    reason=event.reason,
                    before=event.before,
                    after=event.after,
                )
            )
        except StoreError as error:
            self._spread(AuditLineLost(event.component, event.action, error.cause))

    def _spread(self, event: Event) -> None:
        tell(self.monitor.journal.record, event)
        tell(self.monitor.counts.record, event)
        tell(self.on_event, event)


def _check_generation(report: Report, request: Request) -> None:
    """Raise the 412 unless the circuit is seen to be as it was when the visitor decided."""
    wanted = request.headers.get("if-match")
    if wanted is None:
        return
    if report.breaker is None:
        detail = "the circuit can't be seen; without If-Match you act whatever its state"
        raise Problem(412, "state_unknown", detail)
    known = {part.strip().strip('"') for part in wanted.split(",")}
    if not known & {"*", generation_of(report.breaker)}:
        detail = "the circuit has moved since you looked; look again, then decide"
        raise Problem(412, "state_moved", detail)
