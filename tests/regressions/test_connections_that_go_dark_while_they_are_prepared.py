"""What SQLAlchemy asks of a new connection had no limit: a network gone dark then hung for ever."""

import asyncio
import contextlib
import time

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager, StatementTimedOut
from koo.testing import Action, FaultProxy, Phase, PostgresServer

pytestmark = pytest.mark.integration

LIMIT = 0.6
AT_ONCE = 4


@pytest.fixture(scope="module")
def server():
    with PostgresServer(settings={"fsync": "off"}) as server:
        yield server


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
    async def fallen(passing):
        async with FaultProxy("127.0.0.1", server.port) as proxy:
            url = server.url(driver, port=proxy.port)
            manager = DatabaseManager(DatabaseConfig(url=url, timeout=LIMIT, check_timeout=LIMIT))
            proxy.hook = darkness = Darkness(passing)
            began = time.monotonic()
            with contextlib.suppress(exc.DBAPIError, StatementTimedOut):
                await ask(manager)
            assert manager.stats().breaker.failures == darkness.has_fallen
            assert time.monotonic() - began < 3 * LIMIT + 0.5
            assert manager.stats().pool.active == 0
            await manager.close()
            return darkness.has_fallen

    moments = 0
    while all(await asyncio.gather(*(fallen(moments + k) for k in range(AT_ONCE)))):
        moments += AT_ONCE
    assert moments >= AT_ONCE
