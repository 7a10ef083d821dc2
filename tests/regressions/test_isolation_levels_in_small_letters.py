"""SQLAlchemy takes an isolation level in any case; koo knew its names in capitals only.

A statement that had committed by itself was run again, and a serializable reader went to a standby.
"""

import contextlib

import pytest
from sqlalchemy import exc, text

from koo.errors import CommitOutcomeUnknown

from ..database.saying import opened, rows

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]


async def pid_of(session):
    return (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()


@contextlib.asynccontextmanager
async def paying(server, driver):
    async with opened(server.url(driver)) as manager:
        async with manager.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS payments"))
            await session.execute(text("CREATE TABLE payments (n INTEGER)"))
        yield manager


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("level", ["autocommit", "Autocommit"])
async def test_what_was_paid_is_not_paid_again(server, driver, level):
    attempts = []

    async def pay(session):
        attempts.append(1)
        await session.execute(text("INSERT INTO payments VALUES (1)"))
        if len(attempts) == 1:
            await end(manager, await pid_of(session))
        await session.execute(text("SELECT 1"))

    async with paying(server, driver) as manager:
        with pytest.raises(CommitOutcomeUnknown):
            await manager.transact(pay, isolation_level=level)
        assert (len(attempts), await rows(manager, "payments")) == (1, 1)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_nor_if_the_callers_own_connection_asks_for_it(server, driver):
    attempts = []

    async def pay(session):
        attempts.append(1)
        await session.rollback()
        await session.connection(execution_options={"isolation_level": "autocommit"})
        await session.execute(text("INSERT INTO payments VALUES (1)"))
        await session.execute(text("DO $$ BEGIN RAISE serialization_failure; END $$"))

    async with paying(server, driver) as manager:
        with pytest.raises(exc.DBAPIError, match="serialization_failure"):
            await manager.transact(pay)
        assert (len(attempts), await rows(manager, "payments")) == (1, 1)


@pytest.mark.parametrize("level", ["serializable", "Serializable"])
async def test_who_reads_as_if_serialized_stays_on_the_primary(server, level):
    # Nobody is there to be read from; who may read old rows would be told by this alone.
    async with opened(server.url(), replicas=server.url()) as manager:
        engines = manager._engines.current()
        async with manager.session_scope(readonly=True, isolation_level=level) as session:
            await pid_of(session)
            assert not engines.readers._tasks


async def end(manager, pid):
    async with manager.engine.begin() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
