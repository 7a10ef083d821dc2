"""``/api/v1/monitoring``: everything there is to see, and the database's three buttons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import TypeAdapter
from starlette.responses import Response, StreamingResponse

from ...monitoring.views import Dashboard, HealthDocument, SystemHealth
from ..answers import (
    AlertsAnswer,
    CheckAnswer,
    CircuitHalfOpenAnswer,
    CircuitResetAnswer,
    DatabaseAnswer,
    PoolMetricsAnswer,
)
from ..desk import Desk
from ..feed import Feed
from .texts import (
    ACTING,
    FRAMES,
    LOOKING,
    MOVING,
    NOT_FOUND,
    REASON,
    half_opened,
    schema_at,
)

__all__ = ["monitoring_router"]


_HEALTH_TYPE: Final = "application/health+json"
_DOCUMENT: Final = TypeAdapter(HealthDocument)
_PLACE: Final = (
    *("paths", "/api/v1/monitoring/health", "get", "responses", "200", "content"),
    *(_HEALTH_TYPE, "schema"),
)
_CONTENT: Final = {_HEALTH_TYPE: {"schema": schema_at(_PLACE, _DOCUMENT, "serialization")}}
_STANDARD: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The health of everything.", "content": _CONTENT},
    503: {"description": "The status is fail.", "content": _CONTENT},
}


@dataclass(frozen=True, slots=True)
class _Monitoring:
    desk: Desk
    feed: Feed

    async def health(self, request: Request) -> SystemHealth | Response:
        """The health of the database and of every service with a key; 200 whatever it is.

        Who accepts `application/health+json` gets that, with 503 when the status is `fail`.
        """
        if _HEALTH_TYPE not in request.headers.get("accept", "").lower():
            return self.desk.monitor.system_health()
        document = self.desk.monitor.health_document()
        status = 503 if document.status == "fail" else 200
        return Response(_DOCUMENT.dump_json(document, by_alias=True), status, None, _HEALTH_TYPE)

    async def dashboard(self) -> Dashboard:
        """Everything that the page shows, in one answer."""
        return self.desk.monitor.dashboard()

    async def alerts(self) -> AlertsAnswer:
        """Everything worth knowing now, the most urgent first."""
        listed = self.desk.monitor.alert_list()
        return AlertsAnswer(
            alerts=listed.alerts,
            alert_count=len(listed.alerts),
            counts=listed.counts,
            inhibited=listed.inhibited,
            silences=listed.silences,
            timestamp=self.desk.now(),
        )

    async def database(self) -> DatabaseAnswer:
        """The database in full: health, metrics, configuration, who holds connections."""
        report = self.desk.monitor.report(self.desk.database())
        return DatabaseAnswer(self.desk.monitor.detailed_status(report), self.desk.now())

    async def pool_metrics(self) -> PoolMetricsAnswer:
        """What the connection pool has counted."""
        report = self.desk.monitor.report(self.desk.database())
        return PoolMetricsAnswer(self.desk.monitor.pool_metrics(report), self.desk.now())

    async def stream(self, request: Request) -> StreamingResponse:
        """The dashboard as server-sent events, once a second."""
        frames = self.feed.frames(partial(self.desk.doors.still_looks, request))
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(frames, media_type="text/event-stream", headers=headers)

    async def check(self, request: Request) -> CheckAnswer:
        """Ask the database now. Joins a check in flight; an answer is used for a second."""
        monitor = self.desk.monitor
        report = await self.desk.check(self.desk.database(), request)
        return CheckAnswer(
            monitor.database_health(report), monitor.detailed_status(report), self.desk.now()
        )

    async def reset(self, request: Request) -> CircuitResetAnswer:
        """Close the database's circuit, ramped, and clear its counts; touches no data."""
        database = self.desk.database()
        before, after = await self.desk.reset(database, "circuit reset", request)
        message = f"database: the circuit was reset ({before} to {after}); calls pass again"
        return CircuitResetAnswer(message, before, after, self.desk.now())

    async def half_open(self, request: Request) -> CircuitHalfOpenAnswer:
        """End the open wait of the database's circuit: one call at a time probes."""
        before, after = await self.desk.half_open(self.desk.database(), request)
        message = f"database: {half_opened(before, after)}"
        return CircuitHalfOpenAnswer(message, before, after, self.desk.now())


def monitoring_router(desk: Desk, feed: Feed) -> APIRouter:
    """The routes under ``/api/v1/monitoring``, without those of single services."""
    router = APIRouter(prefix="/api/v1/monitoring", tags=["monitoring"])
    routes = _Monitoring(desk, feed)
    looks = [Depends(desk.doors.looks)]
    add = router.add_api_route
    add(
        "/health",
        routes.health,
        dependencies=looks,
        response_model=SystemHealth,
        responses=LOOKING | _STANDARD,
    )
    add("/dashboard", routes.dashboard, dependencies=looks, responses=LOOKING)
    add("/alerts", routes.alerts, dependencies=looks, responses=LOOKING)
    add("/database", routes.database, dependencies=looks, responses=LOOKING | NOT_FOUND)
    add(
        "/database/pool-metrics",
        routes.pool_metrics,
        dependencies=looks,
        responses=LOOKING | NOT_FOUND,
    )
    add(
        "/stream",
        routes.stream,
        dependencies=looks,
        responses=LOOKING | FRAMES,
        response_class=StreamingResponse,
    )
    _add_actions(router, routes)
    return router


def _add_actions(router: APIRouter, routes: _Monitoring) -> None:
    doors = routes.desk.doors
    router.add_api_route(
        "/database/health-check",
        routes.check,
        methods=["POST"],
        dependencies=[Depends(doors.acts)],
        responses=ACTING | NOT_FOUND,
        openapi_extra=REASON,
    )
    router.add_api_route(
        "/database/reset-circuit-breaker",
        routes.reset,
        methods=["POST"],
        dependencies=[Depends(doors.acts), Depends(doors.spends)],
        responses=ACTING | NOT_FOUND,
        openapi_extra=MOVING,
    )
    router.add_api_route(
        "/database/half-open",
        routes.half_open,
        methods=["POST"],
        dependencies=[Depends(doors.acts), Depends(doors.spends)],
        responses=ACTING | NOT_FOUND,
        openapi_extra=MOVING,
    )
