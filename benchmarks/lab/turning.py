"""Process CPU per call while the event loop turns, with one service and with many.

After each call the loop turns once (``sleep(0)``), so what a library does in the
background is paid for here. Services take turns.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping
from time import process_time_ns

import limits
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    SlidingWindowCounterRateLimiter,
)

from .rounds import Timing, timings
from .services import noop, service

__all__ = ["LOOP", "SIZES", "turning"]

SIZES = (1, 100, 10_000)
LOOP = "for scale: a turn of the loop"

_ROUND_NS = 60_000_000
_LEAST = 50
_PLENTY = limits.parse("1000000/day")

#: Calls service number i.
Use = Callable[[int], Awaitable[object]]


def turning(rounds: int) -> Mapping[int, Mapping[str, Timing]]:
    """CPU nanoseconds per call by number of services and contender, each round on a new loop.

    In a round every contender has its turn with every number of services: what the machine does
    meanwhile meets all alike.
    """
    laps: dict[int, dict[str, list[float]]] = {
        size: {name: [] for name in _CONTENDERS} for size in SIZES
    }
    for _ in range(rounds):
        for name, made in _CONTENDERS.items():
            for size in SIZES:
                laps[size][name].append(asyncio.run(_round(made(size), size)))
    return {size: timings(taken) for size, taken in laps.items()}


async def _round(use: Use, services: int) -> float:
    for number in range(services):
        await use(number)
    # What making so many services leaves to the garbage collector is no part of a call.
    gc.collect()
    await asyncio.sleep(0.05)
    number, taken = 0, 0
    begin = process_time_ns()
    while number < _LEAST or taken < _ROUND_NS:
        for _ in range(_LEAST):
            await use(number % services)
            await asyncio.sleep(0)
            number += 1
        taken = process_time_ns() - begin
    return taken / number


def _loop(services: int) -> Use:
    del services

    async def use(_: int) -> None:
        await noop()

    return use


def _koo(services: int) -> Use:
    runs = [service(f"service{number:05}").run for number in range(services)]

    async def use(number: int) -> None:
        await runs[number](noop)

    return use


def _limits(
    strategy: type[FixedWindowRateLimiter | MovingWindowRateLimiter],
) -> Callable[[int], Use]:
    def contender(services: int) -> Use:
        limiter = strategy(MemoryStorage())
        keys = [f"service{number:05}" for number in range(services)]

        async def use(number: int) -> None:
            await limiter.hit(_PLENTY, keys[number])

        return use

    return contender


_CONTENDERS: dict[str, Callable[[int], Use]] = {
    "koo, whole call": _koo,
    "limits, one fixed window alone": _limits(FixedWindowRateLimiter),
    "limits, one sliding counter alone": _limits(SlidingWindowCounterRateLimiter),
    "limits, one moving window alone": _limits(MovingWindowRateLimiter),
    LOOP: _loop,
}
