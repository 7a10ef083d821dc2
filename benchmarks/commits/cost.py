"""What the token adds to a COMMIT: time, and round trips counted in a proxy."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from lab.figures import Figure, Section
from lab.paired import Estimate, differences
from lab.rounds import Contender
from pools.hooks import Turns
from pools.place import Effort, place, proxied
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from koo.database import DatabaseConfig, DatabaseManager

__all__ = ["cost", "round_trips"]

_GOALS = {"asyncpg": "<= 100 us", "psycopg": "<= 200 us"}
_TRANSACTIONS = 50
_TURNS = 100
_WRITES = text("INSERT INTO written VALUES (1)")
_READS = text("SELECT val FROM item WHERE id = 1")


async def cost(effort: Effort) -> Sequence[Section]:
    """Microseconds that a token adds to a transaction."""
    figures, details = [], []
    async with place() as server:
        for driver, goal in _GOALS.items():
            async with _pair(server.url(driver)) as pair:
                micro = await _one_by_one(_contenders(pair), _TURNS * effort.pairs + 1)
            for what in ("writes", "reads"):
                added = differences(micro[f"{what}, auto"], micro[f"{what}, off"])
                limit = goal if what == "writes" else ""
                figures.append(Figure.estimated(f"{driver}, a row {what}", added, "us", limit))
            details += [
                Figure.estimated(f"{driver}: {name}", Estimate.of(values), "us")
                for name, values in micro.items()
            ]
    method = (
        "A `transact` of one statement with commit tokens minus the same without, on loopback,"
        f" fsync off. Medians of {_TURNS * effort.pairs + 1} rounds of one transaction each, in an"
        " order drawn anew, with their 95 % interval."
    )
    return [Section("Cost of a commit token", method, figures, details)]


async def round_trips(effort: Effort) -> Sequence[Section]:
    """Round trips that a token adds to a transaction."""
    del effort
    figures = []
    async with place() as server:
        for driver in _GOALS:
            async with proxied(server) as proxy, _pair(server.url(driver, port=proxy.port)) as pair:
                counted = []
                for manager in pair:
                    proxy.hook = turns = Turns()
                    for _ in range(_TRANSACTIONS):
                        await manager.transact(_write)
                    proxy.hook = None
                    counted.append(turns.total / _TRANSACTIONS)
            with_tokens, without = counted
            added = with_tokens - without
            figures.append(Figure(f"added, {driver}", added, "round trips", "<= 0"))
            figures.append(Figure(f"a transaction that writes, {driver}", with_tokens, ""))
    method = f"Mean of {_TRANSACTIONS} transactions on a warm connection, counted in a proxy."
    return [Section("Round trips of a commit token", method, figures)]


async def _write(session: AsyncSession) -> None:
    await session.execute(_WRITES)


async def _read(session: AsyncSession) -> None:
    await session.execute(_READS)


async def _one_by_one(contenders: list[Contender], rounds: int) -> dict[str, list[float]]:
    """Microseconds of every contender, one call a round: whatever else runs meets few of them."""
    taken: dict[str, list[float]] = {one.name: [] for one in contenders}
    order, draw = list(contenders), random.Random(1)
    for _ in range(rounds):
        draw.shuffle(order)
        for one in order:
            taken[one.name].append(await one.drive(one.operation, 1) / 1000)
    return taken


@asynccontextmanager
async def _pair(url: str) -> AsyncIterator[list[DatabaseManager]]:
    """A manager with tokens and one without, both warm."""
    pair = [
        DatabaseManager(DatabaseConfig(url=url, pool_size=1, max_overflow=0, commit_tokens=setting))
        for setting in ("auto", "off")
    ]
    try:
        for manager in pair:
            async with manager.session_scope() as session:
                await session.execute(text("CREATE TABLE IF NOT EXISTS written (n integer)"))
            for _ in range(20):
                await manager.transact(_write)
        yield pair
    finally:
        for manager in pair:
            await manager.close()


def _contenders(pair: list[DatabaseManager]) -> list[Contender]:
    return [
        Contender(f"{what}, {manager.config.commit_tokens}", _operation(manager, work))
        for manager in pair
        for what, work in (("writes", _write), ("reads", _read))
    ]


def _operation(
    manager: DatabaseManager, work: Callable[[AsyncSession], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    async def operation() -> None:
        await manager.transact(work)

    return operation
