"""The resilience layer of a Python service: database, AI providers, and what the two are doing.

Importing `koo` loads none of its rooms; each name below is fetched when it is first used. What
one room alone needs is imported from that room: `koo.database`, `koo.ai`, `koo.monitoring`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import DeadlineExceeded, ExternalServiceError, KooError, Rejected
    from .resilience import (
        Backoff,
        BreakerConfig,
        Bulkhead,
        BulkheadConfig,
        CircuitBreaker,
        Limit,
        Policy,
        RateLimiter,
        RateLimiterConfig,
        RetryConfig,
    )

__all__ = [
    "Backoff",
    "BreakerConfig",
    "Bulkhead",
    "BulkheadConfig",
    "CircuitBreaker",
    "DeadlineExceeded",
    "ExternalServiceError",
    "KooError",
    "Limit",
    "Policy",
    "RateLimiter",
    "RateLimiterConfig",
    "Rejected",
    "RetryConfig",
]

_ERRORS = frozenset({"DeadlineExceeded", "ExternalServiceError", "KooError", "Rejected"})

if not TYPE_CHECKING:  # a type checker that saw it would believe every name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'koo' has no attribute {name!r}")
        found = getattr(import_module(".errors" if name in _ERRORS else ".resilience", "koo"), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
