"""Who knew what a lost COMMIT had done waited for ever if the network went dark just then."""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.testing import Action, BlackHole, Direction, FaultProxy, Phase

pytestmark = pytest.mark.integration


class Darkness:
    """Cuts the first COMMIT; who has heard of its token says ROLLBACK, and gets no answer."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.is_cut = self.has_asked = self.has_heard = False

    def __call__(self, chunk):
        if Phase.COMMIT_REPLY in chunk.phases and not self.is_cut:
            self.is_cut = True
            return Action.CUT
        self.has_asked = self.has_asked or b"SELECT fenced" in chunk.payload
        self.has_heard |= self.has_asked and chunk.direction is Direction.TO_CLIENT
        if self.has_heard and Phase.ROLLBACK in chunk.phases:
            self.proxy.black_hole = BlackHole.ALL
        return Action.PASS


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_the_end_of_a_question_is_bounded(server, driver):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url(driver, port=proxy.port)
        manager = DatabaseManager(DatabaseConfig(url=url, timeout=30, check_timeout=3))
        try:
            await manager.transact(write)
            proxy.hook = Darkness(proxy)
            async with asyncio.timeout(20):
                assert await manager.transact(write) == "written"
                while proxy.black_hole is not BlackHole.ALL:
                    await asyncio.sleep(0.01)
        finally:
            await manager.close()


async def write(session):
    await session.execute(text("CREATE TABLE IF NOT EXISTS written (n INTEGER)"))
    await session.execute(text("INSERT INTO written VALUES (1)"))
    return "written"
