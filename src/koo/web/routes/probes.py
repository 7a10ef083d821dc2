"""``/livez``, ``/startupz`` and ``/readyz``: one word each, for a machine, without any I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from ...monitoring import Monitor, is_lost
from ...resilience import Health
from ..lifecycle import Lifecycle, Phase

__all__ = ["probe_router"]

_RETRY = {"Retry-After": "1"}


@dataclass(frozen=True, slots=True)
class _Probes:
    monitor: Monitor
    lifecycle: Lifecycle
    gates: tuple[str, ...]

    async def live(self) -> PlainTextResponse:
        """200 as long as the event loop turns."""
        return PlainTextResponse("alive")

    async def started(self) -> PlainTextResponse:
        """503 until the application has started, then 200 to its end."""
        if self.lifecycle.phase is Phase.STARTING:
            return PlainTextResponse(self.lifecycle.phase, 503, _RETRY)
        return PlainTextResponse("started")

    async def ready(self) -> PlainTextResponse:
        """503 while starting or draining, or while a dependency named as gate is lost."""
        if self.lifecycle.phase is not Phase.READY:
            return PlainTextResponse(self.lifecycle.phase, 503, _RETRY)
        if any(self._is_lost(name) for name in self.gates):
            return PlainTextResponse("unavailable", 503, _RETRY)
        return PlainTextResponse("ready")

    def _is_lost(self, name: str) -> bool:
        component = self.monitor.component(name)
        if component is None:
            return True
        report = self.monitor.report(component)
        return report.state is Health.MAINTENANCE or is_lost(report)


def probe_router(monitor: Monitor, lifecycle: Lifecycle, gates: Iterable[str] = ()) -> APIRouter:
    """The three probes; *gates* are the components without which this process is not ready."""
    router = APIRouter(tags=["probes"])
    probes = _Probes(monitor, lifecycle, tuple(gates))
    answers = {"/livez": probes.live, "/startupz": probes.started, "/readyz": probes.ready}
    for path, probe in answers.items():
        router.add_api_route(path, probe, response_class=PlainTextResponse)
        router.add_api_route(path, probe, methods=["HEAD"], include_in_schema=False)
    return router
