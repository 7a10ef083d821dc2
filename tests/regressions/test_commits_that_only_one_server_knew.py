"""A COMMIT that waits for its synchronous standby is not done when the wait is broken off.

PostgreSQL ends the wait of a cancelled COMMIT by committing on one server only. Koo, which gives
up a COMMIT that takes too long, found it there and called it done; a failover lost it.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.commit.numbers import Numbers
from koo.database.commit.tokens import Tokens
from koo.errors import CommitOutcomeUnknown
from koo.resilience import RetryConfig
from koo.testing import PostgresServer

pytestmark = pytest.mark.integration

FAST = {"fsync": "off", "shared_buffers": "16MB"}
SYNCHRONOUS = {**FAST, "synchronous_standby_names": "*"}
PREPARED = (
    "CREATE TABLE ledger (n INTEGER)",
    "CREATE ROLE stranger LOGIN",
    "GRANT ALL ON ledger TO stranger",
)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize(("user", "witness"), [("postgres", Tokens), ("stranger", Numbers)])
async def test_what_only_the_primary_has_is_not_called_committed(driver, user, witness):
    with PostgresServer(settings=SYNCHRONOUS) as primary, primary.standby(settings=FAST) as standby:
        await prepare(primary)
        url = primary.url(driver).replace("postgres@", f"{user}@")
        async with closing(managed(url)) as manager:
            await manager.transact(count, max_retries=10)
            await manager.transact(write, max_retries=10)
            assert isinstance(manager._engines.witnesses._witness, witness)
            await asyncio.to_thread(standby.kill)
            with pytest.raises(CommitOutcomeUnknown):
                await manager.transact(write)
        await asyncio.to_thread(primary.kill)
        await asyncio.to_thread(standby.start)
        await asyncio.to_thread(standby.promote)
        async with closing(managed(standby.url(driver))) as survivor:
            assert await survivor.transact(count) == 1


def managed(url):
    config = DatabaseConfig(
        url=url,
        timeout=6,
        attempt_timeout=2,
        check_timeout=2,
        retry=RetryConfig(max_retries=0),
    )
    return DatabaseManager(config)


@asynccontextmanager
async def closing(manager):
    try:
        yield manager
    finally:
        await manager.close()


async def prepare(primary):
    async with (
        closing(managed(primary.url())) as owner,
        owner.session_scope(isolation_level="AUTOCOMMIT") as session,
    ):
        follows = text("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
        async with asyncio.timeout(30):
            while not (await session.execute(follows)).scalar_one():
                await asyncio.sleep(0.02)
        for statement in PREPARED:
            await session.execute(text(statement))


async def write(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))


async def count(session):
    return (await session.execute(text("SELECT count(*) FROM ledger"))).scalar_one()
