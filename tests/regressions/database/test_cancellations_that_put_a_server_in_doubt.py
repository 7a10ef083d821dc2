"""Who was cancelled in the middle of a statement put the server in doubt.

Everybody else's connections were asked before they were lent, and new ones dialed one by one, as
if the server were going: with a few impatient callers a second no connection was hot any more.
"""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.util import greenlet_spawn

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.pool import NEVER

from ...database.pool.conftest import house

__all__ = ["house"]


@pytest.mark.parametrize(
    ("error", "pings"), [(asyncio.CancelledError(), 0), (ConnectionError(), 2), (None, 2)]
)
async def test_only_what_may_be_the_servers_doing_casts_doubt_on_the_others(house, error, pings):
    home = house(pool_size=3)
    await home.warm(3)
    lent = await home.borrow()
    await greenlet_spawn(lent.invalidate, error)
    await greenlet_spawn(lent.close)
    await asyncio.gather(home.use(), home.use())
    assert (home.server.pings, home.server.dials) == (pings, 3)
    assert home.keeper.growth.is_in_doubt is (pings > 0)


@pytest.mark.integration
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_cancelled_statement_leaves_the_other_connections_hot(server, driver):
    manager = DatabaseManager(DatabaseConfig(url=server.url(driver)))

    async def ask(statement):
        async with manager.session_scope() as session:
            await session.execute(text(statement))

    try:
        await asyncio.gather(*(ask("SELECT pg_sleep(0.1)") for _ in range(3)))
        keeper = manager.engine.sync_engine.pool.keeper
        sleeping = asyncio.create_task(ask("SELECT pg_sleep(60)"))
        async with asyncio.timeout(20):
            while all(slot.asked == NEVER for slot in keeper.slots):
                await asyncio.sleep(0)
            sleeping.cancel()
            await asyncio.wait({sleeping})
        assert manager.stats().pool.invalidated_total == 1
        assert not keeper.growth.is_in_doubt
        assert all(slot.heard > 0 for slot in keeper.places.idle)
    finally:
        await manager.close()
