"""MariaDB commits what is open before it runs some statements, and koo looked only afterwards.

What failed, was lost or left another transaction open had been committed before, and was run again.
"""

import contextlib
import time

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.scope import Scope, of_mysql, of_one, of_several
from koo.errors import CommitOutcomeUnknown
from koo.testing import Action, Direction, FaultProxy

from ...database.saying import CONFLICT, refused_at_first, rows, say_within

INSERT = "INSERT INTO ledger VALUES (1)"


@contextlib.asynccontextmanager
async def opened(mariadb):
    """A manager behind a proxy, and one that counts the rows; the ledger is empty."""
    auditor = DatabaseManager(DatabaseConfig(url=mariadb.url()))
    try:
        async with auditor.session_scope() as session:
            for name in ("ledger", "other"):
                await session.execute(text(f"CREATE OR REPLACE TABLE {name} (n INTEGER)"))
            await session.execute(text("DROP TABLE IF EXISTS made"))
        async with FaultProxy("127.0.0.1", mariadb.port) as proxy:
            manager = DatabaseManager(DatabaseConfig(url=mariadb.url(port=proxy.port)))
            try:
                await manager.transact(lambda session: say_within(session, "SELECT 1"))
                yield manager, proxy, auditor
            finally:
                await manager.close()
    finally:
        await auditor.close()


@pytest.mark.integration
@pytest.mark.parametrize(
    "statement",
    ["START TRANSACTION", "/* so */ begin", "SELECT 1; BEGIN"],
)
async def test_what_another_transaction_has_committed_is_not_repeated(mariadb, statement):
    async with opened(mariadb) as (manager, _, auditor):
        work, runs = refused_at_first(INSERT, statement)
        with pytest.raises(exc.DBAPIError):
            await manager.transact(work)
        assert (len(runs), await rows(auditor)) == (1, 1)


@pytest.mark.integration
async def test_nor_is_what_was_committed_before_a_lock_was_waited_for_in_vain(mariadb):
    async with opened(mariadb) as (manager, _, auditor):
        work, runs = refused_at_first(INSERT, "ALTER TABLE other WAIT 1 ADD COLUMN m INTEGER")
        async with auditor.session_scope() as reader:
            await reader.execute(text("SELECT * FROM other"))
            with pytest.raises(exc.OperationalError, match="1205") as caught:
                await manager.transact(work)
        assert "it was not repeated" in caught.value.__notes__[0]
        assert (len(runs), await rows(auditor)) == (1, 1)


@pytest.mark.integration
async def test_the_server_s_own_error_is_told_as_it_is(mariadb):
    async with opened(mariadb) as (manager, _, auditor):
        work, _ = refused_at_first(INSERT, "CREATE TABLE other (n INTEGER)")
        with pytest.raises(exc.DBAPIError, match="1050"):
            await manager.transact(work)
        assert await rows(auditor) == 1


@pytest.mark.integration
async def test_lost_it_is_unknown(mariadb):
    async with opened(mariadb) as (manager, proxy, auditor):
        asked = []

        def lose(chunk):
            if b"CREATE" in chunk.payload:
                asked.append(chunk)
            return Action.CUT if asked and chunk.direction is Direction.TO_CLIENT else Action.PASS

        proxy.hook = lose
        with pytest.raises(CommitOutcomeUnknown):
            await manager.transact(
                lambda session: say_within(session, INSERT, "CREATE TABLE made (n INT)")
            )
        proxy.hook = None
        assert (len(asked), await rows(auditor)) == (1, 1)


@pytest.mark.integration
@pytest.mark.parametrize(
    "statements",
    [
        ("START TRANSACTION", INSERT),
        (INSERT, "CREATE OR REPLACE TEMPORARY TABLE mine (n INTEGER)"),
        (INSERT, "ANALYZE SELECT * FROM ledger"),
    ],
)
async def test_what_has_committed_nothing_is_repeated(mariadb, statements):
    async with opened(mariadb) as (manager, _, auditor):
        work, runs = refused_at_first(*statements)
        await manager.transact(work)
        assert (len(runs), await rows(auditor)) == (2, 1)


@pytest.mark.integration
async def test_nothing_is_open_after_a_rollback(mariadb):
    async with opened(mariadb) as (manager, _, auditor):
        runs = []

        async def work(session):
            runs.append(1)
            await say_within(session, INSERT)
            await session.rollback()
            await say_within(session, "START TRANSACTION", INSERT)
            if len(runs) == 1:
                await say_within(session, CONFLICT)

        await manager.transact(work)
        assert (len(runs), await rows(auditor)) == (2, 1)


@pytest.mark.parametrize(
    ("message", "commits"),
    [
        ("CREATE TABLE t (n INTEGER)", True),
        ("# so\n/* and */ -- so\n drop table t", True),
        ("/*!50000 ALTER TABLE t ADD m INTEGER */", True),
        ("SET STATEMENT max_statement_time = 1 FOR ALTER TABLE t ADD m INTEGER", True),
        ("ANALYZE LOCAL TABLE t", True),
        ("SET @@session.autocommit = 1", True),
        ("SET PASSWORD = PASSWORD('')", True),
        ("XA COMMIT 'x' ONE PHASE", True),
        ("INSERT INTO t VALUES (1); TRUNCATE u", True),
        ("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", False),
        ("DROP TEMPORARY TABLE t", False),
        ("ANALYZE FORMAT=JSON UPDATE t SET n = 1", False),
        ("BEGIN NOT ATOMIC SELECT 1", False),
        ("INSERT INTO t VALUES ('CREATE TABLE')", False),
        ("SET NAMES utf8", False),
        ("STARTED", False),
    ],
)
def test_which_statements_commit_before_they_run(message, commits):
    scope, words = Scope("here", is_open=True), of_mysql(message)
    assert scope.ends_by(words) is commits
    if commits:
        scope.note_end(words, object())
        assert scope.is_partly_done


def test_many_comments_take_no_time():
    scope, began = Scope("here", is_open=True), time.process_time()
    for comment in ("/**/", "/* -- */\n", "-- so\n", "/**/\n-- /*\n"):
        assert not scope.ends_by(of_mysql(comment * 900 + "INSERT INTO t VALUES (1)"))
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "message",
    [
        "/* a /* b */ c */ COMMIT",
        "/*!99999 a */ COMMIT",
        "/*! COMMIT */",
        "-- so\rCOMMIT",
        "#\r\nEND",
    ],
)
def test_comments_hide_no_commit(message):
    for reader in (of_one, of_several, of_mysql):
        assert Scope("here").ends_by(reader(message))
