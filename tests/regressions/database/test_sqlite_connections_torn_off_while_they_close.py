"""Its thread had closed a SQLite connection, the loop had not heard of it: to let go was an error.

It was raised by the manager's `close`, and the connections after that one stayed open.
"""

import asyncio
import sqlite3

import pytest

from koo.database.drivers import abort, driver

pytestmark = pytest.mark.integration


@pytest.fixture
def closing(tmp_path):
    """`await closing()`: a connection that its thread has closed, and who waits for that."""

    async def closing():
        connection = await driver("aiosqlite").arguments(60.0)["async_creator_fn"](tmp_path / "db")
        task = asyncio.create_task(connection.close())
        await asyncio.sleep(0)
        with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
            interrupt_for_ever(connection)
        return connection, task

    return closing


def interrupt_for_ever(connection):
    # The loop stands still meanwhile.
    while True:
        connection._conn.interrupt()


async def test_it_can_be_torn_off(closing):
    connection, task = await closing()
    abort(connection)
    await task


async def test_it_can_be_closed_once_more(closing):
    connection, task = await closing()
    await connection.close()
    await task
