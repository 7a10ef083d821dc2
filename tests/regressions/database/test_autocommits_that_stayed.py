"""`SET autocommit = 1` was noticed in an open transaction only, and stayed for the next borrower.

What each statement had committed was done again, and what the next one rolled back was kept.
"""

import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager

from ...database.saying import refused_at_first, rows, say_within

pytestmark = pytest.mark.integration

INSERT = "INSERT INTO ledger VALUES (1)"


@contextlib.asynccontextmanager
async def opened(mariadb):
    """A manager with one connection; the ledger is empty."""
    config = DatabaseConfig(url=mariadb.url(), pool_size=1, max_overflow=0)
    manager = DatabaseManager(config)
    try:
        async with manager.session_scope() as session:
            await session.execute(text("CREATE OR REPLACE TABLE ledger (n INTEGER)"))
        yield manager
    finally:
        await manager.close()


@pytest.mark.parametrize("words", ["SET autocommit = 1", "SET @@session.autocommit = ON"])
async def test_what_was_committed_by_that_is_not_repeated(mariadb, words):
    async with opened(mariadb) as manager:
        work, runs = refused_at_first(words, INSERT)
        with pytest.raises(exc.DBAPIError):
            await manager.transact(work)
        assert (len(runs), await rows(manager)) == (1, 1)


async def test_the_next_transaction_is_one(mariadb):
    async with opened(mariadb) as manager:
        await manager.transact(lambda session: say_within(session, "SET autocommit = 1"))
        with pytest.raises(exc.DBAPIError, match="1054"):
            await manager.transact(lambda session: say_within(session, INSERT, "SELECT nonsense"))
        assert await rows(manager) == 0
        assert manager.stats().pool.created_total == 2


async def test_so_it_is_after_whoever_had_the_connection_alone(mariadb):
    async with opened(mariadb) as manager:
        async with manager.engine.connect() as connection:
            await connection.execute(text("SET autocommit = 1"))
        with pytest.raises(exc.DBAPIError, match="1054"):
            await manager.transact(lambda session: say_within(session, INSERT, "SELECT nonsense"))
        assert await rows(manager) == 0


async def test_who_leaves_it_as_it_was_is_repeated_and_keeps_the_connection(mariadb):
    async with opened(mariadb) as manager:
        work, runs = refused_at_first("SET autocommit = 0", INSERT)
        await manager.transact(work)
        assert (len(runs), await rows(manager)) == (2, 1)
        assert manager.stats().pool.created_total == 1


async def test_an_isolation_level_that_commits_each_statement_keeps_the_connection(mariadb):
    async with opened(mariadb) as manager:
        async with manager.session_scope(isolation_level="AUTOCOMMIT") as session:
            await session.execute(text(INSERT))
        assert await rows(manager) == 1
        assert manager.stats().pool.created_total == 1
