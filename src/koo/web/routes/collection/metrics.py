"""``/metrics``: everything that is counted, in the form that the reader likes best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ....monitoring.metrics import JSON, OPEN_METRICS, PROMETHEUS, choose_form
from ...desk import Desk
from ..texts import LOOKING

__all__ = ["metrics_router"]

_TEXT: Final[dict[str, Any]] = {"schema": {"type": "string"}}
_FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Families of metrics, in the form that Accept asks for.",
        "content": {
            PROMETHEUS.accepted_as: _TEXT,
            OPEN_METRICS.accepted_as: _TEXT,
            JSON.accepted_as: {"schema": {"type": "object"}},
        },
    }
}


@dataclass(frozen=True, slots=True)
class _Metrics:
    desk: Desk

    async def metrics(self, request: Request) -> Response:
        """Everything that is counted: Prometheus text, OpenMetrics or JSON, as Accept says."""
        form = choose_form(request.headers.get("accept", ""))
        text = form.write(self.desk.monitor.metrics())
        headers = {"Content-Type": form.media_type, "Vary": "Accept"}
        return Response(text.encode(), headers=headers)


def metrics_router(desk: Desk) -> APIRouter:
    """The one address that Prometheus expects."""
    router = APIRouter(tags=["monitoring"])
    looks = [Depends(desk.doors.looks)]
    router.add_api_route(
        "/metrics",
        _Metrics(desk).metrics,
        dependencies=looks,
        responses=LOOKING | _FORMS,
        response_class=Response,
    )
    return router
