"""What every route shares: whom it watches, who may pass, and how an action is told."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from ..monitoring import Monitor
from ..monitoring.views import moment
from ..resilience import Clock, Component, Listener, OperatorAction, Report, tell
from .doors import Doors, reason_of
from .problems import Problem

__all__ = ["Desk"]


@dataclass(frozen=True, slots=True)
class Desk:
    """The monitor, the doors, and the clock of one application."""

    monitor: Monitor
    doors: Doors
    on_event: Listener
    clock: Clock

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
        principal = self.doors.principal(request)
        reason = await reason_of(request)
        before = component.report().state.value
        component.reset()
        after = component.report().state.value
        self._tell(OperatorAction(component.name, action, reason, principal.name, before, after))
        return before, after

    async def check(self, component: Component, request: Request) -> Report:
        """Ask *component* now, or join whoever is asking; only asking anew uses the allowance."""
        principal = self.doors.principal(request)
        reason = await reason_of(request)
        before = component.report()
        if not before.details.get("fresh"):
            self.doors.spend(principal.key)
        report = self.monitor.redacted(await component.check())
        if reason is not None:
            states = before.state.value, report.state.value
            action = OperatorAction(component.name, "checked", reason, principal.name, *states)
            self._tell(action)
        return report

    def _tell(self, event: OperatorAction) -> None:
        tell(self.monitor.journal.record, event)
        tell(self.monitor.counts.record, event)
        tell(self.on_event, event)
