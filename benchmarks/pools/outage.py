"""A server that goes away and comes back, and a single backend that is killed.

requests   every 10 ms, whatever became of those before
server     there --1 s--> every connection reset, new ones too --3 s--> there again --3 s--> end
machine    there --1 s--> those open silent, new ones reset --3 s--> there again, those open reset
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Final

from lab.figures import Figure, Section
from psycopg_pool import AsyncConnectionPool

from koo.testing import FaultProxy, PostgresServer

from .observing import Answer, Observed, observed
from .place import Effort, administrator, place, proxied
from .stacks import (
    AsyncpgPool,
    KooScope,
    Make,
    PsycopgPool,
    Sizes,
    SqlAlchemy,
    Stack,
    opened,
    warm,
)

__all__ = ["one_backend", "outage", "silent_outage"]

_PAUSE: Final = 0.01
_BEFORE, _AWAY, _AFTER = 1.0, 3.0, 3.0
_DEADLINE: Final = 2.0
_BACKENDS: Final = 20
_KILL: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid LIMIT 1
"""
_ARRIVAL: Final = 0.2
"""Seconds until everybody can know that a connection has ended."""

_SCOPE: Final = "koo, `session_scope`"
_PINGING: Final = partial(SqlAlchemy, pool_pre_ping=True)
_CONTENDERS: Final[Mapping[str, Make]] = {
    _SCOPE: KooScope,
    "SQLAlchemy, pool_pre_ping": _PINGING,
    "SQLAlchemy, no ping": SqlAlchemy,
    "asyncpg.Pool": AsyncpgPool,
    "psycopg_pool": PsycopgPool,
}


async def outage(effort: Effort) -> Sequence[Section]:
    """A server that is stopped: everybody hears of it."""
    said = f"for {_AWAY:g} s every connection is reset, new ones at once"
    return [await _section("Outage of three seconds", said, _stop, effort)]


async def silent_outage(effort: Effort) -> Sequence[Section]:
    """A machine that is gone: who is connected hears nothing, who connects hears of it."""
    said = f"for {_AWAY:g} s the open connections are silent, and new ones are reset at once"
    return [await _section("Silent outage of three seconds", said, _vanish, effort)]


def _stop(proxy: FaultProxy) -> None:
    proxy.resets_new = True
    proxy.reset_all()


def _vanish(proxy: FaultProxy) -> None:
    proxy.resets_new = proxy.is_silent = True


async def _return(proxy: FaultProxy) -> None:
    proxy.resets_new = False
    await proxy.heal()


async def _section(
    title: str, said: str, leave: Callable[[FaultProxy], None], effort: Effort
) -> Section:
    """Dials, errors and recovery, in rounds that take turns."""
    rounds: dict[str, list[Observed]] = {name: [] for name in _CONTENDERS}
    async with place() as server:
        for _ in range(effort.repeats):
            for name, make in _CONTENDERS.items():
                rounds[name].append(await _through_outage(make, server, leave))
    figures = [figure for name, seen in rounds.items() for figure in _told(name, seen)]
    method = (
        f"{1 / _PAUSE:g} requests a second; {said}."
        f" Documented defaults, no retry, each request given up after {_DEADLINE:g} s. Dials"
        f" are connections that reached the server's port meanwhile. Medians of {effort.repeats}"
        " rounds."
    )
    return Section(title, method, figures)


async def _through_outage(
    make: Make, server: PostgresServer, leave: Callable[[FaultProxy], None]
) -> Observed:
    async with proxied(server) as proxy, opened(make, proxy.port, Sizes()) as stack:
        answers: list[Answer] = []
        visitors = asyncio.create_task(_visited(stack, answers, _BEFORE + _AWAY + _AFTER))
        await asyncio.sleep(_BEFORE)
        went, dialed = perf_counter(), proxy.traffic.accepted_total
        leave(proxy)
        await asyncio.sleep(_AWAY)
        came, dials = perf_counter(), proxy.traffic.accepted_total - dialed
        await _return(proxy)
        await visitors
        return observed(answers, went, came, dials)


