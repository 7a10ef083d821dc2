"""A task cancelled just before its loop ended left its connection to the garbage collector."""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration


async def hold(manager, holds):
    async with manager.session_scope() as session:
        await session.execute(text("SELECT 1"))
        holds.set()
        await asyncio.sleep(60)


async def test_a_session_that_everything_cancels_gives_its_connection_back(tmp_path):
    manager = DatabaseManager(DatabaseConfig(url=f"sqlite:///{tmp_path}/app.db"))
    holds = asyncio.Event()
    holding = asyncio.create_task(hold(manager, holds))
    await holds.wait()
    before = asyncio.all_tasks()
    holding.cancel()
    while not (closing := asyncio.all_tasks() - before):
        await asyncio.sleep(0)
    # As asyncio.run does at its end: everything, and the closing before it has begun.
    for task in {holding, *closing}:
        task.cancel()
    await asyncio.wait({holding})
    assert holding.cancelled()
    assert manager.stats().pool.active == 0
    await manager.close()
