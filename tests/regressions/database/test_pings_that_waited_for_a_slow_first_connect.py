"""A ping waited as long as two connects take, and the first connect had waited for a name.

A half-open connection then cost its next borrower up to ``check_timeout`` instead of 0.2 s,
however quickly the server had answered since.
"""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.pool import slot_of

from ...database.pool.conftest import house

__all__ = ["house"]


async def answered(home, *, taken):
    """A loan on which the server answered after *taken* seconds."""
    async with home.lent() as connection:
        slot_of(connection).hear(home.clock.monotonic(), taken)
        return connection.dbapi_connection


async def seconds_lost(home):
    """How long the next borrower waits behind a connection that has lost its way."""
    await asyncio.sleep(2)
    home.places.idle[-1].connection.is_silent = True
    home.server.connect_time = 0.01
    began = home.clock.monotonic()
    await home.use()
    return home.clock.monotonic() - began


async def test_quick_answers_weigh_more_than_a_slow_first_connect(house):
    home = house()
    home.server.connect_time = 3.0
    await answered(home, taken=0.001)
    assert await seconds_lost(home) == pytest.approx(0.21)


async def test_the_quickest_answer_counts_and_not_a_statement_that_took_long(house):
    home = house()
    home.server.connect_time = 3.0
    for taken in (2.0, 0.05, 1.0):
        await answered(home, taken=taken)
    assert await seconds_lost(home) == pytest.approx(0.41)


async def test_on_a_slow_way_a_ping_may_take_several_answers(house):
    home = house()
    home.server.connect_time, home.server.ping_time = 1.0, 0.9
    first = await answered(home, taken=0.2)
    await asyncio.sleep(2)
    assert await home.use() is first


@pytest.mark.integration
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_each_statement_says_how_quickly_it_was_answered(server, driver):
    manager = DatabaseManager(DatabaseConfig(url=server.url(driver)))
    try:
        async with manager.session_scope() as session:
            slot = slot_of(await (await session.connection()).get_raw_connection())
            await session.execute(text("SELECT pg_sleep(0.05)"))
            first = slot.quickest
            assert first >= 0.05
            async with asyncio.timeout(20):
                while slot.quickest == first:
                    await session.execute(text("SELECT 1"))
            assert 0 < slot.quickest < first
    finally:
        await manager.close()
