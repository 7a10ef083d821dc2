"""Bytes per service, each contender in a fresh process under tracemalloc.

Services are told their names, configurations and clock; those are not counted,
nor what the first hundred calls of a process load or cache.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from array import array
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Self

import limits
import prometheus_client
from aiolimiter import AsyncLimiter
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from pyrate_limiter import Duration, InMemoryBucket, Rate, RateItem

from koo.resilience import Ask, LimitStats, Policy, RateLimiter
from koo.testing import FakeClock

from .services import DOCUMENTED, PLENTY, noop, service

__all__ = ["MANY", "bytes_per_service"]

MANY = 10_000

_DAY = 86_400.0
_WINDOWS = tuple(limits.parse(text) for text in ("60/minute", "1000/hour", "10000/day"))

Make = Callable[[str], Any]
Use = Callable[[Any], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody whose services are weighed."""

    make: Make
    use: Use
    calls: int


def bytes_per_service(name: str, services: int) -> float:
    """What one of *services* services of resident *name* holds, measured in a fresh process."""
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        return pool.submit(_weigh, name, services).result()


def _weigh(name: str, services: int) -> float:
    if name == "koo, a day":
        return asyncio.run(_weigh_full(services))
    return asyncio.run(_weigh_resident(_RESIDENTS[name](), services))


async def _weigh_resident(resident: Resident, services: int) -> float:
    names = [f"service{number:05}" for number in range(services)]
    await _live([resident.make("warm-up") for _ in range(100)], resident)
    with _Scales() as scales:
        made = [resident.make(name) for name in names]
        await _live(made, resident)
    return scales.bytes / services


async def _live(made: list[Any], resident: Resident) -> None:
    for _ in range(resident.calls):
        for one in made:
            await resident.use(one)


async def _weigh_full(services: int) -> float:
    """Every documented window is full, and its buckets were filled over their whole length."""
    clock = FakeClock()
    names = [f"service{number:05}" for number in range(services)]
    with _Scales() as scales:
        made = [service(name, DOCUMENTED, clock) for name in names]
        for moment, requests in _a_full_day():
            clock.advance(moment - clock.monotonic())
            ask = Ask(requests=requests)
            for policy in made:
                await policy.run(noop, ask)
    assert all(window.used == window.limit for window in _windows(made[0]))
    return scales.bytes / services


def _windows(policy: Policy) -> Sequence[LimitStats]:
    (limiter,) = (gate for gate in policy.gates if isinstance(gate, RateLimiter))
    return limiter.stats().windows


def _a_full_day() -> Iterator[tuple[float, int]]:
    """When to ask, and for how many requests: 9,000 in 23 hours, 940 in 59 minutes, 60 in one.

    No more often than fills every bucket: tracing makes a call many times as slow.
    """
    start, hour, minute = 1_000_000.0, _DAY - 3_600, _DAY - 60
    for step in range(150):
        yield start + (step + 1) * (hour - 180) / 150, 60
    for step in range(94):
        yield start + hour + (step + 1) * (3_600 - 120) / 94, 10
    for step in range(60):
        yield start + minute + (step + 1) * 0.9, 1


class _Scales:
    """Counts what is allocated inside and still there at the end."""

    bytes = 0

    def __enter__(self) -> Self:
        gc.collect()
        tracemalloc.start()
        self._before, _ = tracemalloc.get_traced_memory()
        return self

    def __exit__(self, *_: object) -> None:
        gc.collect()
        self.bytes = tracemalloc.get_traced_memory()[0] - self._before
        tracemalloc.stop()


def _koo() -> Resident:
    def use(policy: Policy) -> Awaitable[object]:
        return policy.run(noop)

    return Resident(lambda name: service(name, PLENTY), use, 50)


def _limits(strategy: type[Any], calls: int) -> Resident:
    limiter = strategy(MemoryStorage())

    async def use(name: str) -> None:
        for window in _WINDOWS:
            await limiter.hit(window, name)

    return Resident(lambda name: name, use, calls)


def _aiolimiter() -> Resident:
    async def use(limiters: list[AsyncLimiter]) -> None:
        for limiter in limiters:
            await limiter.acquire()

    spans = ((60, 60), (1_000, 3_600), (10_000, 86_400))
    return Resident(lambda _: [AsyncLimiter(*span) for span in spans], use, 50)


def _pyrate() -> Resident:
    rates = [Rate(60, Duration.MINUTE), Rate(1_000, Duration.HOUR), Rate(10_000, Duration.DAY)]

    async def use(bucket: InMemoryBucket) -> None:
        bucket.put(RateItem("service", 0))

    return Resident(lambda _: InMemoryBucket(rates), use, 50)


def _prometheus() -> Resident:
    histogram = prometheus_client.Histogram("seconds", "of a call", ["service"])

    async def use(child: prometheus_client.Histogram) -> None:
        child.observe(0.001)

    return Resident(histogram.labels, use, 50)


def _ring() -> Resident:
    async def use(_: object) -> None:
        return

    return Resident(lambda _: array("d", bytes(8 * 10_000)), use, 1)


_RESIDENTS: dict[str, Callable[[], Resident]] = {
    "koo": _koo,
    "limits moving": lambda: _limits(MovingWindowRateLimiter, 20),
    "limits fixed": lambda: _limits(FixedWindowRateLimiter, 50),
    "aiolimiter": _aiolimiter,
    "pyrate": _pyrate,
    "prometheus": _prometheus,
    "ring": _ring,
}
