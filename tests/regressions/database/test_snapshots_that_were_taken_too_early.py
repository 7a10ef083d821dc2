"""Through a pooler, BEGIN took a lock, and with it a snapshot before the caller had said a word.

So `SET TRANSACTION` was refused as a first statement, and what was read once another's lock had
been waited for was what had been there before it.
"""

import asyncio
import contextlib

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.resilience import RetryConfig
from koo.testing import PostgresServer

from ...database.saying import say
from ...database.servers import Pgbouncer

pytestmark = pytest.mark.integration

SERIALIZABLE = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"
LEVEL = "SELECT current_setting('transaction_isolation')"
WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture(scope="module")
def servers():
    with PostgresServer(settings={"fsync": "off"}) as server, Pgbouncer(server.port) as pooler:
        yield server, pooler


@contextlib.asynccontextmanager
async def opened(url):
    manager = DatabaseManager(DatabaseConfig(url=url, retry=RetryConfig(max_retries=0)))
    try:
        yield manager
    finally:
        await manager.close()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_transaction_may_begin_by_setting_its_isolation_level(servers, driver):
    _, pooler = servers
    async with opened(pooler.url(driver)) as manager:
        assert await say(manager, SERIALIZABLE, LEVEL) == "serializable"


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_what_is_read_behind_a_lock_is_not_older_than_the_lock(servers, driver):
    server, pooler = servers
    async with opened(server.url(driver)) as straight, opened(pooler.url(driver)) as manager:
        await say(straight, "DROP TABLE IF EXISTS t", "CREATE TABLE t AS SELECT 1 AS n")
        async with straight.session_scope() as session:
            await session.execute(text("LOCK TABLE t"))
            await session.execute(text("UPDATE t SET n = 2"))
            read = ("LOCK TABLE t", "SELECT n FROM t")
            reading = asyncio.create_task(say(manager, *read, isolation_level="REPEATABLE READ"))
            async with asyncio.timeout(20):
                while not await say(straight, WAITS):
                    await asyncio.sleep(0.02)
        assert await reading == 2
