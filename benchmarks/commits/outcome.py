"""What a caller is told: of a swallowed failure, and when everybody wants the same row."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from time import perf_counter

from lab.figures import Figure, Section
from pools.place import Effort, place
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)

from koo.database import DatabaseConfig, DatabaseManager
from koo.resilience import Backoff, RetryConfig

__all__ = ["hot_row", "swallowed"]

_TASKS = 32
_STUBBORN = RetryConfig(max_retries=20, backoff=Backoff(base_delay=0.01))
_DRIVERS = ("asyncpg", "psycopg")


async def swallowed(effort: Effort) -> Sequence[Section]:
    """How many commits of a failed transaction are an error, in three ways on two drivers."""
    del effort
    ours = theirs = 0
    async with place() as server:
        for driver in _DRIVERS:
            manager = DatabaseManager(DatabaseConfig(url=server.url(driver)))
            plain = create_async_engine(server.url(driver))
            for way in (_in_a_scope, _in_a_transaction, _in_a_commit_of_ones_own):
                ours += await _is_told(way(manager))
            for plainly in (_plainly_in_a_session, _plainly_on_a_connection, _plainly_by_a_commit):
                theirs += await _is_told(plainly(plain))
            await manager.close()
            await plain.dispose()
    method = (
        "A statement fails, its error is caught inside the transaction, then COMMIT: at the end of"
        " a session, of a function (SQLAlchemy: of a connection), and by `session.commit()`."
    )
    figures = [
        Figure("koo: reported as an error, of 6", ours, "", "= 6"),
        Figure("SQLAlchemy: reported as an error, of 6", theirs, ""),
    ]
    return [Section("A swallowed failure", method, figures)]


async def hot_row(effort: Effort) -> Sequence[Section]:
    """How many of those who want the same row get it."""
    times, figures = 6 * effort.pairs, []
    async with place() as server:
        for driver in _DRIVERS:
            config = DatabaseConfig(url=server.url(driver), retry=_STUBBORN)
            manager = DatabaseManager(config)
            async with manager.session_scope() as session:
                await session.execute(text("DROP TABLE IF EXISTS hot"))
                await session.execute(text("CREATE TABLE hot (n integer)"))
                await session.execute(text("INSERT INTO hot VALUES (0)"))
            began = perf_counter()
            done = sum(await asyncio.gather(*(_increments(manager, times) for _ in range(_TASKS))))
            seconds = perf_counter() - began
            await manager.close()
            share = 100 * done / (_TASKS * times)
            figures.append(Figure(f"{driver}: succeed", share, "%", ">= 99.9 %"))
            figures.append(Figure(f"{driver}: a second", done / seconds, ""))
    method = (
        f"{_TASKS} tasks, {times} times each, read and increment one row under SERIALIZABLE;"
        " at most 20 retries, base delay 0.01 s."
    )
    return [Section("One hot row", method, figures)]


async def _increments(manager: DatabaseManager, times: int) -> int:
    done = 0
    for _ in range(times):
        with suppress(DBAPIError):
            await manager.transact(_increment, isolation_level="SERIALIZABLE")
            done += 1
    return done


async def _increment(session: AsyncSession) -> None:
    n = (await session.execute(text("SELECT n FROM hot"))).scalar_one()
    await session.execute(text("UPDATE hot SET n = :n"), {"n": n + 1})


async def _is_told(work: Awaitable[object]) -> bool:
    try:
        await work
    except DBAPIError:
        return True
    return False


async def _swallow(session: AsyncSession | AsyncConnection) -> None:
    await session.execute(text("CREATE TABLE IF NOT EXISTS swallowing (n integer)"))
    with suppress(DBAPIError):
        await session.execute(text("SELECT 1/0"))


async def _swallow_and_commit(session: AsyncSession) -> None:
    await _swallow(session)
    await session.commit()


async def _in_a_scope(manager: DatabaseManager) -> None:
    async with manager.session_scope() as session:
        await _swallow(session)


async def _in_a_transaction(manager: DatabaseManager) -> None:
    await manager.transact(_swallow)


async def _in_a_commit_of_ones_own(manager: DatabaseManager) -> None:
    await manager.transact(_swallow_and_commit)


async def _plainly_in_a_session(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session, session.begin():
        await _swallow(session)


async def _plainly_on_a_connection(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await _swallow(connection)


async def _plainly_by_a_commit(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        await _swallow_and_commit(session)
