"""What had committed was run again, because it was not SQLAlchemy's own COMMIT that told of it.

COMMIT was said in words, or a listener failed after it, or it was the second of two phases.
"""

import contextlib

import pytest
from sqlalchemy import event, exc, text
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.scope import Scope, of_one
from koo.errors import CommitOutcomeUnknown
from koo.testing import Action, Direction, FaultProxy, Phase

from ..database.saying import rows

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]


def away():
    return exc.OperationalError(None, None, OSError("another database is away"))


@contextlib.asynccontextmanager
async def opened(url, **kwargs):
    manager = DatabaseManager(DatabaseConfig(url=url), **kwargs)
    try:
        async with manager.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS ledger"))
            await session.execute(text("CREATE TABLE ledger (n INTEGER)"))
        yield manager
    finally:
        await manager.close()


async def write(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))


# -- in words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("words", ["COMMIT", " end", "/* so */ -- and\n commit and chain"])
async def test_a_commit_in_words_is_not_repeated(server, driver, words):
    async def work(session):
        await write(session)
        await session.execute(text(words))
        raise away()

    async with opened(server.url(driver)) as manager:
        with pytest.raises(exc.OperationalError, match="another database"):
            await manager.transact(work)
        assert await rows(manager) == 1


async def test_nor_is_what_asyncpg_commits_after_a_rollback_in_words(server):
    async def work(session):
        await session.execute(text("ROLLBACK"))
        await write(session)
        raise away()

    async with opened(server.url()) as manager:
        with pytest.raises(exc.OperationalError, match="another database"):
            await manager.transact(work)
        assert await rows(manager) == 1


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_commit_in_words_that_is_lost_is_unknown(server, driver):
    runs = []
    async with opened(server.url()) as direct, FaultProxy("127.0.0.1", server.port) as proxy:
        manager = DatabaseManager(DatabaseConfig(url=server.url(driver, port=proxy.port)))

        def lose(chunk):
            is_answer = chunk.direction is Direction.TO_CLIENT and b"COMMIT\0" in chunk.payload
            return Action.CUT if is_answer else Action.PASS

        async def work(session):
            runs.append(1)
            await write(session)
            proxy.hook = lose
            await session.execute(text("COMMIT"))

        try:
            with pytest.raises(CommitOutcomeUnknown):
                await manager.transact(work)
        finally:
            await manager.close()
        assert (len(runs), await rows(direct)) == (1, 1)


@pytest.mark.parametrize(
    ("statement", "ends"),
    [
        ("COMMIT", True),
        ("prepare  transaction 'x'", True),
        ("ROLLBACK WORK", True),
        ("ABORT", True),
        ("ROLLBACK TO SAVEPOINT a", False),
        ("rollback transaction\nto a", False),
        ("PREPARE p AS SELECT 1", False),
        ("COMMITTED", False),
        ("INSERT INTO ledger VALUES ('COMMIT')", False),
        ("RELEASE SAVEPOINT a", False),
    ],
)
def test_which_words_end_a_transaction(statement, ends):
    scope, reader = Scope("here"), Scope("here", readonly=True)
    words = of_one(statement)
    for one in (scope, reader):
        one.begin(one.options())
    assert (scope.ends_by(words), reader.ends_by(words)) == (ends, False)
    reader.note_question(words)
    assert reader.only_reads is not ends


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_savepoint_that_is_left_ends_nothing(server, driver):
    runs = []

    async def work(session):
        runs.append(1)
        with contextlib.suppress(exc.DBAPIError):
            async with session.begin_nested():
                await session.execute(text("SELECT 1/0"))
        await write(session)
        if len(runs) == 1:
            raise away()

    async with opened(server.url(driver)) as manager:
        await manager.transact(work)
        assert (len(runs), await rows(manager)) == (2, 1)


# -- a listener ------------------------------------------------------------------------------------


async def test_a_listener_that_fails_after_the_commit_is_no_reason_to_repeat_it(tmp_path):
    class Told(Session):
        pass

    @event.listens_for(Told, "after_commit")
    def fail(session):
        if session.info.get("fails"):
            raise away()

    async def work(session):
        session.info["fails"] = True
        await write(session)

    sessions = async_sessionmaker(expire_on_commit=False, sync_session_class=Told)
    async with opened(f"sqlite:///{tmp_path}/app.db", sessions=sessions) as manager:
        with pytest.raises(exc.OperationalError, match="another database") as caught:
            await manager.transact(work)
        assert "it was not repeated" in caught.value.__notes__[0]
        assert await rows(manager) == 1


# -- two phases ------------------------------------------------------------------------------------


def test_sessions_that_commit_in_two_phases_are_refused():
    with pytest.raises(ValueError, match="without twophase"):
        DatabaseManager(
            DatabaseConfig(url="sqlite:///app.db"), sessions=async_sessionmaker(twophase=True)
        )


# -- what was found out of one COMMIT is not said of another --------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_wrong_statement_after_a_commit_that_was_lost_is_not_repeated(server, driver):
    runs = []
    async with opened(server.url()) as direct, FaultProxy("127.0.0.1", server.port) as proxy:
        manager = DatabaseManager(DatabaseConfig(url=server.url(driver, port=proxy.port)))

        def lose(chunk):
            if Phase.COMMIT_REQUEST not in chunk.phases:
                return Action.PASS
            proxy.hook = None
            return Action.CUT

        async def work(session):
            runs.append(1)
            await write(session)
            proxy.hook = lose
            with contextlib.suppress(exc.DBAPIError):
                await session.commit()
            await session.rollback()
            await session.execute(text("SELECT nonsense"))

        try:
            with pytest.raises(exc.ProgrammingError):
                await manager.transact(work)
        finally:
            await manager.close()
        assert (len(runs), await rows(direct)) == (1, 0)
