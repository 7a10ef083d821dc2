"""What was counted and what happened, for machines that keep it."""

from __future__ import annotations

from .events import event_router
from .metrics import metrics_router
from .spend import spend_router

__all__ = ["event_router", "metrics_router", "spend_router"]
