"""What SQLAlchemy asks of a new connection had no limit: a network gone dark then hung for ever."""

import asyncio
import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager, StatementTimedOut
from koo.testing import Action, FaultProxy, Phase

pytestmark = pytest.mark.integration

LIMIT = 0.6
AT_ONCE = 4


class Darkness:
    """Lets so many messages of statements pass, and then nothing."""

    def __init__(self, passing):
        self.passing = passing
        self.has_fallen = False

    async def __call__(self, chunk):
        if Phase.STATEMENT in chunk.phases or Phase.ROLLBACK in chunk.phases:
            self.passing -= 1
        if self.passing < 0:
            self.has_fallen = True
            await asyncio.sleep(60)
        return Action.PASS


async def ask(manager):
    async with manager.session_scope() as session:
        await session.execute(text("SELECT 2"))


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_every_moment_of_a_new_connection_has_a_limit(server, driver):
    async def fallen(passing, limit=LIMIT):
        async with FaultProxy("127.0.0.1", server.port) as proxy:
            url = server.url(driver, port=proxy.port)
            manager = DatabaseManager(DatabaseConfig(url=url, timeout=limit, check_timeout=limit))
            proxy.hook = darkness = Darkness(passing)
            was_answered = False
            async with asyncio.timeout(3 * limit + 20):
                with contextlib.suppress(exc.DBAPIError, StatementTimedOut):
                    await ask(manager)
                    was_answered = True
            failures, active = manager.stats().breaker.failures, manager.stats().pool.active
            await manager.close()
        if not (was_answered or darkness.has_fallen):
            # The machine was too slow for this limit.
            return await fallen(passing, 2 * limit)
        assert (failures, active) == (darkness.has_fallen, 0)
        return darkness.has_fallen

    moments = 0
    while all(await asyncio.gather(*(fallen(moments + k) for k in range(AT_ONCE)))):
        moments += AT_ONCE
    assert moments >= AT_ONCE
