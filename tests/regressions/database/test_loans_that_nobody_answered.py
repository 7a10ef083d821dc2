"""A loan on which nothing was asked counted as heard from, and so did a look that asked nobody.

Loans each half a second kept a connection for alive that had been silent for minutes; when it was
half-open, the first statement waited for its whole timeout, where a ping knows after 0.2 s.
"""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.util import greenlet_spawn

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.pool import slot_of

from ...database.pool.conftest import house

__all__ = ["house"]


async def touch(home):
    connection = await home.borrow()
    await greenlet_spawn(connection.close)


async def test_loans_without_a_statement_do_not_keep_a_connection_hot(house):
    home = house(pool_size=1)
    for _ in range(8):
        await touch(home)
        await asyncio.sleep(0.5)
    assert home.server.pings == 3


async def test_a_look_that_asks_nobody_has_heard_nobody(house):
    home = house(pool_size=1)
    await touch(home)
    (slot,) = home.keeper.slots
    await asyncio.sleep(0.9)
    home.keeper.look_at(slot, home.clock.monotonic())
    await asyncio.sleep(0.2)
    assert home.server.pings == 0
    await touch(home)
    assert home.server.pings == 1


@pytest.mark.integration
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_each_answer_to_a_statement_is_heard(server, driver):
    manager = DatabaseManager(DatabaseConfig(url=server.url(driver)))
    try:
        async with manager.session_scope() as session:
            connection = await (await session.connection()).get_raw_connection()
            slot = slot_of(connection)
            before = slot.heard
            await session.execute(text("SELECT 1"))
            assert slot.heard > before
    finally:
        await manager.close()
