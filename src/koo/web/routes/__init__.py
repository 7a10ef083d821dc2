"""The routes, one module for each part of the surface."""

from __future__ import annotations

from .calling import BODY_LIMITS, call_router
from .collection import event_router, metrics_router, spend_router
from .monitoring import monitoring_router
from .page import load_page, page_router
from .probes import probe_router
from .records import record_router
from .runbooks import runbook_router
from .services import service_router
from .sign_in import sign_in_router

__all__ = [
    "BODY_LIMITS",
    "call_router",
    "event_router",
    "load_page",
    "metrics_router",
    "monitoring_router",
    "page_router",
    "probe_router",
    "record_router",
    "runbook_router",
    "service_router",
    "sign_in_router",
    "spend_router",
]
