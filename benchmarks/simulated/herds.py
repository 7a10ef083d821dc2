"""Many callers who would all come in the same instant."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

from koo.errors import Rejected
from koo.resilience import Backoff, CircuitBreaker, Policy, RetryConfig
from koo.testing import run, running_clock

__all__ = ["OUTAGE", "busiest_over_mean", "herd", "peak_to_mean"]

OUTAGE = 60.0


def herd(callers: int = 1000) -> int:
    """How many of *callers* reach the dependency when all ask in the instant of recovery."""

    async def program() -> int:
        clock, hits = running_clock(), 0
        breaker = CircuitBreaker("dependency", clock=clock, random=random.Random(1).random)
        policy = Policy("dependency", gates=[breaker], clock=clock)

        async def fail() -> None:
            nonlocal hits
            hits += 1
            await clock.sleep(0.05)
            raise ConnectionError

        await _fail_until_open(policy, fail)
        await clock.sleep(breaker.stats().retry_after or 0.0)
        hits = 0
        await asyncio.gather(*(policy.outcome(fail) for _ in range(callers)))
        return hits

    return run(program)


async def _fail_until_open(policy: Policy, fail: Callable[[], Awaitable[None]]) -> None:
    while not isinstance((await policy.outcome(fail)).error, Rejected):
        pass


def peak_to_mean(seed: int, clients: int = 1000) -> float:
    """The busiest 100 ms of the last 20 s of a 60 s outage, over the mean of them.

    All clients begin in the same instant, wait at most 5 s, and have no retry budget.
    """
    moments: list[float] = []

    async def program() -> None:
        clock = running_clock()
        policy = Policy(
            "client",
            retry=RetryConfig(max_retries=10_000, backoff=Backoff(max_delay=5.0)),
            retry_budget=None,
            timeout=OUTAGE,
            clock=clock,
            random=random.Random(seed).random,
        )

        async def fail() -> None:
            moments.append(clock.monotonic())
            raise ConnectionError

        await asyncio.gather(*(policy.outcome(fail) for _ in range(clients)))

    run(program)
    return busiest_over_mean(moments)


def busiest_over_mean(moments: Iterable[float]) -> float:
    """The busiest 100 ms of the last 20 s of the outage, over the mean of them."""
    buckets = Counter(int(moment * 10) for moment in moments if 40.0 <= moment < OUTAGE)
    return max(buckets.values()) / (sum(buckets.values()) / 200)
