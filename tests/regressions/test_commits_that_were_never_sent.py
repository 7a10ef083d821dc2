"""A COMMIT that was never sent was called unknown.

The connection was known to have ended before the block did, so that nothing can have been
committed; the caller was told to look, and a whole transaction was not repeated that could be.
"""

import asyncio
import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager, judge

from ..database.saying import rows

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]


@contextlib.asynccontextmanager
async def paying(server, driver, **config):
    manager = DatabaseManager(DatabaseConfig(url=server.url(driver), **config))
    try:
        async with manager.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS payments"))
            await session.execute(text("CREATE TABLE payments (n INTEGER)"))
        yield manager
    finally:
        await manager.close()


async def end_backend_of(session, manager):
    """End the session's backend, and return when its socket says so."""
    pid = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    async with manager.engine.begin() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    connection = (await session.connection()).sync_connection.connection
    slot = connection.record_info["koo.holding"]
    async with asyncio.timeout(20):
        while not slot.is_dead():
            await asyncio.sleep(0.01)


async def pay(manager, first):
    """Pay in a block at whose end the connection has ended by what *first* does."""
    async with manager.session_scope() as session:
        await session.execute(text("INSERT INTO payments VALUES (1)"))
        await first(session, manager)


async def wait_until_taken_back(_session, manager):
    async with asyncio.timeout(20):
        while manager.stats().pool.active:
            await asyncio.sleep(0.01)


async def close(_session, manager):
    await manager.close()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("first", "config"),
    [
        (end_backend_of, {}),
        (wait_until_taken_back, {"leak_after": 1.0, "reclaim_after": 2.0}),
        (close, {}),
    ],
)
async def test_what_ended_before_the_block_did_is_not_unknown(server, driver, first, config):
    async with paying(server, driver, **config) as manager:
        with pytest.raises(exc.OperationalError, match="before COMMIT was sent") as caught:
            await pay(manager, first)
        assert judge(caught.value).failure.retryable
        assert await rows(manager, "payments") == 0
        assert manager.stats().pool.active == 0


@pytest.mark.parametrize("driver", DRIVERS)
async def test_it_is_done_again(server, driver):
    attempts = []

    async def pay(session):
        attempts.append(1)
        await session.execute(text("INSERT INTO payments VALUES (1)"))
        if len(attempts) == 1:
            await end_backend_of(session, manager)

    async with paying(server, driver, commit_tokens="off") as manager:
        await manager.transact(pay)
        assert (len(attempts), await rows(manager, "payments")) == (2, 1)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_what_was_answered_statement_by_statement_is_done(server, driver):
    async with paying(server, driver) as manager:
        async with manager.session_scope(isolation_level="AUTOCOMMIT") as session:
            await session.execute(text("INSERT INTO payments VALUES (1)"))
            await end_backend_of(session, manager)
        assert await rows(manager, "payments") == 1
