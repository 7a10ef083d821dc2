"""A real MariaDB: what it says, when, and what is made of it."""

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from koo.database import Credentials, Kind, StatementTimedOut, judge
from koo.database.drivers.goodbye import finish_saying
from koo.database.verdicts import error_code
from koo.errors import DatabaseUnavailable
from koo.resilience import RetryConfig
from koo.testing import BlackHole, FaultProxy

pytestmark = pytest.mark.integration

ONCE = RetryConfig(max_retries=0)
THERE = "SELECT count(*) FROM information_schema.processlist WHERE id = {}"
ASLEEP = f"{THERE} AND state = 'User sleep'"
ADD = "UPDATE account SET amount = amount + 1 WHERE n = {}"


@pytest.fixture
def managed(mariadb, opened):
    """`async with managed() as manager`; the tables are new."""

    def managed(**config):
        return opened(mariadb.url(), **{"retry": ONCE, **config})

    return managed


async def prepare(manager):
    async with manager.session_scope() as session:
        for statement in (
            "DROP TABLE IF EXISTS booking, account",
            "CREATE TABLE account (n INTEGER PRIMARY KEY, amount INTEGER NOT NULL)",
            "ALTER TABLE account ADD CHECK (amount >= 0)",
            "CREATE TABLE booking (n INTEGER REFERENCES account (n))",
            "INSERT INTO account VALUES (1, 0), (2, 0)",
        ):
            await session.execute(text(statement))


async def run(manager, statement, **terms):
    async with manager.session_scope(**terms) as session:
        found = await session.execute(text(statement))
        return found.scalar() if found.returns_rows else None


async def connection_id(session):
    return (await session.execute(text("SELECT connection_id()"))).scalar()


def verdict(error):
    """The kind, whether it is tried again, whether it trips."""
    found = judge(error)
    return found.kind, found.failure.retryable, found.failure.trips


# -- what the server says ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "statement", "kind"),
    [
        (1062, "INSERT INTO account VALUES (1, 1)", Kind.INTEGRITY),
        (1048, "INSERT INTO account VALUES (3, NULL)", Kind.INTEGRITY),
        (1452, "INSERT INTO booking VALUES (9)", Kind.INTEGRITY),
        (4025, "INSERT INTO account VALUES (3, -9)", Kind.INTEGRITY),
        (1064, "SELEC 1", Kind.QUERY),
        (1054, "SELECT nothing FROM account", Kind.QUERY),
        (1146, "SELECT 1 FROM nowhere", Kind.QUERY),
        (1969, "SET STATEMENT max_statement_time = 0.05 FOR SELECT sleep(2)", Kind.TIMEOUT),
    ],
)
async def test_what_is_wrong_in_itself_is_never_repeated(managed, code, statement, kind):
    async with managed() as manager:
        await prepare(manager)
        with pytest.raises(exc.DBAPIError) as caught:
            await run(manager, statement)
        assert error_code(caught.value) == code
        assert verdict(caught.value) == (kind, False, False)


async def test_who_loses_a_deadlock_runs_again(managed):
    async with managed(retry=RetryConfig(max_retries=5)) as manager:
        await prepare(manager)
        both, calls = asyncio.Barrier(2), []

        async def transfer(session, first, second):
            calls.append(first)
            await session.execute(text(ADD.format(first)))
            if len(calls) <= 2:
                await both.wait()
            await session.execute(text(ADD.format(second)))

        await asyncio.gather(
            manager.transact(lambda session: transfer(session, 1, 2)),
            manager.transact(lambda session: transfer(session, 2, 1)),
        )
        assert len(calls) == 3
        assert await run(manager, "SELECT sum(amount) FROM account") == 4
        assert manager.stats().errors == (("conflict", 1),)


