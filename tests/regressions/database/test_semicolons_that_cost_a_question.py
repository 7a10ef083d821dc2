"""With psycopg a semicolon in a literal made several statements of one that only reads.

It was given a transaction number, and before its COMMIT the server was asked.
"""

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.scope import Scope, of_mysql, of_several
from koo.testing import Action, Direction, FaultProxy

NUMBER = "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)"


async def cost_of(manager, proxy, statement):
    """How many questions before its COMMIT, and how many transaction numbers."""
    asked = []

    def count(chunk):
        is_question = b"pg_current_xact_id_if_assigned" in chunk.payload
        if is_question and chunk.direction is Direction.TO_SERVER:
            asked.append(chunk)
        return Action.PASS

    async def numbers():
        async with manager.session_scope() as session:
            return await session.scalar(text(NUMBER))

    before = await numbers()
    proxy.hook = count
    await manager.transact(lambda session: session.execute(text(statement)))
    proxy.hook = None
    return len(asked), await numbers() - before


@pytest.mark.integration
async def test_it_costs_nothing(server):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url("psycopg", port=proxy.port)
        manager = DatabaseManager(DatabaseConfig(url=url, pool_size=1, max_overflow=0))
        try:
            await manager.transact(lambda session: session.execute(text("SELECT 1")))
            assert await cost_of(manager, proxy, "SELECT string_agg('a', '; ')") == (0, 0)
            asking = "SELECT 1; SET TRANSACTION READ ONLY"
            assert await cost_of(manager, proxy, asking) == (1, 0)
        finally:
            await manager.close()


@pytest.mark.parametrize(
    ("message", "wrote"),
    [
        ("SELECT string_agg(n, '; ') FROM t", False),
        ("SELECT \"a;b\", 'it''s;' FROM t;", False),
        ("SELECT $$;$$, $a$;$$;$a$", False),
        ("SELECT a$b$; DELETE FROM t; SELECT a$b$", True),
        ("SELECT E'\\''; DELETE FROM t; SELECT ''", True),
        ("SELECT 1 -- don't\n; DELETE FROM t -- don't", True),
        ("SELECT ';'; DELETE FROM t", True),
    ],
)
def test_what_is_quoted_is_no_statement(message, wrote):
    scope, words = Scope("here", witness=object()), of_several(message)
    scope.note_question(words)
    scope.note_answer(words)
    assert scope.wrote is wrote


@pytest.mark.parametrize(
    ("message", "is_one"),
    [
        ("SELECT `a;b`, 'c;', \"d;\" FROM t # don't; stop\n -- nor; here", True),
        ("SELECT 1 AS $$; DELETE FROM t; SELECT 2 AS $$", False),
        ("SELECT 1--1; DELETE FROM t", False),
        ("SELECT 1 /*! ; */", False),
        ("SELECT '\\'; DELETE FROM t; SELECT '", False),
    ],
)
def test_mysql_has_quotes_of_its_own(message, is_one):
    assert of_mysql(message).several is not is_one


@pytest.mark.parametrize(
    ("message", "is_locked"),
    [
        ("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", False),
        ("INSERT INTO t VALUES (1); SET TRANSACTION READ ONLY", True),
        ("COMMIT; BEGIN READ ONLY", True),
    ],
)
def test_the_server_is_asked_only_after_words_that_lock(message, is_locked):
    scope = Scope("here")
    scope.note_question(of_several(message))
    assert scope.is_locked is is_locked
