"""Who had borrowed from the engine directly was named in PoolExhausted, but as "at ?".

A leak report said that it was taken where its holder was by then, or at "?" when that had ended.
"""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from koo.database import DatabaseConfig, DatabaseManager, PoolExhausted

pytestmark = pytest.mark.integration


async def hold(engine, is_held):
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        is_held.set()
        await asyncio.get_running_loop().create_future()


async def test_a_borrower_of_the_engine_is_named_with_its_line(tmp_path):
    config = DatabaseConfig(
        url=f"sqlite:///{tmp_path}/some.db", pool_size=1, max_overflow=0, max_waiting=0
    )
    manager, is_held = DatabaseManager(config), asyncio.Event()
    holding = asyncio.create_task(hold(manager.engine, is_held), name="the holder")
    await is_held.wait()
    with pytest.raises(PoolExhausted) as caught:
        await manager.engine.connect()
    line = hold.__code__.co_firstlineno + 1
    (holder,) = caught.value.holders
    assert holder.task == "the holder"
    assert holder.where.endswith(f"database/test_holders_without_a_line.py:{line}")
    holding.cancel()
    await asyncio.wait({holding})
    await manager.close()


async def borrow(engine):
    return await engine.connect()


@pytest.mark.parametrize("waits", [False, True])
async def test_a_leak_is_told_with_the_line_that_borrowed(tmp_path, waits):
    told = []
    config = DatabaseConfig(url=f"sqlite:///{tmp_path}/some.db", leak_after=0.01)
    manager = DatabaseManager(config, on_event=told.append)
    if not waits:
        await (await borrow(manager.engine)).close()
    lent = await asyncio.create_task(borrow(manager.engine), name="the borrower")
    async with asyncio.timeout(20):
        while not (leaks := [event.cause for event in told if event.what == "leaked"]):
            await asyncio.sleep(0.05)
    line = borrow.__code__.co_firstlineno + 1
    assert leaks[0].startswith("the borrower took it at ")
    assert f"database/test_holders_without_a_line.py:{line}, " in leaks[0]
    await lent.close()
    await manager.close()


async def test_a_session_of_ones_own_on_the_engine_is_told_where_it_is_now(tmp_path):
    told, is_held = [], asyncio.Event()

    async def keep():
        async with AsyncSession(manager.engine) as session:
            await session.execute(text("SELECT 1"))
            is_held.set()
            await asyncio.get_running_loop().create_future()

    config = DatabaseConfig(url=f"sqlite:///{tmp_path}/some.db", leak_after=0.01)
    manager = DatabaseManager(config, on_event=told.append)
    holding = asyncio.create_task(keep(), name="the holder")
    await is_held.wait()
    async with asyncio.timeout(20):
        while not (leaks := [event.cause for event in told if event.what == "leaked"]):
            await asyncio.sleep(0.05)
    line = keep.__code__.co_firstlineno + 4
    assert leaks[0].startswith("the holder took it and is now at ")
    assert f"database/test_holders_without_a_line.py:{line}, " in leaks[0]
    holding.cancel()
    await asyncio.wait({holding})
    await manager.close()


async def test_a_task_that_is_nothing_but_the_borrowing_has_no_line(tmp_path):
    manager = DatabaseManager(DatabaseConfig(url=f"sqlite:///{tmp_path}/some.db"))
    lent = await asyncio.create_task(manager.engine.connect().start())
    (holder,) = manager.stats().pool.holders
    assert holder.where == "?"
    await lent.close()
    await manager.close()