async def test_a_lock_that_is_not_free_in_time_is_a_conflict_and_undoes_the_transaction(managed):
    async with managed() as manager:
        await prepare(manager)
        async with manager.session_scope() as holder:
            await holder.execute(text(ADD.format(1)))
            with pytest.raises(exc.OperationalError) as caught:
                await manager.transact(impatient)
        assert verdict(caught.value) == (Kind.CONFLICT, True, False)
        assert await run(manager, "SELECT sum(amount) FROM account") == 1


async def impatient(session):
    await session.execute(text(ADD.format(2)))
    await session.execute(text("SET innodb_lock_wait_timeout = 0"))
    await session.execute(text(ADD.format(1)))


async def test_a_readonly_session_may_not_write_and_leaves_nothing_behind(managed):
    async with managed(pool_size=1, max_overflow=0) as manager:
        await prepare(manager)
        with pytest.raises(exc.OperationalError) as caught:
            await run(manager, ADD.format(1), readonly=True)
        assert verdict(caught.value) == (Kind.READ_ONLY, False, False)
        await run(manager, ADD.format(1))
        assert manager.stats().pool.created_total == 1


async def test_an_isolation_level_ends_with_its_transaction(managed):
    async with managed(pool_size=1, max_overflow=0) as manager:
        question = "SELECT @@tx_isolation"
        assert await run(manager, question, isolation_level="SERIALIZABLE") == "SERIALIZABLE"
        assert await run(manager, question) == "REPEATABLE-READ"


async def test_who_is_not_let_in_does_not_try_again(mariadb, opened, ask):
    await ask(mariadb, "CREATE OR REPLACE USER locked@'127.0.0.1' IDENTIFIED BY 'something'")
    async with opened(mariadb.url(user="locked")) as manager:
        with pytest.raises(exc.OperationalError) as caught:
            await run(manager, "SELECT 2")
    assert verdict(caught.value) == (Kind.CONFIGURATION, False, False)


async def test_a_login_refused_is_repeated_once_with_newer_credentials(mariadb, opened, ask):
    passwords = ["first", "second"]

    async def provider():
        return Credentials(user="rotated", password=passwords.pop(0))

    await ask(mariadb, "CREATE OR REPLACE USER rotated@'127.0.0.1' IDENTIFIED BY 'first'")
    await ask(mariadb, "GRANT ALL ON app.* TO rotated@'127.0.0.1'")
    async with opened(mariadb.url(user="nobody"), credentials=provider) as manager:
        assert await run(manager, "SELECT 2") == 2
        await ask(mariadb, "ALTER USER rotated@'127.0.0.1' IDENTIFIED BY 'second'")
        await manager.engine.dispose()
        assert await run(manager, "SELECT 2") == 2
        assert (passwords, manager.stats().errors) == ([], ())


async def test_a_database_that_is_not_there_is_not_asked_for_again(mariadb, opened):
    async with opened(mariadb.url().replace("/app", "/nowhere")) as manager:
        with pytest.raises(exc.OperationalError) as caught:
            await run(manager, "SELECT 2")
    assert verdict(caught.value) == (Kind.CONFIGURATION, False, False)


# -- connections that end ----------------------------------------------------------------


async def test_a_transaction_whose_connection_is_killed_runs_again(managed, mariadb, ask):
    async with managed(retry=RetryConfig(max_retries=1)) as manager:
        await prepare(manager)
        killed = []

        async def work(session):
            number = await connection_id(session)
            await session.execute(text(ADD.format(1)))
            if not killed:
                killed.append(number)
                await ask(mariadb, f"KILL {number}")
                await asyncio.sleep(0.02)
            await session.execute(text(ADD.format(2)))

        await manager.transact(work)
        assert await run(manager, "SELECT sum(amount) FROM account") == 2
        assert manager.stats().errors == (("connection", 1),)


async def test_a_connection_killed_while_idle_is_replaced_before_it_is_lent(managed, mariadb, ask):
    async with managed(pool_size=1, max_overflow=0) as manager:
        async with manager.session_scope() as session:
            killed = await connection_id(session)
        await ask(mariadb, f"KILL {killed}")
        await asyncio.sleep(0.02)
        async with manager.session_scope() as session:
            assert await connection_id(session) != killed
        assert not manager.stats().errors


