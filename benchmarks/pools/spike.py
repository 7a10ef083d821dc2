"""Fifty requests at once on a pool with five warm connections, where connecting is slow.

With short statements the five do it in less time than one new connection takes; with long ones
only new connections help. A pool has to tell which, before it knows how long a statement takes.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from lab.figures import Figure, Section
from lab.paired import ratios

from koo.testing import PostgresServer

from .hooks import SlowToConnect
from .place import Effort, place, proxied
from .stacks import (
    AsyncpgPool,
    KooEngine,
    KooScope,
    Make,
    PsycopgPool,
    Sizes,
    SqlAlchemy,
    Stack,
    opened,
    warm,
)

__all__ = ["spike"]

_CONNECT: Final = 0.15
_WARM: Final = 5
_REQUESTS: Final = 50
_SHORT, _LONG = 0.002, 1.0
_ORDINARY: Final = 50
"""Short transactions before the spike: what a pool knows of its service by then."""

_SCOPE, _ENGINE = "koo, `session_scope`", "koo, `engine.begin()`"
_ALCHEMY, _PSYCOPG = "SQLAlchemy 50+0", "psycopg_pool"
_FEW_KEPT: Final = Sizes(kept=_WARM, most=_REQUESTS)
_ALL_KEPT: Final = Sizes(kept=_REQUESTS, most=_REQUESTS)
_CONTENDERS: Final[Mapping[str, tuple[Make, Sizes]]] = {
    _SCOPE: (KooScope, _FEW_KEPT),
    _ENGINE: (KooEngine, _FEW_KEPT),
    _ALCHEMY: (SqlAlchemy, _ALL_KEPT),
    "asyncpg.Pool": (AsyncpgPool, _FEW_KEPT),
    _PSYCOPG: (PsycopgPool, _FEW_KEPT),
}


@dataclass(frozen=True, slots=True)
class _Spike:
    """One spike: seconds until all were answered, and connections it opened."""

    taken: float
    connected: int


Spikes = Mapping[str, Sequence[_Spike]]


async def spike(effort: Effort) -> Sequence[Section]:
    """How long fifty short and fifty long requests take."""
    async with place() as server:
        short = await _rounds(server, _SHORT, effort.pairs // 2)
        long = await _rounds(server, _LONG, effort.repeats)
    figures = [
        *(_ratio(short, (ours, _PSYCOPG), "2 ms", "<= 1.5") for ours in (_SCOPE, _ENGINE)),
        *(_connected(short, ours, "2 ms", "<= 2") for ours in (_SCOPE, _ENGINE)),
        *(_ratio(long, (ours, _ALCHEMY), "1 s", "<= 1.15") for ours in (_SCOPE, _ENGINE)),
        *_shown(short, "2 ms"),
        *_shown(long, "1 s"),
    ]
    details = [
        _connected(spikes, name, length, "")
        for spikes, length in ((short, "2 ms"), (long, "1 s"))
        for name in spikes
    ]
    method = (
        f"{_WARM} warm connections, at most {_REQUESTS}; {_REQUESTS} transactions at once, each a"
        f" statement of 2 ms or of 1 s; connecting takes {1000 * _CONNECT:g} ms, in a proxy."
        f" Medians of {effort.pairs // 2} and {effort.repeats} paired rounds, each with new pools;"
        " of new connections the most of any round."
    )
    return [Section("Spike", method, figures, details)]


async def _rounds(server: PostgresServer, seconds: float, rounds: int) -> Spikes:
    spikes: dict[str, list[_Spike]] = {name: [] for name in _CONTENDERS}
    for _ in range(rounds):
        for name, (make, sizes) in _CONTENDERS.items():
            spikes[name].append(await _spiked(server, make, sizes, seconds))
    return spikes


async def _spiked(server: PostgresServer, make: Make, sizes: Sizes, seconds: float) -> _Spike:
    async with proxied(server) as proxy:
        proxy.hook = SlowToConnect(_CONNECT)
        async with opened(make, proxy.port, sizes) as stack:
            await warm(stack, _WARM)
            await _at_once(stack, _ORDINARY // _WARM, _SHORT, _WARM)
            before, began = proxy.traffic.accepted_total, perf_counter()
            await _at_once(stack, 1, seconds, _REQUESTS)
            return _Spike(perf_counter() - began, proxy.traffic.accepted_total - before)


async def _at_once(stack: Stack, times: int, seconds: float, tasks: int) -> None:
    async def work() -> None:
        for _ in range(times):
            await stack.transact(lambda ask: ask(f"SELECT pg_sleep({seconds})"))

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())


def _ratio(spikes: Spikes, pair: tuple[str, str], length: str, goal: str) -> Figure:
    ours, theirs = pair
    taken = {name: [spike.taken for spike in spikes[name]] for name in pair}
    what = f"{length}: {ours} over {theirs}"
    return Figure.estimated(what, ratios(taken[ours], taken[theirs]), "times", goal)


def _connected(spikes: Spikes, name: str, length: str, goal: str) -> Figure:
    opened = [spike.connected for spike in spikes[name]]
    what = f"{length}: {name}, new connections"
    return Figure(what, max(opened), "", goal, min(opened), max(opened), len(opened))


def _shown(spikes: Spikes, length: str) -> list[Figure]:
    return [
        Figure(
            f"{length}: {name}",
            1000 * statistics.median(spike.taken for spike in rounds),
            "ms",
            best=1000 * min(spike.taken for spike in rounds),
            worst=1000 * max(spike.taken for spike in rounds),
            rounds=len(rounds),
        )
        for name, rounds in spikes.items()
    ]
