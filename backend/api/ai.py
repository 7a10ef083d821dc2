"""What the platform says about all of its AI services at once."""

from __future__ import annotations

from core.answers import ServicesHealth
from koo.monitoring import views
from koo.resilience import SYSTEM_CLOCK
from services.hybrid_ai_manager import hybrid_ai_manager

from .monitoring import monitor

__all__ = ["get_ai_services_health"]


async def get_ai_services_health() -> ServicesHealth:
    """What `GET /api/v1/ai/services/health` answers. Only looks."""
    return {
        "overall_health": views.overall_health(monitor.service_reports()),
        "services": hybrid_ai_manager.get_all_services_status(),
        "timestamp": views.moment(SYSTEM_CLOCK.time()),
    }
