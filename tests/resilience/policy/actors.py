"""Dependencies to call, and policies to call them through."""

import asyncio

from koo.resilience import (
    Backoff,
    Bulkhead,
    BulkheadConfig,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryConfig,
)
from koo.testing import running_clock

QUICK = RetryConfig(max_retries=2, backoff=Backoff(base_delay=1, max_delay=8))


class Dependency:
    """Answers with what is in its script, one entry a call; the last for ever.

    An exception is raised, a number is how long it takes to answer "late", anything else is
    returned at once. It remembers when it was called, and whether it was cut short.
    """

    def __init__(self, *script):
        self.script = list(script) or ["fine"]
        self.calls = []
        self.cut = 0

    async def __call__(self):
        self.calls.append(running_clock().monotonic())
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, float):
            try:
                await asyncio.sleep(answer)
            except asyncio.CancelledError:
                self.cut += 1
                raise
            return "late"
        if isinstance(answer, BaseException):
            raise answer
        return answer


def policy(name="dep", **parts):
    """A policy on the running virtual clock that draws the longest delay."""
    return Policy(name, clock=running_clock(), random=parts.pop("random", lambda: 1.0), **parts)


def bulkhead(places=1, name="bulkhead"):
    """A bulkhead on the running virtual clock."""
    return Bulkhead(name, BulkheadConfig(places), clock=running_clock())


def limiter(*limits):
    """A limiter on the running virtual clock."""
    return RateLimiter("limiter", RateLimiterConfig(limits), clock=running_clock())


async def started(coroutine):
    """A task that has run up to its first wait."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    return task