async def _visited(stack: Stack, answers: list[Answer], seconds: float) -> None:
    """A request every pause, open loop; ends when the last was answered."""
    began = perf_counter()
    async with asyncio.TaskGroup() as requests:
        for number in range(round(seconds / _PAUSE)):
            await asyncio.sleep(began + number * _PAUSE - perf_counter())
            requests.create_task(_answered(stack, answers))


async def _answered(stack: Stack, answers: list[Answer]) -> None:
    began, is_good = perf_counter(), False
    try:
        async with asyncio.timeout(_DEADLINE):
            await stack.transact(lambda ask: ask("SELECT 1"))
        is_good = True
    except Exception:  # noqa: BLE001, S110 - each library has errors of its own
        pass
    now = perf_counter()
    answers.append(Answer(now, now - began, is_good))


def _told(name: str, rounds: Sequence[Observed]) -> list[Figure]:
    goals = ("<= 20", "< 1 ms", "<= 0.5 s") if name == _SCOPE else ("", "", "")
    measures = (
        ("dials", "", [one.dials for one in rounds]),
        ("error p50", "ms", [one.error_p50_ms for one in rounds]),
        ("first success after the return", "s", [one.recovery for one in rounds]),
    )
    figures = [
        Figure(
            f"{name}: {what}",
            statistics.median(values),
            unit,
            goal,
            min(values),
            max(values),
            len(values),
        )
        for (what, unit, values), goal in zip(measures, goals, strict=True)
    ]
    errors = [one.errors for one in rounds]
    return [*figures, Figure(f"{name}: errors", statistics.median(errors), "", rounds=len(errors))]


# -- one backend ---------------------------------------------------------------------------------


async def one_backend(effort: Effort) -> Sequence[Section]:
    """Connections that are opened because one of twenty has died."""
    del effort
    async with place() as server:
        opened = {name: await _one_killed(make, server) for name, make in _watchful().items()}
    figures = [
        Figure(f"{name}: reconnects", reconnects, "", "= 1" if name.startswith("koo") else "")
        for name, (reconnects, _) in opened.items()
    ]
    details = [Figure(f"{name}: errors", errors, "") for name, (_, errors) in opened.items()]
    method = (
        f"One of {_BACKENDS} idle connections is ended by `pg_terminate_backend`; then"
        f" {3 * _BACKENDS} requests in three waves. New connections, counted in a proxy."
    )
    return [Section("One backend killed", method, figures, details)]


def _watchful() -> Mapping[str, Make]:
    both = {
        name: made
        for driver in ("asyncpg", "psycopg")
        for name, made in (
            (f"koo, {driver}", partial(KooScope, driver=driver)),
            (f"SQLAlchemy, pool_pre_ping, {driver}", partial(_PINGING, driver=driver)),
        )
    }
    checked = partial(PsycopgPool, check=AsyncConnectionPool.check_connection)
    return {**both, "asyncpg.Pool": AsyncpgPool, "psycopg_pool with check": checked}


async def _one_killed(make: Make, server: PostgresServer) -> tuple[int, int]:
    """How many connections were opened, and how many requests failed."""
    sizes = Sizes(kept=_BACKENDS, most=_BACKENDS)
    async with proxied(server) as proxy, opened(make, proxy.port, sizes) as stack:
        await warm(stack, _BACKENDS)
        async with administrator(server) as admin:
            await admin.execute(_KILL)
        await asyncio.sleep(_ARRIVAL)
        before = proxy.traffic.accepted_total
        errors = sum([await _wave(stack) for _ in range(3)])
        return await _settled(proxy) - before, errors


async def _wave(stack: Stack) -> int:
    """As many requests as connections, all at once; how many failed."""
    requests = (stack.transact(lambda ask: ask("SELECT pg_sleep(0.02)")) for _ in range(_BACKENDS))
    answers = await asyncio.gather(*requests, return_exceptions=True)
    return sum(isinstance(answer, Exception) for answer in answers)


async def _settled(proxy: FaultProxy) -> int:
    """All connections so far, those opened in the background too."""
    await asyncio.sleep(_ARRIVAL)
    return proxy.traffic.accepted_total
