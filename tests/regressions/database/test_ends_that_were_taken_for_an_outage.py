"""A drain, a loan taken back and a close tore connections off: the breaker counted failures.

Six busy transactions that a drain ended opened the circuit; after resume() everybody was refused.
On asyncpg an AttributeError came out where the function had not asked anything meanwhile.
"""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from koo.database import DatabaseConfig, DatabaseManager
from koo.resilience import State

pytestmark = pytest.mark.integration

MANY = 6


@pytest.fixture(params=["asyncpg", "psycopg"])
def open_manager(request, server):
    def build(**terms):
        sizes = {"pool_size": MANY, "max_overflow": 0}
        return DatabaseManager(DatabaseConfig(url=server.url(request.param), **sizes, **terms))

    return build


async def busy(manager):
    async with manager.session_scope() as session:
        await session.execute(text("SELECT pg_sleep(60)"))


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_drain_is_no_evidence_against_the_server(open_manager):
    manager = open_manager()
    try:
        tasks = [asyncio.create_task(busy(manager)) for _ in range(MANY)]
        await until(lambda: manager.stats().pool.active == MANY)
        assert await manager.drain(0.2) == MANY
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert {isinstance(error, DBAPIError) for error in ended} == {True}
        assert ended[0].__notes__ == ["database: the pool took the connection back"]
        assert manager.stats().errors == (("taken_back", MANY),)
        assert manager.stats().breaker.state is State.CLOSED
        manager.resume()
        async with manager.session_scope() as session:
            assert (await session.execute(text("SELECT 1"))).scalar_one() == 1
    finally:
        await manager.close()


async def test_nor_are_loans_that_are_taken_back(open_manager):
    manager = open_manager(leak_after=0.2, reclaim_after=0.4)

    async def forgetful():
        async with manager.session_scope() as session:
            await session.execute(text("SELECT 1"))
            await until(lambda: manager.stats().pool.total == 0)
            await session.execute(text("SELECT 1"))

    try:
        ended = await asyncio.gather(*(forgetful() for _ in range(MANY)), return_exceptions=True)
        assert {isinstance(error, DBAPIError) for error in ended} == {True}
        assert manager.stats().breaker.state is State.CLOSED
    finally:
        await manager.close()


async def test_nor_is_a_close(open_manager):
    manager = open_manager()
    tasks = [asyncio.create_task(busy(manager)) for _ in range(MANY)]
    await until(lambda: manager.stats().pool.active == MANY)
    await manager.close()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert {isinstance(error, DBAPIError) for error in ended} == {True}
    assert manager.stats().breaker.state is State.CLOSED


async def test_a_function_that_asked_nothing_meanwhile_gets_an_error_of_the_database(open_manager):
    manager = open_manager()
    entered, ended = asyncio.Event(), asyncio.Event()

    async def slow(_):
        entered.set()
        await ended.wait()

    try:
        working = asyncio.create_task(manager.transact(slow, max_retries=0))
        await entered.wait()
        assert await manager.drain(0.1) == 1
        ended.set()
        with pytest.raises(DBAPIError):
            await working
        assert manager.stats().breaker.state is State.CLOSED
    finally:
        await manager.close()
