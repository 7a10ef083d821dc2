"""What becomes of a COMMIT that is lost: with no retry, with a blind one, and with koo."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

from lab.figures import Figure, Section
from pools.place import Effort, place
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from koo.database import DatabaseConfig, DatabaseManager
from koo.testing import FaultProxy, LinkFault, Phase, PostgresServer

__all__ = ["lost_commits"]

_DRIVERS = ("asyncpg", "psycopg")
_LOST = (Phase.COMMIT_REQUEST, Phase.COMMIT_REPLY)

_Write = Callable[[int], Awaitable[object]]


async def lost_commits(effort: Effort) -> Sequence[Section]:
    """How often what the caller is told is wrong, of COMMITs that are lost there and back."""
    times, figures = 8 * effort.pairs, []
    async with place() as server:
        for driver in _DRIVERS:
            async with FaultProxy("127.0.0.1", server.port) as proxy:
                url = server.url(driver, port=proxy.port)
                plain = create_async_engine(url)
                manager = DatabaseManager(DatabaseConfig(url=url))
                lost = _Lost(server, proxy, times)
                once = await lost.share_of(_wrong_if_failed, partial(_plainly, plain))
                blind = await lost.share_of(_wrong_if_twice, partial(_blindly, plain))
                ours = await lost.share_of(_wrong_unless_once, partial(_by_koo, manager))
                await manager.close()
                await plain.dispose()
            figures += [
                Figure(f"{driver}: no retry, reported as failed and committed", once, "%"),
                Figure(f"{driver}: blind retry, written twice", blind, "%"),
                Figure(f"{driver}: koo, not exactly once", ours, "%", "<= 0"),
            ]
    method = (
        f"{times} transactions each whose connection is reset in COMMIT, in turns before it arrives"
        " and before its answer does; the rows are counted afterwards. That is"
        " two ways of losing one; `scripts/soak` has six, and kills of the server."
    )
    return [Section("A COMMIT that is lost", method, figures)]


class _Lost:
    """Transactions on *server* whose COMMITs *proxy* loses, so many *times*."""

    def __init__(self, server: PostgresServer, proxy: FaultProxy, times: int) -> None:
        self._direct = create_async_engine(server.url(), isolation_level="AUTOCOMMIT")
        self._proxy = proxy
        self._times = times

    async def share_of(self, is_wrong: Callable[[bool, int], bool], write: _Write) -> float:
        """How many of what *write* does *is_wrong*, in per cent."""
        async with self._direct.connect() as connection:
            await connection.execute(text("DROP TABLE IF EXISTS lost"))
            await connection.execute(text("CREATE TABLE lost (n integer)"))
            await write(-1)
            wrong = 0
            for n in range(self._times):
                self._proxy.strike(LinkFault.RESET, _LOST[n % len(_LOST)])
                said = await _succeeds(write(n))
                await self._proxy.heal()
                count = text("SELECT count(*) FROM lost WHERE n = :n")
                rows = (await connection.execute(count, {"n": n})).scalar_one()
                wrong += is_wrong(said, rows)
        await self._direct.dispose()
        return 100 * wrong / self._times


def _wrong_if_failed(said: bool, rows: int) -> bool:  # noqa: FBT001
    return rows > 0 and not said


def _wrong_if_twice(_: bool, rows: int) -> bool:  # noqa: FBT001
    return rows > 1


def _wrong_unless_once(said: bool, rows: int) -> bool:  # noqa: FBT001
    return not said or rows != 1


async def _succeeds(work: Awaitable[object]) -> bool:
    with suppress(DBAPIError, asyncio.TimeoutError):
        await work
        return True
    return False


async def _insert(session: AsyncSession, n: int) -> None:
    await session.execute(text("INSERT INTO lost VALUES (:n)"), {"n": n})


async def _plainly(engine: AsyncEngine, n: int) -> None:
    async with AsyncSession(engine) as session, session.begin():
        await _insert(session, n)


async def _blindly(engine: AsyncEngine, n: int) -> None:
    while not await _succeeds(_plainly(engine, n)):
        pass


async def _by_koo(manager: DatabaseManager, n: int) -> None:
    await manager.transact(lambda session: _insert(session, n))
