"""With some errors SQLite undoes the whole transaction, and opens another if they are caught.

What came afterwards was committed, and told as a success; what had come before was gone.
"""

import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager, judge

pytestmark = pytest.mark.integration

REFUSED = "nothing was committed, because a statement had failed, the server had undone"
TABLES = (
    "CREATE TABLE ledger (n INTEGER)",
    "CREATE TABLE keys (n INTEGER PRIMARY KEY)",
    "INSERT INTO keys VALUES (1)",
    "CREATE TABLE refusing (n INTEGER)",
    "CREATE TRIGGER no BEFORE INSERT ON refusing BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
    "CREATE TABLE heavy (b BLOB)",
)


@contextlib.asynccontextmanager
async def opened(folder):
    url = f"sqlite:///{folder}/app.db"
    manager = DatabaseManager(DatabaseConfig(url=url, pool_size=1, max_overflow=0))
    try:
        async with manager.session_scope() as session:
            for statement in TABLES:
                await session.execute(text(statement))
        yield manager
    finally:
        await manager.close()


async def book(session, number):
    await session.execute(text(f"INSERT INTO ledger VALUES ({number})"))


async def entries(manager):
    async with manager.session_scope() as session:
        return (await session.execute(text("SELECT n FROM ledger"))).scalars().all()


async def fill_the_disk(session):
    await session.execute(text("PRAGMA max_page_count = 12"))
    with pytest.raises(exc.OperationalError, match="full"):
        await session.execute(text("INSERT INTO heavy VALUES (zeroblob(1000000))"))
    await session.execute(text("PRAGMA max_page_count = 100000"))


async def conflict(session):
    with pytest.raises(exc.IntegrityError):
        await session.execute(text("INSERT OR ROLLBACK INTO keys VALUES (1)"))


async def be_refused(session):
    with pytest.raises(exc.IntegrityError, match="no"):
        await session.execute(text("INSERT INTO refusing VALUES (1)"))


async def violate(session):
    with pytest.raises(exc.IntegrityError):
        await session.execute(text("INSERT INTO keys VALUES (1)"))


UNDOING = [fill_the_disk, conflict, be_refused]


@pytest.mark.parametrize("failing", UNDOING)
async def test_what_was_undone_is_not_reported_as_success(tmp_path, failing):
    async with opened(tmp_path) as manager:

        async def work(session):
            await book(session, 1)
            await failing(session)
            await book(session, 2)

        with pytest.raises(exc.DBAPIError, match=REFUSED) as caught:
            await manager.transact(work)
        assert judge(caught.value).kind == "query"
        assert await entries(manager) == []
        assert manager.stats().breaker.failures == 0


@pytest.mark.parametrize("failing", UNDOING)
async def test_nor_is_it_in_a_scope(tmp_path, failing):
    async with opened(tmp_path) as manager:

        async def work():
            async with manager.session_scope() as session:
                await book(session, 1)
                await failing(session)
                await book(session, 2)

        with pytest.raises(exc.DBAPIError, match=REFUSED):
            await work()
        await manager.transact(lambda session: book(session, 3))
        assert await entries(manager) == [3]
        assert manager.stats().pool.created_total == 1


async def test_who_begins_anew_after_it_can_commit(tmp_path):
    async with opened(tmp_path) as manager:

        async def work(session):
            await book(session, 1)
            await conflict(session)
            await session.rollback()
            await book(session, 2)

        await manager.transact(work, max_retries=0)
        assert await entries(manager) == [2]


async def test_an_error_that_undoes_only_its_statement_loses_nothing(tmp_path):
    async with opened(tmp_path) as manager:

        async def work(session):
            await book(session, 1)
            await violate(session)
            await book(session, 2)

        await manager.transact(work)
        assert await entries(manager) == [1, 2]


async def test_a_statement_that_commits_by_itself_undoes_only_itself(tmp_path):
    async with opened(tmp_path) as manager:
        async with manager.session_scope(isolation_level="AUTOCOMMIT") as session:
            await book(session, 1)
            await conflict(session)
            await book(session, 2)
        assert await entries(manager) == [1, 2]


async def test_what_fails_after_an_end_in_words_has_undone_nothing(tmp_path):
    async with opened(tmp_path) as manager:
        async with manager.session_scope() as session:
            await book(session, 1)
            await session.execute(text("COMMIT"))
            with pytest.raises(exc.OperationalError):
                await session.execute(text("SELECT nonsense"))
        assert await entries(manager) == [1]