@pytest.mark.parametrize(
    ("command", "kind"), [("KILL", Kind.CONNECTION), ("KILL QUERY", Kind.TIMEOUT)]
)
async def test_the_end_of_a_statement_is_told_from_the_end_of_a_connection(
    managed, mariadb, ask, command, kind
):
    async with managed() as manager:
        numbers = asyncio.Queue()
        asleep = asyncio.create_task(fall_asleep(manager, numbers))
        number = await numbers.get()
        async with asyncio.timeout(30):
            while await ask(mariadb, ASLEEP.format(number)) != [1]:
                await asyncio.sleep(0.02)
        await ask(mariadb, f"{command} {number}")
        with pytest.raises(exc.OperationalError) as caught:
            await asleep
    lost = kind is Kind.CONNECTION
    assert verdict(caught.value) == (kind, lost, lost)


async def fall_asleep(manager, numbers):
    async with manager.session_scope() as session:
        numbers.put_nowait(await connection_id(session))
        await session.execute(text("SELECT 1 FROM information_schema.engines WHERE sleep(9)"))


@pytest.mark.parametrize("way", ["statement", "transact", "caller"])
async def test_the_server_stops_what_nobody_waits_for(managed, mariadb, ask, way):
    asleep = f"SELECT sleep(60), '{way}'"
    limit = 30 if way == "caller" else 1.0
    async with managed(timeout=limit, attempt_timeout=limit) as manager:
        await run(manager, "SELECT 2")
        began = time.monotonic()
        with pytest.raises(TimeoutError) as caught:
            await wait_for(manager, asleep, way)
        assert time.monotonic() - began < 20
        assert isinstance(caught.value, StatementTimedOut) is (way == "statement")
        await has_stopped(mariadb, ask, asleep)


async def wait_for(manager, statement, way):
    if way == "transact":
        await manager.transact(lambda session: session.execute(text(statement)))
    else:
        async with asyncio.timeout(0.3 if way == "caller" else 60):
            await run(manager, statement)


async def test_the_server_stops_by_itself_when_the_network_is_dark(mariadb, opened, ask):
    async with FaultProxy("127.0.0.1", mariadb.port) as proxy:
        url = mariadb.url(port=proxy.port)
        async with opened(url, timeout=1.0, check_timeout=1.0, retry=ONCE) as manager:
            await run(manager, "SELECT 2")
            asleep = "SELECT sleep(60), 'dark'"
            lost = asyncio.create_task(run(manager, asleep))
            await asyncio.sleep(0.1)
            proxy.black_hole = BlackHole.ALL
            with pytest.raises(StatementTimedOut):
                await lost
            await has_stopped(mariadb, ask, asleep)


async def has_stopped(server, ask, statement):
    """Wait until the server has stopped the statement, long before its end."""
    question = f'SELECT count(*) FROM information_schema.processlist WHERE info = "{statement}"'
    async with asyncio.timeout(20):
        while (await ask(server, question)) != [0]:
            await asyncio.sleep(0.02)


async def test_what_was_killed_while_the_loop_stood_still_is_not_lent(opened, mariadb, ask):
    async def kill(number):
        await ask(mariadb, f"KILL {number}")
        while (await ask(mariadb, THERE.format(number))) != [0]:
            await asyncio.sleep(0.01)

    async with opened(mariadb.url()) as manager:
        async with manager.session_scope() as session:
            before = await connection_id(session)
        with ThreadPoolExecutor() as elsewhere:
            elsewhere.submit(asyncio.run, kill(before)).result()
        async with manager.session_scope() as session:
            assert await connection_id(session) != before
        assert manager.stats().breaker.failures == 0


