"""Whoever was cancelled twice in a ROLLBACK in the dark kept the place for `attempt_timeout`.

The second cancellation came before the time that is left to a rollback without a caller was set.
"""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.pool import NEVER
from koo.testing import BlackHole, FaultProxy, PostgresServer

pytestmark = pytest.mark.integration


class Mine(Exception):
    pass


@pytest.fixture(scope="module")
def server():
    with PostgresServer(settings={"fsync": "off"}) as server:
        yield server


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_the_place_is_free_soon_however_often_its_holder_is_cancelled(server, driver):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        manager = DatabaseManager(DatabaseConfig(url=server.url(driver, port=proxy.port)))

        async def call():
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1"))
                proxy.black_hole = BlackHole.ALL
                raise Mine

        def is_rolled_back():
            slots = manager.engine.sync_engine.pool.keeper.slots
            return proxy.black_hole is BlackHole.ALL and any(slot.asked != NEVER for slot in slots)

        calling = asyncio.create_task(call())
        async with asyncio.timeout(20):
            while not is_rolled_back():
                await asyncio.sleep(0.01)
        for _ in range(2):
            calling.cancel()
            await asyncio.sleep(0.002)
        await asyncio.wait({calling})
        assert calling.cancelled()
        async with asyncio.timeout(15):
            while manager.stats().pool.active:
                await asyncio.sleep(0.01)
        proxy.black_hole = BlackHole.OFF
        await manager.close()
