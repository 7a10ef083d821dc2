"""Idle connections whose way is lost, without a word; new ones come through.

Whoever trusts them hangs until the network's own patience is over.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from lab.figures import Figure, Section
from psycopg_pool import AsyncConnectionPool

from koo.testing import PostgresServer

from .hooks import Darkness, those_open
from .patience import patiently, timed
from .place import Effort, place, proxied
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

__all__ = ["half_open"]

_REQUESTS: Final = 4
_IDLE: Final = 2.0
_PATIENCE: Final = 10.0
_HANGS: Final = 2.0
"""Beyond its patience a caller who cannot even give up is left."""


@dataclass(frozen=True, slots=True)
class _Rescue:
    """How requests on lost connections ended."""

    errors: int
    slowest: float


async def half_open(effort: Effort) -> Sequence[Section]:
    """Whether requests notice that their connections are gone."""
    rounds: dict[str, list[_Rescue]] = {}
    async with place() as server:
        for _ in range(effort.repeats):
            for name, make in _ours().items():
                rounds.setdefault(name, []).append(await _rescued(make, server))
            theirs = _theirs()
            rescued = await asyncio.gather(*(_rescued(make, server) for make in theirs.values()))
            for name, rescue in zip(theirs, rescued, strict=True):
                rounds.setdefault(name, []).append(rescue)
    figures = [figure for name, rescues in rounds.items() for figure in _told(name, rescues)]
    method = (
        f"{_REQUESTS} idle connections lost their way {_IDLE:g} s ago without a word, new ones come"
        f" through; {_REQUESTS} requests at once, documented defaults. Errors of all rounds, and"
        f" seconds of the slowest; a request is given up after {_PATIENCE:g} s, which is an error."
    )
    return [Section("Half-open connections", method, figures)]


def _ours() -> Mapping[str, Make]:
    return {f"koo, {driver}": partial(KooScope, driver=driver) for driver in ("asyncpg", "psycopg")}


def _theirs() -> Mapping[str, Make]:
    pinging = {
        f"SQLAlchemy, pool_pre_ping, {driver}": partial(
            SqlAlchemy, driver=driver, pool_pre_ping=True
        )
        for driver in ("asyncpg", "psycopg")
    }
    checked = partial(PsycopgPool, check=AsyncConnectionPool.check_connection)
    return {**pinging, "asyncpg.Pool": AsyncpgPool, "psycopg_pool with check": checked}


async def _rescued(make: Make, server: PostgresServer) -> _Rescue:
    async with proxied(server) as proxy, opened(make, proxy.port, Sizes()) as stack:
        await warm(stack, _REQUESTS)
        proxy.hook = darkness = Darkness(those_open(proxy.traffic.accepted_total))
        await asyncio.sleep(_IDLE)
        answers = 0

        async def request() -> None:
            nonlocal answers
            await _transacts(stack)
            answers += 1

        requests = [timed(request, _PATIENCE) for _ in range(_REQUESTS)]
        taken = await patiently(requests, _PATIENCE + _HANGS)
        darkness.lift()
        proxy.reset_all()
        return _Rescue(_REQUESTS - answers, max(taken))


async def _transacts(stack: Stack) -> object:
    return await stack.transact(lambda ask: ask("SELECT 1"))


def _told(name: str, rescues: Sequence[_Rescue]) -> list[Figure]:
    none, quick = ("= 0", "<= 0.3 s") if name in _ours() else ("", "")
    errors = sum(rescue.errors for rescue in rescues)
    slowest = [rescue.slowest for rescue in rescues]
    return [
        Figure(f"{name}: errors", errors, "", none, rounds=len(rescues)),
        Figure(
            f"{name}: slowest request",
            statistics.median(slowest),
            "s",
            quick,
            best=min(slowest),
            worst=max(slowest),
            rounds=len(slowest),
        ),
    ]
