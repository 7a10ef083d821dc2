"""How long requests take when some of them never end by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

__all__ = ["patiently", "timed"]


async def timed(request: Callable[[], Awaitable[object]], limit: float | None) -> float:
    """Seconds until *request* was over, well or not; cancelled after *limit*."""
    began = perf_counter()
    try:
        async with asyncio.timeout(limit):
            await request()
    except Exception:  # noqa: BLE001, S110 - each library has errors of its own
        pass
    return perf_counter() - began


async def patiently(requests: Sequence[Awaitable[float]], patience: float) -> list[float]:
    """What each took; those that hang took all the *patience*, and are left to themselves."""
    tasks = [asyncio.ensure_future(request) for request in requests]
    done, hanging = await asyncio.wait(tasks, timeout=patience)
    for task in hanging:
        task.cancel()
    return [*(task.result() for task in done), *(patience for _ in hanging)]
