"""Who was cancelled in a ROLLBACK, and once more while its connection was closed, brought it back.

So did SQLAlchemy, which warned of that; where warnings are errors the cancellation was lost.
"""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.drivers.on_aiosqlite import PromptConnection

pytestmark = pytest.mark.integration


@pytest.fixture
def hangs(monkeypatch):
    """`hangs(name)`: what a connection does by that name does not end; set when it has begun."""

    def hangs(name):
        begun = asyncio.Event()

        async def hang(_):
            begun.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(PromptConnection, name, hang)
        return begun

    return hangs


@pytest.mark.parametrize("times", [1, 2])
async def test_whoever_is_cancelled_brings_it_back_once(tmp_path, hangs, monkeypatch, times):
    manager = DatabaseManager(DatabaseConfig(url=f"sqlite:///{tmp_path}/app.db"))
    connection = await manager.engine.connect()
    await connection.execute(text("SELECT 1"))
    await connection.commit()
    hanging = [hangs(name) for name in ("rollback", "close")[:times]]
    leaving = asyncio.create_task(connection.close())
    for has_begun in hanging:
        await has_begun.wait()
        leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert manager.stats().pool.active == 0
    monkeypatch.undo()
    await manager.close()
