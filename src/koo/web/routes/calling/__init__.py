"""The AI services, called over HTTP."""

from .calls import BODY_LIMITS, call_router

__all__ = ["BODY_LIMITS", "call_router"]
