"""What people decide about alerts, and what they did: silences, acknowledgements, the audit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from ...monitoring import Alert, Records
from ...monitoring.notify import Acknowledgement, Silence
from ...monitoring.views import action_view, silence_view
from ..answers import AcknowledgedAnswer, AuditAnswer, SilenceAnswer, SilencesAnswer
from ..desk import Desk
from ..doors import one_line, read_json
from ..problems import Problem
from .texts import ACTING, KEEPING, LOOKING, NOT_FOUND, REASON, body_of

__all__ = ["record_router"]

_WEEK: Final = 7 * 86_400.0

_Pattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:*?-]{1,100}$")]


@dataclass(frozen=True, slots=True)
class _Wish:
    """Quiet for so many *seconds*; the patterns know * for anything."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]
    seconds: Annotated[float, Field(ge=60, le=_WEEK)] = 3600.0
    component: _Pattern = "*"
    rule: _Pattern = "*"


_WISH: Final = TypeAdapter(_Wish)


@dataclass(frozen=True, slots=True)
class _RecordRoutes:
    desk: Desk
    records: Records

    async def silences(self) -> SilencesAnswer:
        """The silences in force."""
        silences = self.desk.monitor.alert_list().silences
        return SilencesAnswer(silences, self.desk.now())

    async def silence(self, request: Request) -> SilenceAnswer:
        """Keep what matches from being told for a while; it is shown as before."""
        wish = await _read_wish(request)
        now, identity = (
            self.desk.clock.time(),
            self.desk.identity(request, wish.component, wish.rule),
        )
        for known in self.records.mute_book.mutes().silences:
            if known.id == identity:
                return self._silenced(known)
        silence = Silence(
            id=identity,
            component=wish.component,
            rule=wish.rule,
            starts=now,
            ends=now + wish.seconds,
            actor=self.desk.doors.principal(request).name,
            reason=self.desk.monitor.redact(one_line(wish.reason)),
        )
        await self.records.mute_book.silence(silence)
        await self.desk.note(wish.component, f"silenced {wish.rule}", silence.reason, request)
        return self._silenced(silence)

    def _silenced(self, it: Silence) -> SilenceAnswer:
        span = it.ends - it.starts
        message = f"what matches is not told for {span:.0f} s; that it ends is told"
        return SilenceAnswer(message, silence_view(it), self.desk.now())

    async def lift(self, silence: str, request: Request) -> SilenceAnswer:
        """End a silence now; what fires and was silenced is told."""
        reason = await self.desk.reason(request)
        lifted = await self.records.mute_book.lift(silence)
        if lifted is None:
            detail = "there is no such silence; GET /api/v1/monitoring/silences"
            raise Problem(404, "unknown_silence", detail)
        await self.desk.note(lifted.component, f"lifted silence of {lifted.rule}", reason, request)
        return SilenceAnswer("what matches is told again", silence_view(lifted), self.desk.now())

    async def acknowledge(self, alert: str, request: Request) -> AcknowledgedAnswer:
        """Say that you have seen an alert that fires: nobody is reminded of it."""
        reason = await self.desk.reason(request)
        found = _find(alert, self.desk.monitor.standing()) or await self._elsewhere(alert)
        actor = self.desk.doors.principal(request).name
        at = max(found.since, self.desk.clock.time())
        seen = Acknowledgement(id=found.id, at=at, actor=actor, reason=reason)
        await self.records.mute_book.acknowledge(seen)
        rule = found.id.removeprefix(f"{found.component}:")
        await self.desk.note(found.component, f"acknowledged {rule}", reason, request)
        message = "nobody is reminded of it; that it ends is told"
        return AcknowledgedAnswer(message, found.id, actor, self.desk.now())

    async def audit(
        self,
        most: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[int, Query(ge=1, le=2**62)] = 2**62,
    ) -> AuditAnswer:
        """What people did, newest first, page by page; nothing is ever taken away."""
        entries = await self.records.audit.entries(most, before)
        more = entries[-1].id if len(entries) == most else None
        return AuditAnswer(tuple(map(action_view, entries)), more, self.desk.now())

    async def _elsewhere(self, identity: str) -> Alert:
        """The alert called so that another process of the file sees; raises the 404."""
        outbox = self.records.outbox
        if found := _find(identity, await outbox.aside(outbox.standing)):
            return found
        detail = "no alert of this id fires; GET /api/v1/monitoring/alerts"
        raise Problem(404, "unknown_alert", detail)


def record_router(desk: Desk, records: Records) -> APIRouter:
    """The routes of what *records* keep."""
    router = APIRouter(prefix="/api/v1/monitoring", tags=["monitoring"])
    routes = _RecordRoutes(desk, records)
    looks = [Depends(desk.doors.looks)]
    acts = [Depends(desk.doors.acts), Depends(desk.doors.spends)]
    add = router.add_api_route
    add("/silences", routes.silences, dependencies=looks, responses=LOOKING)
    add("/audit", routes.audit, dependencies=looks, responses=LOOKING | KEEPING)
    add(
        "/silences",
        routes.silence,
        methods=["POST"],
        dependencies=acts,
        responses=ACTING | KEEPING,
        openapi_extra=body_of(_WISH.json_schema()),
    )
    add(
        "/silences/{silence}",
        routes.lift,
        methods=["DELETE"],
        dependencies=acts,
        responses=ACTING | NOT_FOUND | KEEPING,
        openapi_extra=REASON,
    )
    add(
        "/alerts/{alert:path}/acknowledge",
        routes.acknowledge,
        methods=["POST"],
        dependencies=acts,
        responses=ACTING | NOT_FOUND | KEEPING,
        openapi_extra=REASON,
    )
    return router


def _find(identity: str, alerts: Iterable[Alert]) -> Alert | None:
    return next((alert for alert in alerts if alert.id == identity), None)


async def _read_wish(request: Request) -> _Wish:
    try:
        wish = _WISH.validate_json(await read_json(request))
    except ValidationError:
        wish = None
    if wish is None or len(one_line(wish.reason)) < 3:  # noqa: PLR2004 - as Silence demands
        detail = 'the body must be JSON like {"component": "ai:*", "rule": "*", "seconds": 3600, '
        raise Problem(422, "invalid_body", detail + '"reason": "why, in a few words"}')
    return wish
