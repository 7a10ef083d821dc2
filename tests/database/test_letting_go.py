"""Each driver lets go at once, and the server hears of it."""

import asyncio
import gc
import sqlite3
import time

import asyncpg
import psycopg
import pytest
from sqlalchemy import text

from koo.database import Kind, StatementTimedOut, judge
from koo.database.drivers import abort, driver, name_of
from koo.database.drivers.goodbye import finish_saying, say_in_background
from koo.testing import Action, BlackHole, Direction, FaultProxy, LinkFault, Phase

SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{}%'"


# -- without a server -----------------------------------------------------------------


def test_what_is_nobodys_connection_is_left_alone():
    assert name_of(object()) == ""
    abort(object())


@pytest.mark.parametrize("name", ["asyncpg", "psycopg", "asyncmy"])
def test_a_subclass_made_elsewhere_is_still_its_drivers(name):
    empty = {"__init__": lambda _: None, "__del__": lambda _: None}
    assert name_of(type("Elsewhere", (driver(name).PromptConnection,), empty)()) == name


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("asyncpg", {"connection_class"}),
        ("psycopg", {"async_creator_fn"}),
        ("aiosqlite", {"async_creator_fn"}),
        ("asyncmy", {"async_creator_fn"}),
    ],
)
def test_what_each_is_connected_with(name, keys):
    assert set(driver(name).arguments(60.0)) == keys


def test_the_private_names_that_we_rely_on_are_there():
    from asyncpg import connect_utils

    assert callable(connect_utils._cancel)
    assert "_transport" in asyncpg.Connection.__slots__
    assert {"_addr", "_params", "_protocol", "_cancellations"} <= set(asyncpg.Connection.__slots__)
    assert callable(psycopg.waiting.wait_async)
    assert callable(psycopg.waiting.wait_conn_async)
    assert callable(psycopg.generators.cancel)
    assert callable(psycopg.AsyncConnection.wait)
    assert callable(psycopg.AsyncConnection._start_query)
    assert callable(psycopg.AsyncConnection._get_tx_start_command)
    assert issubclass(psycopg.errors._WaitTimeout, psycopg.Error)

    import aiosqlite

    unopened = aiosqlite.connect(":memory:")
    assert {"_asked"}.isdisjoint(vars(unopened)), "the name is ours"
    assert {"_connector", "_connection", "_running", "_tx", "_thread"} <= set(vars(unopened))
    assert aiosqlite.core._STOP_RUNNING_SENTINEL is not None


def test_without_a_loop_nothing_is_said():
    say_in_background(lambda: pytest.fail("said"))


async def test_what_is_said_takes_two_seconds_at_most_and_never_raises():
    ended = []

    async def endless():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(asyncio.get_running_loop().time())

    async def fails():
        raise ConnectionRefusedError

    began = asyncio.get_running_loop().time()
    say_in_background(endless)
    say_in_background(fails)
    await asyncio.sleep(5)
    assert ended == [began + 2.0]


async def test_a_loop_that_ends_waits_half_a_second_for_what_is_being_said():
    said, loop = [], asyncio.get_running_loop()

    async def say(seconds):
        await asyncio.sleep(seconds)
        said.append(seconds)

    await finish_saying()
    for seconds in (0.1, 0.4, 0.6):
        say_in_background(lambda seconds=seconds: say(seconds))
    began = loop.time()
    await finish_saying()
    assert said == [0.1, 0.4]
    assert loop.time() - began == pytest.approx(0.5)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# -- with one ----------------------------------------------------------------------------


@pytest.fixture
def url_of(postgres):
    """A libpq URL, by way of another port."""

    def url_of(port=None):
        return postgres.url("", port=port)

    return url_of


async def connected(name, url):
    made = driver(name).PromptConnection
    if name == "asyncpg":
        return await asyncpg.connect(url, connection_class=made)
    return await made.connect(url, autocommit=True)


async def active(url, mark):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(SLEEPING.format(mark)) - 1
    finally:
        await connection.close()


async def until_none_is_active(url, mark):
    async with asyncio.timeout(20):
        while await active(url, mark):
            await asyncio.sleep(0.05)


async def sleeping(connection, url, mark):
    """A task that runs a long statement, at a moment when the server runs it too."""
    task = asyncio.create_task(connection.execute(f"SELECT pg_sleep(60) /* {mark} */"))
    while not await active(url, mark):
        await asyncio.sleep(0.02)
    return task


