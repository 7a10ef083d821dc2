"""One manager, many event loops, and programs that end without a word."""

import asyncio
import gc
import subprocess
import sys
import textwrap
import warnings

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration


async def one(manager):
    async with manager.session_scope() as session:
        return (await session.execute(text("SELECT 1"))).scalar_one()


def test_a_manager_survives_several_runs(url):
    manager = DatabaseManager(DatabaseConfig(url=url))
    for run in range(1, 4):
        assert asyncio.run(one(manager)) == 1
        pool = manager.stats().pool
        assert (pool.created_total, pool.closed_total, pool.total) == (run, run, 0)


def test_a_loop_that_was_closed_rudely_costs_nothing_but_its_connections(url):
    manager = DatabaseManager(DatabaseConfig(url=url))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(one(manager))
    loop.close()
    with warnings.catch_warnings():
        # What asyncio says of a transport whose loop was closed under it.
        warnings.simplefilter("ignore", ResourceWarning)
        assert asyncio.run(one(manager)) == 1
        gc.collect()
    assert len(manager._engines._by_loop) == 0


def test_looking_needs_no_loop_and_makes_no_engine(sqlite_url):
    manager = DatabaseManager(DatabaseConfig(url=sqlite_url))
    report = manager.report()
    assert (report.state, report.value("pool.size"), report.value("pool.total")) == (
        "healthy",
        10,
        0,
    )
    manager.reset()


def test_what_concerns_a_loop_says_so_where_none_runs(sqlite_url):
    manager = DatabaseManager(DatabaseConfig(url=sqlite_url))
    with pytest.raises(RuntimeError, match="in a coroutine, or from elsewhere by loop.call_soon"):
        manager.pause()


def test_closing_what_was_never_opened_does_nothing(sqlite_url):
    manager = DatabaseManager(DatabaseConfig(url=sqlite_url))
    asyncio.run(manager.close())


def test_after_closing_the_next_use_opens_again(url):
    async def program():
        manager = DatabaseManager(DatabaseConfig(url=url))
        await one(manager)
        await manager.close()
        assert manager.stats().pool.total == 0
        assert await one(manager) == 1

    asyncio.run(program())


def test_the_engine_itself_can_be_used_and_disposed_of(sqlite_url):
    async def program():
        manager = DatabaseManager(DatabaseConfig(url=sqlite_url))
        async with manager.engine.begin() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
            (holder,) = manager.stats().pool.holders
            assert holder.where.startswith("tests/database/test_loops.py:")
        await manager.engine.dispose()
        assert manager.stats().pool.total == 0
        assert await one(manager) == 1

    asyncio.run(program())


SCRIPT = """
    import asyncio
    from sqlalchemy import text
    from koo.database import DatabaseConfig, DatabaseManager

    manager = DatabaseManager(DatabaseConfig(url={url!r}))

    async def main():
        async with manager.session_scope() as session:
            print((await session.execute(text("SELECT 1"))).scalar_one())
        manager.start()
        await manager.check()

    asyncio.run(main())
    asyncio.run(main())
"""


@pytest.mark.parametrize("strict", [(), ("-W", "error", "-X", "dev")])
def test_a_plain_script_ends_by_itself_and_says_nothing_on_stderr(url, strict):
    script = textwrap.dedent(SCRIPT).format(url=url)
    ended = subprocess.run(
        [sys.executable, *strict, "-c", script], capture_output=True, text=True, timeout=150
    )
    said = [line for line in ended.stderr.splitlines() if not line.startswith("Executing ")]
    assert (ended.returncode, ended.stdout, said) == (0, "1\n1\n", [])


def test_a_loop_that_ends_in_the_middle_of_a_statement_tells_the_server(postgres, driver, caplog):
    manager = DatabaseManager(DatabaseConfig(url=postgres.url(driver)))
    mark = f"ends {driver}"
    running = text(
        "SELECT count(*) FROM pg_stat_activity"
        f" WHERE state = 'active' AND query LIKE '%{mark}%' AND pid <> pg_backend_pid()"
    )

    async def count():
        async with manager.session_scope() as session:
            return (await session.execute(running)).scalar_one()

    async def sleep():
        async with manager.session_scope() as session:
            await session.execute(text(f"SELECT pg_sleep(60) /* {mark} */"))

    async def program():
        sleeping = asyncio.create_task(sleep())
        while not await count():
            await asyncio.sleep(0.02)
        return sleeping

    async def until_none_runs():
        async with asyncio.timeout(20):
            while await count():
                await asyncio.sleep(0.02)

    # What others have left is told before.
    gc.collect()
    caplog.clear()
    asyncio.run(program())
    gc.collect()
    assert not caplog.records
    asyncio.run(until_none_runs())


def test_to_isolate_the_circuit_does_not_say_that_the_server_is_back(sqlite_url):
    manager = DatabaseManager(DatabaseConfig(url=sqlite_url))

    async def program():
        await one(manager)
        (keeper,) = manager._engines.primaries()
        keeper.growth.failures = 3
        manager._breaker.isolate("maintenance")
        failures = keeper.growth.failures
        await manager.close()
        return failures

    assert asyncio.run(program()) == 3
