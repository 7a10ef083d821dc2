"""What still reaches an upstream that is dead."""

from __future__ import annotations

import asyncio
import random

from koo.resilience import (
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Gate,
    Policy,
    RetryConfig,
)
from koo.testing import run, running_clock

__all__ = ["dead_upstream"]


class _Upstream:
    """Answers within 10 ms until it dies; then every request fails after *failure_time*."""

    def __init__(self, dies_at: float, failure_time: float) -> None:
        self.requests = 0
        self._dies_at = dies_at
        self._failure_time = failure_time
        self._clock = running_clock()

    async def ask(self) -> None:
        if self._clock.monotonic() < self._dies_at:
            await self._clock.sleep(0.01)
            return
        self.requests += 1
        await self._clock.sleep(self._failure_time)
        raise ConnectionError


def dead_upstream(
    failure_time: float,
    seed: int,
    *,
    places: int | None = None,
    health: float = 0.0,
    retry: RetryConfig | None = None,
) -> int:
    """Requests that reach a dead upstream in 60 s at 100 calls a second, after *health* seconds.

    The breaker's reset is 10 s; *places* is the bulkhead's, if there is one. Nobody waits in
    line; without *retry*, nobody waits to try again either.
    """

    async def program() -> int:
        clock = running_clock()
        upstream = _Upstream(health, failure_time)
        breaker = CircuitBreaker(
            "upstream",
            BreakerConfig(recovery_timeout=10.0),
            clock=clock,
            random=random.Random(seed).random,
        )
        gates: list[Gate] = [breaker]
        if places is not None:
            gates.append(Bulkhead("upstream", BulkheadConfig(max_concurrent=places), clock=clock))
        policy = Policy(
            "upstream",
            gates=gates,
            retry=retry,
            clock=clock,
            random=random.Random(f"jitter {seed}").random,
        )
        tasks = []
        for number in range(int((health + 60.0) * 100)):
            await clock.sleep(max(0.0, number / 100 - clock.monotonic()))
            tasks.append(asyncio.ensure_future(policy.outcome(upstream.ask)))
        return upstream.requests

    return run(program)
