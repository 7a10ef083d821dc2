"""On SQLite, who was cancelled while his connection was prepared left it so for others.

The thread did all the same what nobody waited for any more. Later transactions committed each
statement by itself, or could not write. Cancelled at the end, the connection was never free again.
"""

import asyncio
import contextlib
import threading

import pytest
from sqlalchemy import event, exc, text
from sqlalchemy.exc import SAWarning
from sqlalchemy.util import greenlet_spawn

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration

OPTIONS = [{"readonly": True}, {"isolation_level": "AUTOCOMMIT"}]


@contextlib.asynccontextmanager
async def opened(folder):
    config = DatabaseConfig(url=f"sqlite:///{folder}/app.db", pool_size=1, max_overflow=0)
    manager = DatabaseManager(config)
    try:
        async with manager.session_scope() as session:
            await session.execute(text("CREATE TABLE ledger (n INTEGER)"))
        yield manager
    finally:
        await manager.close()


def only_slot(manager):
    (slot,) = manager._engines.current().keeper.slots
    return slot


async def add_in_vain(manager):
    """Write, and fail: nothing of it may stay."""
    async with manager.session_scope() as session:
        await session.execute(text("INSERT INTO ledger VALUES (1)"))
        raise KeyError


async def is_as_new(manager):
    with pytest.raises(KeyError):
        await add_in_vain(manager)
    async with manager.session_scope() as session:
        return (await session.execute(text("SELECT count(*) FROM ledger"))).scalar_one() == 0


async def read(manager, options):
    async with manager.session_scope(**options) as session:
        await session.execute(text("SELECT 2"))


@pytest.mark.parametrize("options", OPTIONS)
async def test_who_is_cancelled_at_the_beginning_leaves_nothing_behind(tmp_path, options):
    async with opened(tmp_path) as manager:
        queue, go, is_held = only_slot(manager).driver._tx, threading.Event(), threading.Event()
        queue.put_nowait((None, lambda: is_held.set() or go.wait()))
        await asyncio.to_thread(is_held.wait)
        reading = asyncio.create_task(read(manager, options))
        while queue.empty():
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await is_as_new(manager)


async def test_who_is_cancelled_at_the_end_gives_the_connection_back(tmp_path):
    async with opened(tmp_path) as manager:
        loop, go, begun = asyncio.get_running_loop(), threading.Event(), asyncio.Event()

        def hold(statement):
            if statement == "PRAGMA query_only = 0":
                loop.call_soon_threadsafe(begun.set)
                go.wait()

        await only_slot(manager).driver.set_trace_callback(hold)
        reading = asyncio.create_task(read(manager, OPTIONS[0]))
        await begun.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        go.set()
        assert await is_as_new(manager)
        assert manager.stats().pool.active == 0


async def test_who_asks_for_what_there_is_not_leaves_nothing_behind(tmp_path):
    async with opened(tmp_path) as manager:
        with pytest.raises(exc.ArgumentError, match="SNAPSHOT"):
            await read(manager, {"readonly": True, "isolation_level": "SNAPSHOT"})
        assert await is_as_new(manager)


async def test_a_listener_that_fails_costs_no_place(tmp_path):
    async with opened(tmp_path) as manager:
        failing = [ZeroDivisionError()]

        @event.listens_for(manager.engine.sync_engine, "checkin")
        def fail(_connection, _record):
            if failing:
                raise failing.pop()

        with pytest.raises(ZeroDivisionError):
            await read(manager, {})
        assert await is_as_new(manager)
        assert manager.stats().pool.active == 0


async def test_nor_does_one_that_is_given_back_twice(tmp_path):
    async with opened(tmp_path) as manager:
        with pytest.raises(SAWarning, match="Double checkin"):
            only_slot(manager).record.checkin()
        assert await is_as_new(manager)
        assert manager.stats().pool.active == 0


async def test_what_a_listener_raises_after_the_commit_is_not_repeated(tmp_path):
    ran = []
    async with opened(tmp_path) as manager:
        lost = exc.DBAPIError("", None, OSError(), connection_invalidated=True)

        @event.listens_for(manager.engine.sync_engine, "checkin")
        def fail(_connection, _record):
            if len(ran) == 1:
                raise lost

        async def add(session):
            ran.append(1)
            await session.execute(text("INSERT INTO ledger VALUES (1)"))

        with pytest.raises(exc.DBAPIError) as caught:
            await manager.transact(add)
        assert (caught.value, ran) == (lost, [1])
        assert any("it was not repeated" in note for note in lost.__notes__)


async def end_a_lent_one(manager):
    connection = await manager.engine.connect()
    await connection.invalidate()


async def end_an_idle_one(manager):
    await greenlet_spawn(only_slot(manager).record.invalidate)


@pytest.mark.parametrize("end", [end_a_lent_one, end_an_idle_one])
async def test_nor_does_one_that_is_ended_in_vain(tmp_path, end):
    async with opened(tmp_path) as manager:

        def fail(*_):
            raise ZeroDivisionError

        event.listen(manager.engine.sync_engine.pool, "invalidate", fail, once=True)
        with pytest.raises(ZeroDivisionError):
            await end(manager)
        assert await is_as_new(manager)
        assert manager.stats().pool.active == 0
