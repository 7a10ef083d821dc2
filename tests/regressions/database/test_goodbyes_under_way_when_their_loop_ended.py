"""What was being said to a server when `asyncio.run` cancelled everything was cut off.

And what an engine said at its own end, the first on its loop, came with a warning of asyncio's,
which ended the engine's end where warnings are errors.
"""

import asyncio
import gc
import time

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.drivers import goodbye
from koo.testing import PostgresServer

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(settings={"fsync": "off"}) as server:
        yield server


@pytest.mark.parametrize("turns", [0, 1])
def test_one_that_is_cancelled_with_everything_is_said_once_more(turns):
    said = []

    async def farewell():
        await asyncio.sleep(0.01)
        said.append("goodbye")

    async def program():
        goodbye.say_in_background(farewell)
        for _ in range(turns):
            await asyncio.sleep(0)

    asyncio.run(program())
    assert said == ["goodbye"]


def test_one_that_nobody_answers_is_said_no_third_time():
    begun = []

    async def farewell():
        begun.append(True)
        await asyncio.Event().wait()

    async def program():
        goodbye.say_in_background(farewell)
        await asyncio.sleep(0)

    asyncio.run(program())
    assert begun == [True, True]


def test_one_that_was_given_up_is_not_said_again():
    begun = []

    async def farewell():
        begun.append(True)
        await asyncio.Event().wait()

    async def program():
        goodbye.say_in_background(farewell)
        await goodbye.finish_saying()
        await asyncio.sleep(0)

    asyncio.run(program())
    assert begun == [True]


def test_what_begins_while_others_end_comes_without_a_warning(caplog):
    said, kept = [], []

    async def farewell():
        said.append("goodbye")

    async def ends_late():
        try:
            yield
        finally:
            await asyncio.sleep(0.01)
            goodbye.say_in_background(farewell)
            await goodbye.finish_saying()

    async def program():
        goodbye.when_the_loop_ends()
        kept.append(goodbye.begun(ends_late()))

    # What others have left is told before.
    gc.collect()
    caplog.clear()
    asyncio.run(program())
    assert said == ["goodbye"]
    assert not caplog.records


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_connection_that_is_held_to_the_end_of_its_loop_is_torn_off(postgres, driver, caplog):
    manager = DatabaseManager(DatabaseConfig(url=postgres.url(driver)))
    kept = []

    async def program():
        connection = await manager.engine.connect()
        await connection.execute(text("SELECT 1"))
        kept.append(connection)

    # What others have left is told before.
    gc.collect()
    caplog.clear()
    asyncio.run(program())
    gc.collect()
    assert manager.stats().pool.total == 0
    assert [record.name for record in caplog.records if record.name == "asyncio"] == []
    kept.pop().sync_connection.detach()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_statement_given_up_just_before_the_end_does_not_run_on(postgres, driver):
    manager = DatabaseManager(DatabaseConfig(url=postgres.url(driver)))
    mark = f"given up {driver}"
    running = text(
        "SELECT count(*) FROM pg_stat_activity"
        f" WHERE state = 'active' AND query LIKE '%{mark}%' AND pid <> pg_backend_pid()"
    )

    async def count():
        async with manager.session_scope() as session:
            return (await session.execute(running)).scalar_one()

    async def sleep():
        async with manager.session_scope() as session:
            # The server itself does not look whether its client is still there.
            await session.execute(text("SET client_connection_check_interval = 0"))
            await session.execute(text(f"SELECT pg_sleep(120) /* {mark} */"))

    async def program():
        sleeping = asyncio.create_task(sleep())
        while not await count():
            await asyncio.sleep(0.02)
        sleeping.cancel()
        await asyncio.wait({sleeping})

    async def until_none_runs():
        async with asyncio.timeout(20):
            while await count():
                await asyncio.sleep(0.02)

    asyncio.run(program())
    asyncio.run(until_none_runs())


def test_a_loop_that_stands_still_at_its_end_has_time_for_it_all_the_same():
    said = []

    async def farewell():
        await asyncio.sleep(0)
        time.sleep(0.6)  # noqa: ASYNC251 - the loop stands still
        for _ in range(5):
            await asyncio.sleep(0.01)
        said.append("goodbye")

    async def program():
        goodbye.say_in_background(farewell)
        await goodbye.finish_saying()

    asyncio.run(program())
    assert said == ["goodbye"]
