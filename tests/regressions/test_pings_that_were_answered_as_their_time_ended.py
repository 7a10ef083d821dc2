"""A busy loop found the answer to a ping and the end of its time at once, and lent a dead one."""

import asyncio
import time

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.drivers import liveness
from koo.database.hosts import vanishing
from koo.testing import PostgresServer

pytestmark = pytest.mark.integration

PATIENCE = 0.05
LIMIT = 2.0


@pytest.fixture(scope="module")
def server():
    with PostgresServer(settings={"fsync": "off"}) as server:
        yield server


async def ask(manager):
    async with manager.session_scope() as session:
        return (await session.execute(text("SELECT 2"))).scalar_one()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_connection_that_was_torn_off_is_not_lent(server, driver, monkeypatch):
    url = server.url(driver)
    manager = DatabaseManager(DatabaseConfig(url=url, pool_size=1, max_overflow=0))
    pings = []

    async def stalled(connection, driver, dialect, _seconds):
        asked = asyncio.ensure_future(liveness.ping(connection, driver, dialect, PATIENCE))
        await asyncio.sleep(0)  # it is sent
        time.sleep(4 * PATIENCE)  # noqa: ASYNC251 - nothing turns until the answer has come, too late
        pings.append(await asked)
        return pings[-1]

    monkeypatch.setattr("koo.database.pool.keeper.ping", stalled)
    assert await ask(manager) == 2
    manager.engine.sync_engine.pool.keeper.doubt_all()
    assert await ask(manager) == 2
    assert isinstance(pings[0], TimeoutError)
    await manager.close()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_nor_is_a_new_one_that_was_prepared_as_its_time_ended(server, driver, monkeypatch):
    url = server.url(driver)
    config = DatabaseConfig(url=url, pool_size=1, max_overflow=0, check_timeout=LIMIT)
    manager = DatabaseManager(config)
    stalls, asked_last = iter([True]), vanishing._set_by

    async def stalled(connection, statement):
        asked = asyncio.ensure_future(asked_last(connection, statement))
        await asyncio.sleep(0)  # it is sent
        if next(stalls, False):
            time.sleep(1.15 * LIMIT)  # noqa: ASYNC251 - as above
        return await asked

    monkeypatch.setattr(vanishing, "_set_by", stalled)
    with pytest.raises(exc.DBAPIError, match="prepares a connection"):
        await ask(manager)
    await manager.transact(lambda session: session.execute(text("SELECT 2")))  # once it dials again
    await manager.close()
