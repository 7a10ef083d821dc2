"""What was torn off while `asyncio.run` cancelled everything was said goodbye to by nobody.

The goodbye had begun after the others were cancelled, and its task was destroyed while it waited.
"""

import asyncio
import gc
import weakref

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.drivers import goodbye

pytestmark = pytest.mark.integration


async def holds_a_connection(farewell):
    try:
        await asyncio.sleep(60)
    finally:
        goodbye.say_in_background(farewell)


async def leave_behind(farewell):
    background = asyncio.create_task(holds_a_connection(farewell))
    await asyncio.sleep(0)
    return background


def test_a_goodbye_begun_at_the_end_is_said():
    said = []

    async def farewell():
        await asyncio.sleep(0.01)
        said.append("goodbye")

    asyncio.run(leave_behind(farewell))
    assert said == ["goodbye"]


def test_one_that_nobody_answers_is_cancelled_with_its_loop(caplog):
    ended = []

    async def farewell():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    # What others have left is told before.
    gc.collect()
    caplog.clear()
    asyncio.run(leave_behind(farewell))
    assert ended == [True]
    gc.collect()
    assert not caplog.records


async def say_one(farewell):
    goodbye.say_in_background(farewell)
    await goodbye.finish_saying()
    return weakref.ref(asyncio.get_running_loop())


def test_of_loops_that_ended_one_is_kept_at_most():
    async def farewell():
        """Nothing to say."""

    ended = [asyncio.run(say_one(farewell)) for _ in range(3)]
    gc.collect()
    assert [loop() is None for loop in ended] == [True, True, False]


async def leave_open(url):
    manager = DatabaseManager(DatabaseConfig(url=url))
    scope = manager.session_scope()
    session = await scope.__aenter__()
    await session.execute(text("SELECT 1"))
    return scope


async def leave_working(url):
    manager = DatabaseManager(DatabaseConfig(url=url))
    works = asyncio.create_task(work(manager))
    while not manager.stats().pool.active:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    return works


async def work(manager):
    async with manager.session_scope() as session:
        await session.execute(text("SELECT pg_sleep(30)"))


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize("ending", [leave_open, leave_working])
def test_what_a_loop_leaves_behind_is_torn_off_in_silence(server, driver, ending, caplog):
    asyncio.run(ending(server.url(driver)))
    gc.collect()
    assert not caplog.records
