"""By how much a call that hangs overruns its deadline, on the real clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter

from koo.resilience import Policy

__all__ = ["AT_ONCE", "CALLS", "TIMEOUT", "overruns"]

TIMEOUT = 0.05
CALLS = 2_000
AT_ONCE = 20

Late = Callable[[], Awaitable[object]]


async def overruns() -> dict[str, list[float]]:
    """Milliseconds from the deadline to the caller's next step, for each call of each kind."""
    own, inherited = Policy("own", timeout=TIMEOUT), Policy("inherited")
    around = Policy("around", timeout=TIMEOUT)
    kinds: dict[str, Late] = {
        "koo, the policy's timeout": partial(own.outcome, _hang),
        "koo, a timeout of the call": partial(inherited.outcome, _hang, timeout=TIMEOUT),
        "koo, an inherited deadline": partial(around.outcome, partial(inherited.outcome, _hang)),
        "`asyncio.timeout`, for scale": _limited,
    }
    return {name: await _taken(late) for name, late in kinds.items()}


async def _taken(late: Late) -> list[float]:
    taken: list[float] = []
    for _ in range(CALLS // AT_ONCE):
        taken += await asyncio.gather(*(_overrun(late) for _ in range(AT_ONCE)))
    return taken


async def _overrun(late: Late) -> float:
    began = perf_counter()
    await late()
    overrun = perf_counter() - began - TIMEOUT
    assert overrun > -TIMEOUT / 2, "it did not hang"
    return overrun * 1e3


async def _hang() -> None:
    await asyncio.sleep(3_600)


async def _limited() -> None:
    try:
        async with asyncio.timeout(TIMEOUT):
            await _hang()
    except TimeoutError:
        return
