"""A dial died with a server that was restarted, and callers were refused although it was back.

The dial was under way for somebody who had been served meanwhile, so nobody was told of its
failure; yet everybody was refused for as long as nobody might dial.
"""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.testing import BlackHole, FaultProxy

pytestmark = pytest.mark.integration


async def ask(manager):
    async with manager.session_scope() as session:
        return (await session.execute(text("SELECT 1"))).scalar_one()


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_what_dies_with_the_old_server_says_nothing_of_the_new_one(server, driver):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url(driver, port=proxy.port)
        manager = DatabaseManager(DatabaseConfig(url=url, pool_size=2))
        await ask(manager)
        places = manager.engine.sync_engine.pool.keeper.places
        dialed = proxy.traffic.accepted_total
        proxy.black_hole = BlackHole.NEW
        # Both are served by the one that is there, while the other is still being dialed.
        assert await asyncio.gather(ask(manager), ask(manager)) == [1, 1]
        await until(lambda: proxy.traffic.accepted_total > dialed)
        proxy.black_hole = BlackHole.OFF
        proxy.reset_all()
        await until(lambda: proxy.connections == 0)
        await until(lambda: not places.dialing)
        assert await asyncio.gather(*(ask(manager) for _ in range(5))) == [1] * 5
        assert manager.stats().breaker.failures == 0
        await manager.close()
