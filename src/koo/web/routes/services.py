"""The AI services: what they say, and the two buttons that each has."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request

from ...monitoring.views import overall_health
from ...resilience import Health
from ..answers import (
    ErrorsResetAnswer,
    ServiceAnswer,
    ServiceHalfOpenAnswer,
    ServicesAnswer,
    ServicesHealthAnswer,
)
from ..desk import Desk
from .texts import ACTING, LOOKING, MOVING, NOT_FOUND, half_opened

__all__ = ["service_router"]


@dataclass(frozen=True, slots=True)
class _Services:
    desk: Desk

    async def all(self) -> ServicesAnswer:
        """Every AI service, with or without a key."""
        return ServicesAnswer(self.desk.monitor.service_healths(), self.desk.now())

    async def one(self, service: str) -> ServiceAnswer:
        """One AI service: health, metrics, rate limits, cost."""
        report = self.desk.monitor.report(self.desk.service(service))
        return ServiceAnswer(self.desk.monitor.service_health(report), self.desk.now())

    async def health(self) -> ServicesHealthAnswer:
        """Every AI service, and one word for those that have a key."""
        monitor = self.desk.monitor
        word = overall_health(monitor.service_reports())
        return ServicesHealthAnswer(word, monitor.service_healths(), self.desk.now())

    async def reset(self, service: str, request: Request) -> ErrorsResetAnswer:
        """Close a service's circuit, ramped, and clear error counts and dead keys; no limits."""
        component = self.desk.service(service)
        before, after = await self.desk.reset(component, "errors reset", request)
        return ErrorsResetAnswer(True, service, before, after, self.desk.now())  # noqa: FBT003

    async def half_open(self, service: str, request: Request) -> ServiceHalfOpenAnswer:
        """End the open wait of a service's circuit: one call at a time probes, and may cost."""
        before, after = await self.desk.half_open(self.desk.service(service), request)
        return ServiceHalfOpenAnswer(
            success=after == Health.DEGRADED,
            service=service,
            message=f"{service}: {half_opened(before, after)}",
            previous_state=before,
            new_state=after,
            timestamp=self.desk.now(),
        )


def service_router(desk: Desk) -> APIRouter:
    """The routes of the AI services."""
    router = APIRouter(prefix="/api/v1", tags=["ai services"])
    routes = _Services(desk)
    looks = [Depends(desk.doors.looks)]
    add = router.add_api_route
    add("/monitoring/ai-services", routes.all, dependencies=looks, responses=LOOKING)
    add(
        "/monitoring/ai-services/{service}/metrics",
        routes.one,
        dependencies=looks,
        responses=LOOKING | NOT_FOUND,
    )
    add("/ai/services/health", routes.health, dependencies=looks, responses=LOOKING)
    add(
        "/ai/services/{service}/reset-errors",
        routes.reset,
        methods=["POST"],
        dependencies=[Depends(desk.doors.acts), Depends(desk.doors.spends)],
        responses=ACTING | NOT_FOUND,
        openapi_extra=MOVING,
    )
    router.add_api_route(
        "/ai/services/{service}/half-open",
        routes.half_open,
        methods=["POST"],
        dependencies=[Depends(desk.doors.acts), Depends(desk.doors.spends)],
        responses=ACTING | NOT_FOUND,
        openapi_extra=MOVING,
    )
    return router
