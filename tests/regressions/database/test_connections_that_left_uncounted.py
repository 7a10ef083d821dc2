"""On psycopg a leak that was collected, or a detached connection, was never counted as closed.

Created 6, closed 0, open 0; and a detached one that was closed kept its backend for ever.
"""

import asyncio
import gc
import warnings

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration


@pytest.fixture(params=["asyncpg", "psycopg"])
def open_manager(request, server):
    return lambda: DatabaseManager(
        DatabaseConfig(url=server.url(request.param), pool_size=2, max_overflow=0)
    )


async def until_nothing_is_open(manager):
    async with asyncio.timeout(10):
        while manager.stats().pool.total:
            await asyncio.sleep(0.01)


async def test_leaks_that_are_collected_are_closed(open_manager):
    manager = open_manager()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            connection = await manager.engine.connect()
            await connection.execute(text("SELECT 1"))
            del connection
            gc.collect()
            await until_nothing_is_open(manager)
    pool = manager.stats().pool
    await manager.close()
    assert (pool.created_total, pool.closed_total) == (3, 3)


async def test_a_detached_connection_that_was_closed_leaves_no_backend_behind(open_manager):
    manager = open_manager()
    async with manager.engine.connect() as connection:
        pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()
        (await connection.get_raw_connection()).detach()
    await until_nothing_is_open(manager)
    pool = manager.stats().pool
    assert (pool.created_total, pool.closed_total) == (1, 1)
    there = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
    try:
        async with asyncio.timeout(10), manager.engine.connect() as connection:
            while (await connection.execute(there, {"pid": pid})).scalar():
                await connection.rollback()
                await asyncio.sleep(0.01)
    finally:
        await manager.close()


async def test_what_close_tears_off_under_its_borrower_is_counted_once(open_manager):
    manager = open_manager()
    connection = await manager.engine.connect()
    await connection.execute(text("SELECT 1"))
    await manager.close()
    await connection.invalidate()
    await connection.close()
    pool = manager.stats().pool
    assert (pool.created_total, pool.closed_total, pool.total) == (1, 1, 0)
