"""What took `readonly=True` back after a comment, or with another BEGIN, was still taken to read.

If its COMMIT was lost, what it had written was written again.
"""

import pytest
from sqlalchemy import text

from koo.database.scope import Scope, of_several
from koo.testing import FaultProxy, LinkFault, Phase

from ...database.saying import opened

POSTGRES = [
    "/* route='/' */ SET TRANSACTION READ WRITE",
    "-- so\nset transaction_read_only = off",
    "BEGIN READ WRITE",
]


async def runs_and_rows(server, driver, words):
    """Read-only by the manager, not any more by *words*, and the answer to COMMIT is lost."""
    runs = []
    async with opened(server.url(driver)) as direct:
        async with direct.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS ledger"))
            await session.execute(text("CREATE TABLE ledger (n INTEGER)"))
        async with (
            FaultProxy("127.0.0.1", server.port) as proxy,
            opened(server.url(driver, port=proxy.port)) as manager,
        ):
            await manager.transact(lambda session: session.execute(text("SELECT 1")))

            async def write(session):
                runs.append(1)
                await (await session.connection()).exec_driver_sql(words)
                await session.execute(text("INSERT INTO ledger VALUES (1)"))
                proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)

            await manager.transact(write, readonly=True)
            assert proxy.struck.is_set()
        async with direct.session_scope() as session:
            return len(runs), await session.scalar(text("SELECT count(*) FROM ledger"))


@pytest.mark.integration
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize("words", POSTGRES)
async def test_on_postgresql_it_is_run_once(server, driver, words):
    assert await runs_and_rows(server, driver, words) == (1, 1)


@pytest.mark.integration
async def test_on_mariadb_it_is_run_once(mariadb):
    words = "/* so */ START TRANSACTION READ WRITE"
    assert await runs_and_rows(mariadb, "asyncmy", words) == (1, 1)


@pytest.mark.integration
async def test_on_mariadb_what_stays_read_only_can_commit(mariadb):
    async with opened(mariadb.url()) as manager:

        async def read(session):
            await session.execute(text("START TRANSACTION"))
            return await session.scalar(text("SELECT 1"))

        assert await manager.transact(read, readonly=True, max_retries=0) == 1


@pytest.mark.parametrize(
    ("statement", "reads"),
    [
        ("SHOW server_version; SET TRANSACTION READ WRITE", False),
        ("RESET transaction_read_only", False),
        ("PRAGMA query_only = 0", False),
        ("# so\nstart  transaction read\nwrite", False),
        ("START TRANSACTION READ ONLY", True),
        ("SELECT 'SET'", True),
        ("/* SET */ SELECT 1", True),
        ("SETTLED", True),
    ],
)
def test_which_words_take_it_back(statement, reads):
    scope = Scope("here", readonly=True, only_reads=True)
    scope.note_answer(of_several(statement))
    assert scope.only_reads is reads
