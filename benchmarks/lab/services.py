"""One service as koo protects it: breaker, three exact windows, retry, deadline, histogram."""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter_ns

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

from .rounds import Operation, returned

__all__ = ["DOCUMENTED", "PLENTY", "SOONER", "TIMEOUT", "inheriting", "noop", "service", "swept"]

TIMEOUT = 30.0

#: For a call that brings or inherits less time than its policy gives.
SOONER = 20.0

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


async def swept(operation: Operation, number: int) -> int:
    """Nanoseconds for *number* calls, with the turn of the loop that sweeps their timers away."""
    taken = await returned(operation, number)
    begin = perf_counter_ns()
    await asyncio.sleep(0)
    return taken + perf_counter_ns() - begin


async def inheriting(operation: Operation, number: int) -> int:
    """The same for calls inside of one whose deadline is sooner than their own."""
    return await Policy("around", timeout=SOONER).run(partial(swept, operation, number))
