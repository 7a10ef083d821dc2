"""Who had borrowed from the engine directly was named in PoolExhausted, but as "at ?"."""

import asyncio

import pytest
from sqlalchemy import text

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
    line = hold.__code__.co_firstlineno + 4
    (holder,) = caught.value.holders
    assert holder.task == "the holder"
    assert holder.where.endswith(f"database/test_holders_without_a_line.py:{line}")
    holding.cancel()
    await asyncio.wait({holding})
    await manager.close()
