"""One service as koo protects it: breaker, three exact windows, retry, deadline, histogram."""

from __future__ import annotations

from koo.resilience import (
    SYSTEM_CLOCK,
    BreakerConfig,
    CircuitBreaker,
    Clock,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryConfig,
)

__all__ = ["DOCUMENTED", "PLENTY", "TIMEOUT", "noop", "service"]

TIMEOUT = 30.0

_BREAKER = BreakerConfig()
_RETRY = RetryConfig()

#: The documented windows: 60 a minute, 1,000 an hour, 10,000 a day.
DOCUMENTED = RateLimiterConfig((Limit(60, 60.0), Limit(1_000, 3_600.0), Limit(10_000, 86_400.0)))

#: The same windows with room for every call of a benchmark.
PLENTY = RateLimiterConfig(
    (Limit(10**9, 60.0), Limit(10**9, 3_600.0), Limit(10**9, 86_400.0)),
)


async def noop() -> None:
    """The protected operation: nothing, at once."""


def service(name: str, limits: RateLimiterConfig = PLENTY, clock: Clock = SYSTEM_CLOCK) -> Policy:
    """A policy as an AI service has one, without its budget."""
    gates = (
        CircuitBreaker(name, _BREAKER, clock=clock),
        RateLimiter(name, limits, clock=clock),
    )
    return Policy(name, gates=gates, retry=_RETRY, timeout=TIMEOUT, clock=clock)