@pytest.mark.parametrize("doubt", ["another server", "another start"])
async def test_nobody_is_killed_whom_we_do_not_know(managed, mariadb, ask, doubt):
    async with managed() as manager, manager.session_scope() as session:
        number = await connection_id(session)
        raw = (await session.connection()).sync_connection.connection.driver_connection
        if doubt == "another server":
            raw._server = "somebody else"
        else:
            raw._born -= 1e6
        raw.kill_at_server()
        await finish_saying()
        assert await connection_id(session) == number


@pytest.mark.parametrize(
    "statement", ["TRUNCATE TABLE booking", "CREATE TABLE IF NOT EXISTS t (n INT)"]
)
async def test_what_the_server_commits_by_itself_is_not_repeated(managed, mariadb, ask, statement):
    async with managed(retry=RetryConfig(max_retries=3)) as manager:
        await prepare(manager)

        async def work(session):
            await session.execute(text(ADD.format(1)))
            await session.execute(text(statement))
            await ask(mariadb, f"KILL {await connection_id(session)}")
            await session.execute(text(ADD.format(2)))

        with pytest.raises(exc.DBAPIError) as caught:
            await manager.transact(work)
        assert "some of it was committed" in caught.value.__notes__[0]
        assert await run(manager, "SELECT sum(amount) FROM account") == 1


# -- a server that changes -----------------------------------------------------------------


@pytest.fixture
def harmed(mariadb, opened, ask):
    """`async with harmed() as manager`, without root's privileges."""

    @contextlib.asynccontextmanager
    async def harmed(**config):
        await ask(mariadb, "CREATE OR REPLACE USER plain@'127.0.0.1'")
        await ask(mariadb, "GRANT ALL ON app.* TO plain@'127.0.0.1'")
        async with opened(mariadb.url(user="plain"), **{"retry": ONCE, **config}) as manager:
            await prepare(manager)
            yield manager

    return harmed


async def test_who_has_no_room_is_overloaded(harmed, mariadb, ask):
    async with harmed(pool_size=1, max_overflow=0) as manager, contextlib.AsyncExitStack() as crowd:
        await manager.close()
        await ask(mariadb, "SET GLOBAL max_connections = 10")
        try:
            for _ in range(10):
                await let_in(crowd, mariadb)
            with pytest.raises(exc.OperationalError) as caught:
                await run(manager, "SELECT 2")
        finally:
            # One more than the limit is always let in, if it is root.
            await ask(mariadb, "SET GLOBAL max_connections = 300")
    assert caught.value.orig.args[0] == 1040
    assert verdict(caught.value) == (Kind.OVERLOADED, True, True)


async def let_in(crowd, server):
    """One more, as soon as the server is through with those who have left."""
    engine = create_async_engine(server.url(user="plain"), poolclass=NullPool)
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(exc.OperationalError):
                return await crowd.enter_async_context(engine.connect())
            await asyncio.sleep(0.02)


async def test_a_server_that_has_become_readonly_is_left_and_dialed_anew(harmed, mariadb, ask):
    async with harmed(pool_size=1, max_overflow=0) as manager:
        await run(manager, "SELECT 2")
        await ask(mariadb, "SET GLOBAL read_only = 1")
        try:
            with pytest.raises(exc.OperationalError) as caught:
                await run(manager, ADD.format(1))
        finally:
            await ask(mariadb, "SET GLOBAL read_only = 0")
        assert verdict(caught.value) == (Kind.READ_ONLY, True, False)
        before = manager.stats().pool.created_total
        await run(manager, ADD.format(1))
        assert manager.stats().pool.created_total == before + 1


async def test_a_server_that_is_killed_is_found_again_when_it_is_back(harmed, mariadb):
    async with harmed(check_timeout=1.0) as manager:
        mariadb.kill()
        with pytest.raises(exc.OperationalError) as caught:
            await run(manager, "SELECT 2")
        assert verdict(caught.value) == (Kind.CONNECTION, True, True)
        await asyncio.to_thread(mariadb.start)
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(DatabaseUnavailable, exc.OperationalError):
                    await run(manager, "SELECT 2")
                    return
                await asyncio.sleep(0.02)
