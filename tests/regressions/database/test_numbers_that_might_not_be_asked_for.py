"""Where numbers may not be asked for, because a right was revoked from all, no COMMIT succeeded."""

import asyncio
import contextlib

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.commit.numbers import Numbers
from koo.resilience import RetryConfig
from koo.testing import PostgresServer

from ...database.saying import say, witness_of

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]
NEEDED = [
    "pg_control_system()",
    "pg_postmaster_start_time()",
    "pg_current_wal_insert_lsn()",
    "pg_walfile_name(pg_lsn)",
    "pg_xact_status(xid8)",
]


@contextlib.asynccontextmanager
async def opened(url, user="postgres"):
    config = DatabaseConfig(
        url=url.replace("postgres@", f"{user}@"), retry=RetryConfig(max_retries=1)
    )
    manager = DatabaseManager(config)
    try:
        yield manager
    finally:
        await manager.close()


async def prepare(server):
    async with opened(server.url()) as owner:
        await say(owner, "CREATE TABLE t (n int)", "CREATE ROLE app LOGIN", "GRANT ALL ON t TO app")


@pytest.fixture(scope="module")
def server():
    with PostgresServer(settings={"fsync": "off"}) as server:
        asyncio.run(prepare(server))
        yield server


@contextlib.asynccontextmanager
async def revoked(server, function):
    """Until the block ends, nobody may call *function*."""
    async with opened(server.url()) as owner:
        await say(owner, f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        try:
            yield
        finally:
            await say(owner, f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")


async def insert(session):
    await session.execute(text("INSERT INTO t VALUES (1)"))
    return "inserted"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("function", NEEDED)
async def test_nobody_is_asked_then(server, driver, function):
    async with revoked(server, function), opened(server.url(driver), "app") as manager:
        assert await manager.transact(insert) == "inserted"
        assert witness_of(manager) is None


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("function", NEEDED[:-1])
async def test_what_is_revoked_meanwhile_costs_a_repetition(server, driver, function):
    async with opened(server.url(driver), "app") as manager:
        await manager.transact(insert)
        assert isinstance(witness_of(manager), Numbers)
        async with revoked(server, function):
            assert await manager.transact(insert) == "inserted"
            assert witness_of(manager) is None
