"""A pause, a drain and a new size reached the primary's pool alone."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager, PoolExhausted
from koo.errors import DatabaseUnavailable
from koo.testing import PostgresServer

pytestmark = pytest.mark.integration

FAST = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture(scope="module")
def pair():
    with PostgresServer(settings=FAST) as primary, primary.standby(settings=FAST) as standby:
        yield primary, standby


async def is_on_standby(manager):
    async with manager.session_scope(readonly=True) as session:
        return (await session.execute(text("SELECT pg_is_in_recovery()"))).scalar_one()


async def is_on_standby_in_time(manager):
    with suppress(PoolExhausted):
        return await is_on_standby(manager)


async def hold(manager, holds):
    async with manager.session_scope(readonly=True) as session:
        await session.execute(text("SELECT 1"))
        holds.set()
        await asyncio.sleep(60)


@asynccontextmanager
async def reading(pair):
    """A manager whose read-only sessions are on the standby."""
    primary, standby = pair
    manager = DatabaseManager(
        DatabaseConfig(
            url=primary.url("asyncpg"),
            replicas=standby.url("asyncpg"),
            replica_staleness=60.0,
            pool_size=3,
            max_overflow=1,
            pool_timeout=1.0,
        )
    )
    try:
        async with asyncio.timeout(60):
            while not await is_on_standby_in_time(manager):
                await asyncio.sleep(0.02)
        yield manager
    finally:
        await manager.close()


async def test_who_reads_waits_during_a_pause_as_well(pair):
    async with reading(pair) as manager:
        manager.pause()
        with pytest.raises(PoolExhausted, match="the pool is paused: resume"):
            await is_on_standby(manager)
        manager.resume()
        assert await is_on_standby(manager)


async def test_a_drain_waits_for_who_reads_and_refuses_who_would(pair):
    async with reading(pair) as manager:
        holds = asyncio.Event()
        holding = asyncio.create_task(hold(manager, holds))
        await holds.wait()
        assert await manager.drain(0.1) == 1
        with pytest.raises(DatabaseUnavailable, match="the pool is being closed"):
            await is_on_standby(manager)
        holding.cancel()
        await asyncio.wait({holding})


async def test_a_new_size_is_the_replicas_as_well(pair):
    async with reading(pair) as manager:
        manager.resize(pool_size=1, max_overflow=0)
        await asyncio.sleep(0)
        holds = asyncio.Event()
        holding = asyncio.create_task(hold(manager, holds))
        await holds.wait()
        with pytest.raises(PoolExhausted):
            await is_on_standby(manager)
        holding.cancel()
        await asyncio.wait({holding})
