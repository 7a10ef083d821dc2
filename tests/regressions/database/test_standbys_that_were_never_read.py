"""Behind a pooler asyncpg could not ask a standby how far it is, and nothing said so."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.replicas.reading import Replica
from koo.testing import FaultProxy, PostgresServer

from ...database.servers import Pgbouncer

pytestmark = pytest.mark.integration

FAST = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture(scope="module")
def pair():
    with PostgresServer(settings=FAST) as primary, primary.standby(settings=FAST) as standby:
        yield primary, standby


@asynccontextmanager
async def reading(url, replicas):
    manager = DatabaseManager(DatabaseConfig(url=url, replicas=replicas, replica_staleness=20.0))
    try:
        yield manager
    finally:
        await manager.close()


async def is_on_standby(manager):
    async with manager.session_scope(readonly=True) as session:
        return (await session.execute(text("SELECT pg_is_in_recovery()"))).scalar_one()


async def until(look):
    async with asyncio.timeout(60):
        while not await look():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_standby_is_read_behind_a_pooler_as_well(pair, driver):
    primary, standby = pair
    with Pgbouncer(primary.port) as near, Pgbouncer(standby.port) as far:
        async with reading(near.url(driver), far.url(driver)) as manager:
            await until(lambda: is_on_standby(manager))
            assert manager.stats().replicas[0].failures_total == 0


async def test_a_standby_that_never_answers_is_a_failure_once(pair, monkeypatch):
    primary, standby = pair
    learn, told = Replica.learn, []

    def recorded(replica, asked, position):
        told.append(position)
        learn(replica, asked, position)

    async def was_asked_often():
        return len(told) > 2

    monkeypatch.setattr(Replica, "learn", recorded)
    async with FaultProxy("127.0.0.1", standby.port) as proxy:
        proxy.resets_new = True
        async with reading(primary.url(), standby.url(port=proxy.port)) as manager:
            assert not await is_on_standby(manager)
            await until(was_asked_often)
            assert set(told) == {None}
            (replica,) = manager.stats().replicas
            assert (replica.age, replica.failures_total) == (None, 1)
            proxy.resets_new = False
            await until(lambda: is_on_standby(manager))
