"""An idle connection kept the last transaction that had it, and all that its function returned.

A service that reads a large result once a night held it until the connection was lent again.
"""

import gc
import weakref

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration


class Rows(list):
    """A list that can be watched."""


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_what_a_function_returned_is_its_callers_alone(server, driver):
    manager = DatabaseManager(DatabaseConfig(url=server.url(driver)))

    async def read(session):
        return Rows(await session.execute(text("SELECT 1")))

    try:
        found = await manager.transact(read)
        assert found == [(1,)]
        watched = weakref.ref(found)
        del found
        gc.collect()
        assert watched() is None
    finally:
        await manager.close()


async def test_an_idle_connection_knows_nobody(server):
    manager = DatabaseManager(DatabaseConfig(url=server.url()))
    try:
        async with manager.session_scope() as session:
            await session.execute(text("SELECT 1"))
            (slot,) = manager.engine.sync_engine.pool.keeper.slots
            assert slot.scope is not None
        assert [slot.task, slot.scope, slot.where, slot.since] == [None] * 4
    finally:
        await manager.close()
