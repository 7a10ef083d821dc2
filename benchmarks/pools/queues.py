"""More who want a connection than there are: who is refused, how fast, and in whose order.

crowd      ten hold everything, 3,000 come at once; ten may wait
overload   three times what the pool can do, open loop; only answers in time count
fairness   500 tasks on ten connections, closed loop
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Final

from lab.figures import Figure, Section
from lab.paired import overtaken, percentile

from koo.testing import PostgresServer

from .place import Effort, place
from .stacks import (
    Ask,
    AsyncpgPool,
    KooScope,
    Make,
    PsycopgPool,
    Sizes,
    SqlAlchemy,
    Stack,
    limited,
    opened,
    warm,
)

__all__ = ["fairness", "overload"]

_TEN: Final = Sizes(kept=10, most=10)
_CROWD: Final = 3_000
_MAY_WAIT: Final = 10
_LOOK: Final = 1.0
_STATEMENT: Final = "SELECT pg_sleep(0.02)"
_IN_TIME: Final = 0.5
_OVERLOAD: Final = 3
_TICK: Final = 0.005
_WARM_UP, _WINDOW = 0.5, 2.0
_TASKS: Final = 500
_HOLD: Final = 0.002
_CYCLES: Final = 2.0

_KOO: Final = "koo, `session_scope`"


@dataclass(frozen=True, slots=True)
class _Crowd:
    """What became of a crowd: how long each refused one took (us), and who overtook whom."""

    refused_us: Sequence[float]
    overtaken: int


async def overload(effort: Effort) -> Sequence[Section]:
    """Refusals, order and goodput."""
    figures: list[Figure] = []
    async with place() as server:
        for name, make in _bounded().items():
            figures += _told(name, await _crowded(make, server))
        shares: dict[str, list[float]] = {name: [] for name in _bounded()}
        for _ in range(effort.repeats):
            for name, make in _bounded().items():
                shares[name].append(await _goodput(make, server))
    figures += [_share(name, taken) for name, taken in shares.items()]
    method = (
        f"Ten connections, all held; {_CROWD:,} requests at once, of which {_MAY_WAIT} may wait"
        " where a pool has such a limit. Then transactions of 20 ms at three times the rate that"
        f" ten tasks reach; an answer counts if it comes within {_IN_TIME:g} s. Goodput is what was"
        f" answered in time over what ten tasks reach; medians of {effort.repeats} rounds."
    )
    return [Section("Overload", method, figures)]


def _bounded() -> Mapping[str, Make]:
    return {
        _KOO: partial(KooScope, **limited(max_waiting=_MAY_WAIT)),
        "SQLAlchemy": SqlAlchemy,
        "asyncpg.Pool": AsyncpgPool,
        "psycopg_pool, max_waiting": partial(PsycopgPool, max_waiting=_MAY_WAIT),
    }


async def _crowded(make: Make, server: PostgresServer) -> _Crowd:
    async with opened(make, server.port, _TEN) as stack:
        await warm(stack, _TEN.most)
        release = asyncio.Event()
        holders = await _all_held(stack, release)
        served: list[int] = []
        refused: list[float] = []
        crowd = [asyncio.create_task(_comes(stack, n, served, refused)) for n in range(_CROWD)]
        await asyncio.wait(crowd, timeout=_LOOK)
        taken = tuple(refused)
        release.set()
        await asyncio.gather(*holders, *crowd)
        return _Crowd(taken, overtaken(served))


async def _all_held(stack: Stack, release: asyncio.Event) -> list[asyncio.Task[Any]]:
    together = asyncio.Barrier(_TEN.most + 1)

    async def hold(_: Ask) -> None:
        await together.wait()
        await release.wait()

    holders = [asyncio.create_task(stack.transact(hold)) for _ in range(_TEN.most)]
    await together.wait()
    return holders


async def _comes(stack: Stack, number: int, served: list[int], refused: list[float]) -> None:
    async def work(_: Ask) -> None:
        served.append(number)

    began = perf_counter()
    try:
        await stack.transact(work)
    except Exception:  # noqa: BLE001 - each library has errors of its own
        refused.append(1e6 * (perf_counter() - began))


def _told(name: str, crowd: _Crowd) -> list[Figure]:
    is_ours = name == _KOO
    taken, many = crowd.refused_us, f"= {_CROWD - _MAY_WAIT:,}"
    figures = [
        Figure(f"{name}: refused at once", len(taken), "", many if is_ours else ""),
        Figure(f"{name}: served before an earlier one", crowd.overtaken, "", "= 0" * is_ours),
    ]
    if taken:
        goal = "< 100 us" if is_ours else ""
        figures += [
            Figure(f"{name}: the slowest refusal", max(taken), "us", goal),
            Figure(f"{name}: a refusal, 99th percentile", percentile(taken, 99), "us"),
            Figure(f"{name}: a refusal, median", statistics.median(taken), "us", best=min(taken)),
        ]
    return figures


async def _goodput(make: Make, server: PostgresServer) -> float:
    """What is answered in time under overload, as a share of what ten tasks reach."""
    async with opened(make, server.port, _TEN) as stack:
        await warm(stack, _TEN.most)
        capacity = await _capacity(stack)
        return await _answered(stack, _OVERLOAD * capacity) / capacity


async def _capacity(stack: Stack) -> float:
    """Answers a second to ten tasks."""
    number, end = 0, perf_counter() + _WINDOW / 2

    async def work() -> None:
        nonlocal number
        while perf_counter() < end:
            await stack.transact(lambda ask: ask(_STATEMENT))
            number += 1

    began = perf_counter()
    await asyncio.gather(*(work() for _ in range(_TEN.most)))
    return number / (perf_counter() - began)


async def _answered(stack: Stack, per_second: float) -> float:
    """Answers a second in time, while so many requests come each second."""
    good: list[float] = []
    began, asked = perf_counter(), 0
    requests: list[asyncio.Task[None]] = []
    while (now := perf_counter() - began) < _WARM_UP + _WINDOW:
        due = round(now * per_second)
        requests += [asyncio.create_task(_in_time(stack, good)) for _ in range(due - asked)]
        asked = due
        await asyncio.sleep(_TICK)
    await asyncio.gather(*requests)
    first = began + _WARM_UP
    return sum(first <= at < first + _WINDOW for at in good) / _WINDOW


async def _in_time(stack: Stack, good: list[float]) -> None:
    try:
        async with asyncio.timeout(_IN_TIME):
            await stack.transact(lambda ask: ask(_STATEMENT))
        good.append(perf_counter())
    except Exception:  # noqa: BLE001, S110 - each library has errors of its own
        pass


def _share(name: str, shares: Sequence[float]) -> Figure:
    percent = [100 * share for share in shares]
    goal = ">= 95 %" if name == _KOO else ""
    return Figure(
        f"{name}: goodput at three times the load",
        statistics.median(percent),
        "%",
        goal,
        max(percent),
        min(percent),
        len(percent),
    )


# -- fairness ------------------------------------------------------------------------------------


async def fairness(effort: Effort) -> Sequence[Section]:
    """The longest wait over the usual one."""
    waits: dict[str, list[Sequence[float]]] = {name: [] for name in _unbounded()}
    async with place() as server:
        for _ in range(effort.repeats):
            for name, make in _unbounded().items():
                waits[name].append(await _waits(make, server))
    figures = [_fair(name, rounds) for name, rounds in waits.items()]
    details = [
        Figure(f"{name}: wait, {percent:g}th percentile", _pooled(rounds, percent), "ms")
        for name, rounds in waits.items()
        for percent in (50, 99, 100)
    ]
    method = (
        f"{_TASKS} tasks on ten connections, each holds one for {1000 * _HOLD:g} ms and asks again;"
        f" {_CYCLES:g} s. The longest wait over the median; medians of {effort.repeats} rounds."
    )
    return [Section("Fairness", method, figures, details)]


def _unbounded() -> Mapping[str, Make]:
    return {
        _KOO: KooScope,
        "SQLAlchemy": SqlAlchemy,
        "asyncpg.Pool": AsyncpgPool,
        "psycopg_pool": PsycopgPool,
    }


async def _waits(make: Make, server: PostgresServer) -> list[float]:
    """Milliseconds that each request waited for its connection."""
    waits: list[float] = []
    async with opened(make, server.port, _TEN) as stack:
        await warm(stack, _TEN.most)
        end = perf_counter() + _CYCLES

        async def work() -> None:
            while (asked := perf_counter()) < end:

                async def hold(_: Ask, asked: float = asked) -> None:
                    waits.append(1000 * (perf_counter() - asked))
                    await asyncio.sleep(_HOLD)

                await stack.transact(hold)

        await asyncio.gather(*(work() for _ in range(_TASKS)))
    return waits


def _fair(name: str, rounds: Sequence[Sequence[float]]) -> Figure:
    ratios = [max(waits) / percentile(waits, 50) for waits in rounds]
    goal = "<= 1.2" if name == _KOO else ""
    median = statistics.median(ratios)
    what = f"{name}: longest wait over median"
    return Figure(what, median, "times", goal, min(ratios), max(ratios), len(ratios))


def _pooled(rounds: Sequence[Sequence[float]], percent: float) -> float:
    return percentile([wait for waits in rounds for wait in waits], percent)