@pytest.mark.integration
async def test_an_abort_wakes_who_waits_and_the_server_stops(driver, url_of):
    url = url_of()
    connection = await connected(driver, url)
    task = await sleeping(connection, url, f"abort {driver}")
    began = time.monotonic()
    abort(connection)
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, psycopg.OperationalError)):
        await task
    assert time.monotonic() - began < 20
    await until_none_is_active(url, f"abort {driver}")
    abort(connection)
    await connection.close()


@pytest.mark.integration
async def test_a_cancelled_statement_ends_at_once_here_and_there(driver, url_of):
    url = url_of()
    connection = await connected(driver, url)
    task = await sleeping(connection, url, f"cancel {driver}")
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await connection.close()
    assert time.monotonic() - began < 20
    await until_none_is_active(url, f"cancel {driver}")


@pytest.mark.integration
async def test_a_request_to_cancel_that_nobody_answers_is_given_up(driver, url_of, postgres):
    before = asyncio.all_tasks()
    async with FaultProxy("127.0.0.1", postgres.port) as proxy:
        connection = await connected(driver, url_of(proxy.port))
        task = await sleeping(connection, url_of(), f"dark {driver}")
        proxy.black_hole = BlackHole.ALL
        abort(connection)
        with pytest.raises((asyncpg.ConnectionDoesNotExistError, psycopg.OperationalError)):
            await task
        await connection.close()

        def saying():
            return [one for one in asyncio.all_tasks() - before if "_say" in repr(one)]

        assert saying(), "nobody has waited for it"
        async with asyncio.timeout(20):
            while saying():
                await asyncio.sleep(0.1)
        proxy.black_hole = BlackHole.OFF
    # What the server runs it runs, until it tries to answer.
    cleaner = await asyncpg.connect(url_of())
    await cleaner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE query LIKE '%dark {driver}%' AND pid <> pg_backend_pid()"
    )
    await cleaner.close()


@pytest.mark.integration
async def test_a_connect_that_is_given_up_leaves_no_socket_even_if_its_error_is_kept(
    driver, url_of, postgres
):
    async with FaultProxy("127.0.0.1", postgres.port) as proxy:
        proxy.strike(LinkFault.STALL, Phase.AUTH)
        task = asyncio.create_task(connected(driver, url_of(proxy.port)))
        await proxy.struck.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as kept:
            await task
        await proxy.heal()
        async with asyncio.timeout(20):
            while proxy.connections:
                await asyncio.sleep(0.01)
        assert kept.value is not None


@pytest.mark.integration
async def test_an_old_libpq_that_cannot_cancel_safely_lets_go_all_the_same(url_of, monkeypatch):
    monkeypatch.setattr(psycopg.capabilities, "has_cancel_safe", lambda: False)
    url = url_of()
    connection = await connected("psycopg", url)
    task = await sleeping(connection, url, "old libpq")
    connection.cancel()
    abort(connection)
    with pytest.raises(psycopg.Error):
        await task
    await connection.close()


@pytest.mark.integration
@pytest.mark.parametrize("loses_replies", [False, True])
async def test_a_statement_past_its_time_is_stopped_at_the_server(
    postgres, driver, opened, url_of, loses_replies
):
    mark = f"late {driver} {loses_replies}"

    def lose_replies(chunk):
        is_reply = chunk.connection == 1 and chunk.direction is Direction.TO_CLIENT
        return Action.DROP if is_reply else Action.PASS

    began = []

    async def late(manager, proxy):
        async with manager.session_scope() as session:
            await session.execute(text("SELECT 2"))
            proxy.hook = lose_replies if loses_replies else None
            began.append(time.monotonic())
            await session.execute(text(f"SELECT pg_sleep(60) /* {mark} */"))

    async with (
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        opened(postgres.url(driver, port=proxy.port), timeout=1.0) as manager,
    ):
        with pytest.raises(StatementTimedOut, match="no answer to a statement in 1 s"):
            await late(manager, proxy)
        assert time.monotonic() - began[0] < 20
        await until_none_is_active(url_of(), mark)
        pool = manager.stats().pool
        assert (pool.active, pool.total, pool.invalidated_total) == (0, 0, 1)


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
async def test_rows_that_never_come_are_not_waited_for_for_ever(postgres, driver, opened):
    """A stream's rows are no statements, and have the limit all the same."""
    many = text("SELECT n, repeat('x', 5000) FROM generate_series(1, 1000) AS n")
    async with (
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        opened(postgres.url(driver, port=proxy.port), timeout=1.0, check_timeout=1.0) as manager,
    ):

        async def read():
            async with manager.session_scope() as session:
                async for _ in await session.stream(many):
                    proxy.black_hole = BlackHole.ALL

        began = time.monotonic()
        with pytest.raises(StatementTimedOut, match=r"no answer to a statement in 1 s") as caught:
            await read()
        assert time.monotonic() - began < 20
        assert judge(caught.value).kind is Kind.TIMEOUT
        assert manager.stats().pool.active == 0
        # psycopg complains of a cursor that was open when its connection ended.
        del caught
        gc.collect()


