"""Seeing that a connection is dead, on each driver, with a real server."""

import asyncio
import contextlib
import time
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from koo.database.drivers import name_of
from koo.database.drivers.liveness import alarm_of, has_pings, is_dead, ping


@contextlib.asynccontextmanager
async def connected(url):
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        await connection.rollback()
        raw = await connection.get_raw_connection()
        yield SimpleNamespace(
            connection=raw.dbapi_connection,
            driver=raw.driver_connection,
            dialect=engine.dialect,
            alarm=alarm_of(raw.driver_connection),
        )
        with contextlib.suppress(Exception):
            await connection.close()


def full(server, driver):
    return server.url(driver).replace("postgresql://", f"postgresql+{driver}://")


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.integration
async def test_a_living_connection_raises_no_alarm_and_answers(postgres, driver):
    async with connected(full(postgres, driver)) as one:
        assert not one.alarm()
        assert not is_dead(one.alarm)
        assert has_pings(one.driver)
        assert await ping(one.connection, one.driver, one.dialect, 20.0) is None
        assert not one.alarm()


@pytest.mark.integration
async def test_a_connection_that_the_server_ended_is_seen_for_free(postgres, driver):
    url = full(postgres, driver)
    async with connected(url) as one, connected(url) as other:
        pid = one.driver.get_server_pid() if driver == "asyncpg" else one.driver.info.backend_pid
        kill = f"SELECT pg_terminate_backend({pid})"
        await other.driver.execute(kill)
        # The last words come a moment before the end.
        await until(lambda: is_dead(one.alarm))
        assert isinstance(await ping(one.connection, one.driver, one.dialect, 1.0), Exception)


@pytest.mark.integration
async def test_a_notice_from_the_server_is_a_doubt_and_no_death(postgres):
    url = full(postgres, "psycopg")
    async with connected(url) as one, connected(url) as other:
        await one.driver.execute("LISTEN news")
        await one.driver.commit()
        await other.driver.execute("NOTIFY news")
        await other.driver.commit()
        await until(one.alarm)
        assert not is_dead(one.alarm)
        assert await ping(one.connection, one.driver, one.dialect, 20.0) is None
        assert not one.alarm()


@pytest.mark.integration
async def test_silence_is_cut_off_in_time(victim, driver):
    async with connected(full(victim, driver)) as one:
        await asyncio.to_thread(victim.freeze)
        try:
            began = time.monotonic()
            error = await ping(one.connection, one.driver, one.dialect, 0.2)
            assert time.monotonic() - began < 20
            assert isinstance(error, Exception)
            assert is_dead(one.alarm)
        finally:
            await asyncio.to_thread(victim.thaw)


@pytest.mark.integration
async def test_a_database_in_this_process_has_nothing_to_ask(sqlite_url):
    async with connected(sqlite_url.replace("sqlite:", "sqlite+aiosqlite:")) as one:
        assert not one.alarm()
        assert not has_pings(one.driver)
        assert not is_dead(one.alarm)


def test_a_subclass_of_ours_is_known_by_what_it_comes_from():
    class Theirs:
        pass

    class Ours(Theirs):
        pass

    Theirs.__module__, Ours.__module__ = "asyncpg.connection", "koo.database.drivers.on_asyncpg"
    assert name_of(Ours()) == "asyncpg"


def test_a_connection_that_psycopg_itself_has_closed_is_dead():
    class Connection:
        closed = True

        def fileno(self):
            return 0

    Connection.__module__ = "psycopg.connection_async"
    connection = Connection()
    alarm = alarm_of(connection)
    assert is_dead(alarm)


def test_what_comes_from_nowhere_has_no_name():
    assert name_of(object()) == ""
