"""On SQLite, what reads in other words than SELECT wrote a token, and waited for who writes.

So did a savepoint around what only reads.
"""

import contextlib
import sqlite3
import time

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.scope import Scope, of_one

READS = [
    "SELECT 1",
    " ( SELECT 1)",
    "-- all of them\nselect n from t",
    "# all of them\nselect n from t",
    "/* route='/' */ /* INSERT */ SELECT 1",
    "WITH x AS (SELECT n FROM t) SELECT count(*) FROM x",
    "EXPLAIN QUERY PLAN SELECT n FROM t",
    "SHOW TABLES",
    "DESC t",
    "VALUES (1)",
    "SET NAMES utf8",
    "PRAGMA table_info(t)",
    "SAVEPOINT a",
    "RELEASE SAVEPOINT a",
    "release a",
    "ROLLBACK TO SAVEPOINT a",
    "/* back */ rollback transaction to a",
]
WRITES = [
    "INSERT INTO t VALUES (1)",
    "/* SELECT */ DELETE FROM t",
    "-- SELECT\nUPDATE t SET n = 1",
    "WITH x AS (SELECT 1 AS n) INSERT INTO t SELECT n FROM x",
    "with x as (delete from t returning n)\nselect * from x",
    "EXPLAIN ANALYZE DELETE FROM t",
    "EXPLAIN (ANALYZE) EXECUTE prepared",
    "PRAGMA user_version = 7",
    "SELECTED",
    "ROLLBACK",
    "CALL p()",
    "",
]


def wrote(statement):
    scope = Scope("here", witness=object())
    scope.note_answer(of_one(statement))
    return scope.wrote


@pytest.mark.parametrize("statement", READS)
def test_what_only_reads_has_written_nothing(statement):
    assert not wrote(statement)


@pytest.mark.parametrize("statement", WRITES)
def test_whatever_else_has_perhaps_written(statement):
    assert wrote(statement)


def test_many_comments_take_no_time():
    began = time.process_time()
    assert wrote("/**/" * 10_000 + "DELETE")
    assert time.process_time() - began < 5


@pytest.mark.integration
@pytest.mark.parametrize("statement", READS[5:7])
async def test_nobody_waits_for_who_writes(tmp_path, statement):
    await beside_a_writer(tmp_path, lambda session: session.execute(text(statement)))


@pytest.mark.integration
async def test_nobody_waits_with_a_savepoint(tmp_path):
    async def nested(session):
        async with session.begin_nested():
            await session.execute(text("SELECT 1"))
        with contextlib.suppress(ZeroDivisionError):
            async with session.begin_nested():
                raise ZeroDivisionError

    await beside_a_writer(tmp_path, nested)


async def beside_a_writer(tmp_path, read):
    limits = {"timeout": 4.0, "attempt_timeout": 3.0}
    manager = DatabaseManager(DatabaseConfig(url=f"sqlite:///{tmp_path}/app.db", **limits))
    writer = sqlite3.connect(tmp_path / "app.db")
    try:
        await manager.transact(lambda session: session.execute(text("CREATE TABLE t (n int)")))
        writer.execute("BEGIN IMMEDIATE")
        await manager.transact(read, max_retries=0)
    finally:
        writer.close()
        await manager.close()
