"""Who was cut off between two statements waited for a ROLLBACK that nobody answered.

Only a deadline that came during the ROLLBACK was known to be over. One that led to it, because the
function was elsewhere, kept its caller as long as a ROLLBACK may take: by default for half a minute
in the dark.
"""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.errors import DeadlineExceeded
from koo.testing import BlackHole, FaultProxy

pytestmark = pytest.mark.integration

LONG = 100.0
PATIENCE = 20.0


class Elsewhere:
    """A function that has asked its first question, and waits for somebody else."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.has_come = asyncio.Event()

    async def __call__(self, session):
        await session.execute(text("SELECT 1"))
        self.proxy.black_hole = BlackHole.ALL
        self.has_come.set()
        await asyncio.Event().wait()


async def by_scope(manager, work):
    async with manager.session_scope() as session:
        await work(session)


async def by_transact(manager, work):
    await manager.transact(work)


async def soon(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize("door", [by_scope, by_transact])
async def test_who_is_cancelled_between_two_statements_in_the_dark_goes_at_once(
    server, driver, door
):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url(driver, port=proxy.port)
        manager = DatabaseManager(DatabaseConfig(url=url, attempt_timeout=LONG, timeout=LONG))
        work = Elsewhere(proxy)
        calling = asyncio.create_task(door(manager, work))
        await work.has_come.wait()
        calling.cancel()
        await asyncio.wait({calling}, timeout=PATIENCE)
        assert calling.cancelled()
        await soon(lambda: not manager.stats().pool.active)
        proxy.black_hole = BlackHole.OFF
        await manager.close()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_call_whose_time_is_over_between_two_statements_is_late_at_once(server, driver):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url(driver, port=proxy.port)
        manager = DatabaseManager(DatabaseConfig(url=url, attempt_timeout=LONG, timeout=1.0))
        calling = asyncio.create_task(manager.transact(Elsewhere(proxy)))
        await asyncio.wait({calling}, timeout=PATIENCE)
        with pytest.raises(DeadlineExceeded):
            calling.result()
        proxy.black_hole = BlackHole.OFF
        await manager.close()
