"""A COMMIT that came in one message with other statements was not noticed.

What it had committed was run again.
"""

import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.scope import Scope, of_several
from koo.errors import CommitOutcomeUnknown
from koo.testing import Action, Direction, FaultProxy, PostgresServer

from ...database.saying import rows, say_within
from ...database.servers import MariadbServer

INSERT = "INSERT INTO ledger VALUES (1)"
MESSAGES = [
    f"{INSERT}; COMMIT",
    f"{INSERT};\n-- and\n commit; SELECT 1",
    f"COMMIT; {INSERT}; COMMIT",
    f"{INSERT}; SELECT '$$'; COMMIT; SELECT '$$'",
    f"{INSERT}; SELECT 1 /* $$ */; COMMIT; SELECT 1 /* $$ */",
]
MAKERS = {"psycopg": PostgresServer, "asyncmy": MariadbServer}


@pytest.fixture(scope="module", params=MAKERS)
def url_to(request):
    with MAKERS[request.param]() as server:
        yield lambda port=None: server.url(request.param, port=port or server.port)


@contextlib.asynccontextmanager
async def opened(url_to):
    """A manager behind a proxy, and one that counts the rows; the ledger is empty."""
    auditor = DatabaseManager(DatabaseConfig(url=url_to()))
    proxied = int(url_to().rpartition(":")[2].partition("/")[0])
    try:
        async with auditor.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS ledger"))
            await session.execute(text("CREATE TABLE ledger (n INTEGER)"))
        async with FaultProxy("127.0.0.1", proxied) as proxy:
            manager = DatabaseManager(DatabaseConfig(url=url_to(proxy.port)))
            try:
                yield manager, proxy, auditor
            finally:
                await manager.close()
    finally:
        await auditor.close()


def conflict():
    return exc.OperationalError(None, None, OSError("another database is away"))


@pytest.mark.integration
@pytest.mark.parametrize("message", MESSAGES)
async def test_it_is_not_repeated_after_its_answer(url_to, message):
    async def work(session):
        await say_within(session, message)
        raise conflict()

    async with opened(url_to) as (manager, _, auditor):
        with pytest.raises(exc.OperationalError, match="another database"):
            await manager.transact(work)
        assert await rows(auditor) == 1


@pytest.mark.integration
async def test_lost_it_is_unknown(url_to):
    async with opened(url_to) as (manager, proxy, _):
        await manager.transact(lambda session: session.execute(text("SELECT 1")))
        asked = []

        def hook(chunk):
            if INSERT.encode() in chunk.payload:
                asked.append(chunk)
            return Action.CUT if asked and chunk.direction is Direction.TO_CLIENT else Action.PASS

        proxy.hook = hook
        with pytest.raises(CommitOutcomeUnknown):
            await manager.transact(lambda session: say_within(session, f"{INSERT}; COMMIT"))
        proxy.hook = None
        assert len(asked) == 1


@pytest.mark.integration
async def test_what_a_message_without_an_end_did_is_repeated(url_to):
    runs = []

    async def work(session):
        runs.append(1)
        await say_within(session, f"{INSERT}; {INSERT}")
        if len(runs) == 1:
            raise conflict()

    async with opened(url_to) as (manager, _, auditor):
        await manager.transact(work)
        assert (len(runs), await rows(auditor)) == (2, 2)


@pytest.mark.parametrize(
    ("message", "ends"),
    [
        ("DO $$ BEGIN PERFORM 1; END $$; SELECT 1", False),
        ("DO $body$ BEGIN PERFORM 1; END $body$; END", True),
        ("SAVEPOINT a; ROLLBACK TO a; SELECT 1", False),
        ("INSERT INTO t VALUES (1); ROLLBACK", True),
        ("-- so\nCOMMIT; SELECT 1", True),
        ("SELECT 1; -- so\rCOMMIT", True),
        ("SELECT 1; -- so; END", False),
        ("SELECT 1;", False),
        ("INSERT INTO ends VALUES (1); INSERT INTO commits VALUES (1)", False),
        ("SELECT '$$'; COMMIT; SELECT '$$'", True),
        ("SELECT a$b$; COMMIT; SELECT a$b$", True),
        ("SELECT 'it''s; COMMIT', \"; END\"; SELECT 1", False),
        ("SELECT E'\\\\'; COMMIT; SELECT ''", True),
    ],
)
async def test_an_end_is_known_among_others(message, ends):
    one, words = Scope(where=None), of_several(message)
    assert one.ends_by(words) is ends
    if ends:
        one.note_end(words, object())
        assert one.is_partly_done


async def test_a_commit_by_itself_that_fails_proves_that_nothing_was_committed():
    """It is known by its error, as everywhere: only among others it is not."""
    one, words = Scope(where=None), of_several("COMMIT; ")
    assert one.ends_by(words)
    one.note_end(words, object())
    assert one.committing
    assert not one.committed


async def test_who_says_several_things_has_perhaps_written():
    one = Scope(where=None)
    one.note_question(of_several("SELECT 1;"))
    assert not one.wrote
    one.note_question(of_several("SELECT 1; INSERT INTO t VALUES (1)"))
    assert one.wrote
