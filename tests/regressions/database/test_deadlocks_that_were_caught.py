"""MariaDB undoes a transaction in a deadlock and opens another, if its error is caught.

What came afterwards was committed, and told as a success; what had come before was gone.
"""

import asyncio
import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager, judge
from koo.database.scope import Scope, of_mysql

pytestmark = pytest.mark.integration

DEADLOCK = "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'"
REFUSED = "nothing was committed, because a statement had failed, the server had undone"
FILL = "INSERT INTO heavy SELECT 1 FROM seq_1_to_500"


@contextlib.asynccontextmanager
async def opened(mariadb, **config):
    """A manager; the ledger is empty and nobody holds a lock."""
    manager = DatabaseManager(DatabaseConfig(url=mariadb.url(), **config))
    try:
        async with manager.session_scope() as session:
            for table in (
                "ledger (n INTEGER)",
                "heavy (n INTEGER)",
                "locks (k INTEGER PRIMARY KEY)",
            ):
                await session.execute(text(f"CREATE OR REPLACE TABLE {table}"))
            await session.execute(text("INSERT INTO locks VALUES (1), (2)"))
        yield manager
    finally:
        await manager.close()


async def book(session, number):
    await session.execute(text(f"INSERT INTO ledger VALUES ({number})"))


async def entries(manager):
    async with manager.session_scope() as session:
        return (await session.execute(text("SELECT n FROM ledger"))).scalars().all()


async def lock(session, number):
    await session.execute(text(f"SELECT k FROM locks WHERE k = {number} FOR UPDATE"))


async def be_the_victim(session, other):
    """A real deadlock with *other*, who has more to lose."""
    await other.execute(text(FILL))
    await lock(other, 2)
    await lock(session, 1)
    waiting = asyncio.create_task(lock(other, 1))
    # Whichever of the two waits first, the lighter one is chosen.
    with pytest.raises(exc.OperationalError, match="1213"):
        await lock(session, 2)
    await waiting


async def be_told(session, _other):
    with pytest.raises(exc.OperationalError, match="1213"):
        await (await session.connection()).exec_driver_sql(DEADLOCK)


async def be_late(session, other):
    """Another has changed what was read, which undoes the transaction as well."""
    await session.execute(text("SELECT k FROM locks"))
    await other.execute(text("UPDATE locks SET k = 3 WHERE k = 1"))
    await other.commit()
    with pytest.raises(exc.OperationalError, match="1020"):
        await session.execute(text("UPDATE locks SET k = 4 WHERE k >= 1"))


@pytest.mark.parametrize("failing", [be_the_victim, be_told, be_late])
async def test_what_was_undone_is_not_reported_as_success(mariadb, failing):
    async with opened(mariadb) as manager:
        async with manager.session_scope() as other:

            async def work(session):
                await session.execute(text("SET innodb_snapshot_isolation = ON"))
                await book(session, 1)
                await failing(session, other)
                await book(session, 2)

            with pytest.raises(exc.DBAPIError, match=REFUSED) as caught:
                await manager.transact(work)
        assert judge(caught.value).kind == "query"
        assert await entries(manager) == []
        assert manager.stats().breaker.failures == 0


async def test_nor_is_it_in_a_scope(mariadb):
    async with opened(mariadb, pool_size=1, max_overflow=0) as manager:

        async def work():
            async with manager.session_scope() as session:
                await book(session, 1)
                await be_told(session, None)
                await book(session, 2)

        with pytest.raises(exc.DBAPIError, match=REFUSED):
            await work()
        await manager.transact(lambda session: book(session, 3))
        assert await entries(manager) == [3]
        assert manager.stats().pool.created_total == 1


@pytest.mark.parametrize(
    "words",
    [
        "COMMIT",
        "SELECT 1; COMMIT",
        "CREATE TABLE IF NOT EXISTS made (n INTEGER)",
        "START TRANSACTION",
        "ROLLBACK TO a; COMMIT",
    ],
)
@pytest.mark.parametrize("failing", [be_the_victim, be_told])
async def test_nor_is_it_if_the_function_commits_in_words(mariadb, failing, words):
    async with opened(mariadb) as manager:
        async with manager.session_scope() as other:

            async def work(session):
                await book(session, 1)
                await failing(session, other)
                await book(session, 2)
                await session.execute(text(words))

            with pytest.raises(exc.DBAPIError, match=REFUSED) as caught:
                await manager.transact(work)
        assert judge(caught.value).kind == "query"
        assert await entries(manager) == []


async def test_nor_if_that_comes_at_once(mariadb):
    async with opened(mariadb) as manager:

        async def work(session):
            await book(session, 1)
            await be_told(session, None)
            await session.execute(text("COMMIT"))

        with pytest.raises(exc.DBAPIError, match=REFUSED):
            await manager.transact(work)


async def in_words(session):
    await session.execute(text("ROLLBACK"))


async def by_method(session):
    await session.rollback()


@pytest.mark.parametrize("end", ["COMMIT", "SELECT 1; COMMIT", None])
@pytest.mark.parametrize("undo", [in_words, by_method])
async def test_who_begins_anew_after_it_can_commit(mariadb, undo, end):
    async with opened(mariadb) as manager:

        async def work(session):
            await book(session, 1)
            await be_told(session, None)
            await undo(session)
            await book(session, 2)
            if end:
                await session.execute(text(end))

        await manager.transact(work, max_retries=0)
        assert await entries(manager) == [2]


async def test_a_statement_that_commits_by_itself_undoes_only_itself(mariadb):
    async with opened(mariadb) as manager:
        async with manager.session_scope(isolation_level="AUTOCOMMIT") as session:
            await book(session, 1)
            await be_told(session, None)
        assert await entries(manager) == [1]


async def test_another_failure_that_is_caught_undoes_nothing(mariadb):
    async with opened(mariadb) as manager:

        async def work(session):
            await book(session, 1)
            with contextlib.suppress(exc.DBAPIError):
                await session.execute(text("SELECT nonsense"))

        await manager.transact(work)
        assert await entries(manager) == [1]


def test_a_rollback_in_words_of_what_only_reads_is_one():
    scope = Scope("here", only_reads=True, is_undone=True)
    assert scope.refuses(of_mysql("COMMIT"))
    assert not scope.refuses(of_mysql("ROLLBACK"))
    scope.note_question(of_mysql("ROLLBACK"))
    assert not scope.refuses(of_mysql("COMMIT"))
