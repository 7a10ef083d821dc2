"""A statement of SQLite that nobody waited for any more kept the lock of its transaction."""

import asyncio
import sqlite3
import threading
from contextlib import closing, suppress

import pytest
from sqlalchemy import text

from koo.database.drivers import driver

from ...database.saying import opened, say

pytestmark = pytest.mark.integration

COUNTING = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"


def is_free(path):
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as mine:
        with suppress(sqlite3.OperationalError):
            mine.execute("BEGIN IMMEDIATE")
        return mine.in_transaction


async def becomes_free(path):
    async with asyncio.timeout(20):
        while not is_free(path):
            await asyncio.sleep(0.02)


async def write_and_count(manager):
    async with manager.session_scope() as session:
        await session.execute(text("INSERT INTO ledger VALUES (1)"))
        await session.execute(text(COUNTING))


async def test_the_lock_of_who_was_cancelled_is_free_although_the_error_is_kept(tmp_path):
    """Its traceback keeps the cursor, and SQLite closes nothing whose cursors are still there."""
    path = tmp_path / "app.db"
    async with opened(f"sqlite:///{path}") as manager:
        await say(manager, "CREATE TABLE ledger (n INTEGER)")
        writing = asyncio.create_task(write_and_count(manager))
        await asyncio.sleep(0.1)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError) as kept:
            await writing
        await becomes_free(path)
        assert kept.value.__traceback__ is not None


async def test_a_statement_that_had_not_begun_when_it_was_interrupted_ends_as_well(tmp_path):
    path, may_begin = tmp_path / "app.db", threading.Event()
    connection = await driver("aiosqlite").arguments(60.0)["async_creator_fn"](path)
    await connection.execute("BEGIN IMMEDIATE")
    connection._tx.put_nowait((None, may_begin.wait))
    counting = asyncio.ensure_future(connection.execute(COUNTING))
    await asyncio.sleep(0)
    driver("aiosqlite").abort(connection)
    with pytest.raises(ValueError, match="closed"):
        await counting
    await connection.close()
    may_begin.set()
    await becomes_free(path)


def test_who_closes_what_a_loop_has_left_in_the_middle_of_a_statement_frees_the_lock(tmp_path):
    path = tmp_path / "app.db"

    async def leave():
        connection = await driver("aiosqlite").arguments(60.0)["async_creator_fn"](path)
        await connection.execute("BEGIN IMMEDIATE")
        counting = asyncio.ensure_future(connection.execute(COUNTING))
        await asyncio.sleep(0.05)
        return connection, counting

    async def close(connection, _):
        await connection.close()
        await becomes_free(path)

    asyncio.run(close(*asyncio.run(leave())))
