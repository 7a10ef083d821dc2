"""A budget and a limit under pressure, beside LiteLLM's Router."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE
from time import monotonic, time

import litellm
from lab.figures import Figure, Section

from koo.ai import AIManager, ServiceConfig, TokenPrice
from koo.stores import SQLiteStore

from . import spender
from .callers import QUESTION, deployment
from .place import Effort
from .upstream import Upstream, upstream

__all__ = ["budget", "kills", "limit"]

_SLOW_MS = 50
_LIMIT, _CROWD, _MINUTE = 20, 200, 60.0
_SPENDER, _ROUTED = (Path(__file__).with_name(name) for name in ("spender.py", "routed.py"))

Ask = Callable[[], Awaitable[object]]


async def budget(effort: Effort) -> Sequence[Section]:
    """A cent, and crowds that would spend twenty or forty of it."""
    del effort
    figures: list[Figure] = []
    async with upstream() as server:
        for calls in (100, 200):
            figures += await _koo_spends(server, calls)
            figures += await _router_spends(server, calls)
    method = "Calls at once that cost $0.002 each and could cost $0.0025; what the provider bills."
    return [Section("A budget of one cent", method, figures)]


async def kills(effort: Effort) -> Sequence[Section]:
    """Processes with a budget of one cent that are killed while they spend."""
    async with upstream() as server:
        figures = await _killed(server, effort.kills)
    method = (
        f"{effort.kills} processes of 100 such calls each on a SQLite file, killed at a random"
        " request and started again: what the provider bills at most, beside what koo's books say."
    )
    return [Section("A budget of one cent, and kill -9", method, figures)]


async def _koo_spends(server: Upstream, calls: int) -> list[Figure]:
    manager = AIManager.from_configs([spender.service(server.url(_SLOW_MS))])
    before = await server.count()
    answered = await spender.spend(manager, calls)
    billed = await server.count() - before
    await manager.close()
    name = f"koo, {calls} calls"
    return [_dollars(f"{name}: billed", billed), Figure(f"{name}: answered", answered, "", ">= 4")]


async def _router_spends(server: Upstream, calls: int) -> list[Figure]:
    before = await server.count()
    process = await asyncio.create_subprocess_exec(
        sys.executable, _ROUTED, server.url(_SLOW_MS), str(calls), stdout=DEVNULL, stderr=DEVNULL
    )
    assert await process.wait() == 0
    billed = await server.count() - before
    return [_dollars(f"LiteLLM Router, {calls} calls: billed", billed, goal="")]


async def _killed(server: Upstream, kills: int) -> list[Figure]:
    most, uncounted, draw = 0, 0, random.Random(1)
    with tempfile.TemporaryDirectory(dir=".", prefix=".asking-") as folder:
        for number in range(kills):
            path, before = f"{folder}/{number}.db", await server.count()
            await _spend_until(server, path, before + draw.randint(1, 4))
            await _spend_until(server, path, None)
            billed = (await server.count() - before) * spender.COST_NANOUSD
            booked = await _booked(path)
            most, uncounted = max(most, billed), max(uncounted, billed - booked)
    return [
        Figure(f"koo, {kills} kills: billed at most", most / 1e9, "USD", "<= 0.01 USD"),
        Figure(
            f"koo, {kills} kills: billed but not counted", max(0, uncounted) / 1e9, "USD", "= 0"
        ),
    ]


async def _spend_until(server: Upstream, path: str, count: int | None) -> None:
    """Let the process spend; kill it once the upstream has had so many questions."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, _SPENDER, server.url(_SLOW_MS), path, stdout=PIPE
    )
    ended = asyncio.create_task(process.communicate())
    while not ended.done():
        if count is not None and await server.count() >= count:
            process.kill()
            break
        await asyncio.sleep(0.002)
    await ended


async def _booked(path: str) -> int:
    store = SQLiteStore(path)
    manager = AIManager.from_configs([spender.service("http://127.0.0.1:1")], store=store)
    spent = manager.services["lab"].report().value("budget.spent")
    store.close()
    return int(spent)


async def limit(effort: Effort) -> Sequence[Section]:
    """Twenty a minute, and a crowd that comes at once and goes on coming over a minute's edge."""
    async with upstream() as server:
        if effort.minutes > 1:
            # Shortly before the edge of a calendar minute, where fixed windows begin anew.
            await asyncio.sleep((50 - time()) % _MINUTE)
        ours, theirs = (f"{server.url()}/{name}" for name in ("koo", "router"))
        async with _koo_limited(ours) as koo:
            await asyncio.gather(
                _press(koo, effort.minutes), _press(_router_limited(theirs), effort.minutes)
            )
        passed = await server.arrivals(ours)
        passed_router = await server.arrivals(theirs)
    figures = [
        Figure(f"koo: of {_CROWD} at once", _within(passed, 5.0), "", f"= {_LIMIT}"),
        Figure("koo: most in any 60 s", _within(passed, _MINUTE), "", f"<= {_LIMIT}"),
        Figure(f"LiteLLM Router: of {_CROWD} at once", _within(passed_router, 5.0), ""),
        Figure("LiteLLM Router: most in any 60 s", _within(passed_router, _MINUTE), ""),
    ]
    method = (
        f"Calls that come to the provider: of {_CROWD} at once, and then four a second for"
        f" {effort.minutes:g} minutes, from ten seconds before the edge of a calendar minute."
    )
    return [Section("A limit of 20 a minute", method, figures)]


async def _press(ask: Ask, minutes: float) -> None:
    await asyncio.gather(*(_tried(ask()) for _ in range(_CROWD)))
    end = monotonic() + minutes * _MINUTE
    while monotonic() < end:
        await _tried(ask())
        await asyncio.sleep(0.25)


@asynccontextmanager
async def _koo_limited(url: str) -> AsyncIterator[Ask]:
    config = ServiceConfig(
        name="lab",
        api_key="x",
        base_url=f"{url}/v1",
        model="gpt-5-mini",
        price=TokenPrice.parse("0,0"),
        requests_per_minute=_LIMIT,
        patience=0.001,
    )
    manager = AIManager.from_configs([config])

    async def ask() -> object:
        return await manager.query("lab", QUESTION)

    yield ask
    await manager.close()


def _router_limited(url: str) -> Ask:
    router = litellm.Router(
        model_list=[deployment(url, rpm=_LIMIT)],
        routing_strategy="usage-based-routing-v2",
        enable_pre_call_checks=True,
        num_retries=0,
    )
    return lambda: _routed(router)


async def _routed(router: litellm.Router) -> object:
    messages = [{"role": "user", "content": QUESTION}]
    return await router.acompletion(model="any", messages=messages, max_completion_tokens=125)


async def _tried(call: Awaitable[object]) -> None:
    with suppress(Exception):
        await call


def _within(moments: Sequence[float], span: float) -> int:
    """The most of *moments* in any *span* seconds."""
    ordered = sorted(moments)
    return max(
        (sum(begin <= one < begin + span for one in ordered) for begin in ordered), default=0
    )


def _dollars(what: str, calls: int, goal: str = "<= 0.01 USD") -> Figure:
    return Figure(what, calls * spender.COST_NANOUSD / 1e9, "USD", goal)