@pytest.mark.integration
async def test_who_listens_waits_as_long_as_it_wants(url_of):
    made = driver("psycopg").PromptConnection
    connection = await made.connect(url_of(), autocommit=True, limit=1.0)
    await connection.execute("LISTEN news")
    assert [one async for one in connection.notifies(timeout=1.2)] == []
    await connection.execute("SELECT 2")
    await connection.close()


@pytest.mark.integration
async def test_a_wait_with_a_time_of_its_own_ends_as_psycopg_ends_it(url_of):
    made = driver("psycopg").PromptConnection
    connection = await made.connect(url_of(), autocommit=True, limit=5)
    sleep = psycopg.generators.execute(connection.pgconn)
    connection.pgconn.send_query(b"SELECT pg_sleep(60)")
    with pytest.raises(psycopg.errors._WaitTimeout):
        await connection.wait(sleep, timeout=0.05)
    assert not connection.closed
    abort(connection)
    await connection.close()


@pytest.mark.integration
async def test_a_wait_without_one_ends_at_the_limit_together_with_the_connection(url_of):
    made = driver("psycopg").PromptConnection
    connection = await made.connect(url_of(), autocommit=True, limit=0.3)
    with pytest.raises(TimeoutError, match=r"no answer in 0\.3 s"):
        await connection.execute("SELECT pg_sleep(60)")
    assert connection.closed


@pytest.mark.integration
async def test_what_was_torn_off_does_not_count_as_left_open(url_of):
    connection = await driver("psycopg").PromptConnection.connect(url_of())
    abort(connection)
    del connection
    gc.collect()


@pytest.mark.integration
async def test_what_was_left_open_says_so(url_of):
    connection = await driver("psycopg").PromptConnection.connect(url_of())
    with pytest.warns(ResourceWarning, match="was deleted while still open"):
        del connection


@pytest.mark.integration
async def test_sqlite_is_interrupted_in_the_middle_of_a_statement(sqlite_url, opened):
    endless = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )
    async with opened(sqlite_url, timeout=1.5) as manager:

        async def late():
            async with manager.session_scope() as session:
                await session.execute(endless)

        began = time.monotonic()
        with pytest.raises(StatementTimedOut):
            await late()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await late()
        assert time.monotonic() - began < 20
        async with manager.session_scope() as session:
            assert (await session.execute(text("SELECT 2"))).scalar_one() == 2


@pytest.mark.integration
async def test_a_closed_sqlite_connection_cannot_be_interrupted_and_need_not(tmp_path):
    connection = await driver("aiosqlite").arguments(60.0)["async_creator_fn"](tmp_path / "app.db")
    abort(connection)
    await connection.close()
    abort(connection)
    await connection.close()


@pytest.mark.integration
async def test_a_sqlite_connection_that_waits_for_a_lock_is_given_up_for_good(tmp_path):
    connect = driver("aiosqlite").arguments(60.0)["async_creator_fn"]
    one, other = await connect(tmp_path / "app.db"), await connect(tmp_path / "app.db")
    await one.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(other.execute("BEGIN IMMEDIATE"))
    await asyncio.sleep(0.05)
    abort(other)
    with pytest.raises(ValueError, match="Connection closed"):
        await waiting
    with pytest.raises(ValueError, match="Connection closed"):
        await other.execute("SELECT 1")
    await other.close()
    await one.close()


@pytest.mark.integration
async def test_who_asks_a_sqlite_connection_that_is_closing_is_told(tmp_path):
    connection = await driver("aiosqlite").arguments(60.0)["async_creator_fn"](tmp_path / "app.db")
    closing = asyncio.create_task(connection.close())
    asking = asyncio.create_task(connection.execute("SELECT 1"))
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        await asking
    await closing
