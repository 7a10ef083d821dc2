"""PostgreSQL answers COMMIT with ROLLBACK after a failed statement: in words it was a success."""

import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager, judge

pytestmark = pytest.mark.integration

REFUSED = "nothing was committed, because a statement had failed and its error was caught"


@contextlib.asynccontextmanager
async def opened(server, driver):
    """A manager with one connection; the ledger is empty."""
    config = DatabaseConfig(url=server.url(driver), pool_size=1, max_overflow=0)
    manager = DatabaseManager(config)
    try:
        async with manager.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS ledger"))
            await session.execute(text("CREATE TABLE ledger (n INTEGER)"))
        yield manager
    finally:
        await manager.close()


def saying(*words):
    """A function that books, catches a failure, and says *words*."""

    async def work(session):
        await session.execute(text("INSERT INTO ledger VALUES (1)"))
        await session.execute(text("SAVEPOINT a"))
        with contextlib.suppress(exc.DBAPIError):
            await session.execute(text("SELECT 1/0"))
        for statement in words:
            await session.execute(text(statement))

    return work


async def in_a_scope(manager, work):
    async with manager.session_scope() as session:
        await work(session)


async def in_a_function(manager, work):
    await manager.transact(work)


async def entries(manager):
    async with manager.session_scope(readonly=True) as session:
        return await session.scalar(text("SELECT count(*) FROM ledger"))


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize("way", [in_a_scope, in_a_function])
@pytest.mark.parametrize("words", ["COMMIT", "/* so */ end", "commit work"])
async def test_it_is_an_error(server, driver, way, words):
    async with opened(server, driver) as manager:
        with pytest.raises(exc.DBAPIError, match=REFUSED) as caught:
            await way(manager, saying(words))
        assert judge(caught.value).kind == "query"
        assert not judge(caught.value).failure.retryable
        assert await entries(manager) == 0
        assert manager.stats().breaker.failures == 0
        assert manager.stats().pool.created_total == 1


async def test_it_is_one_at_the_head_of_a_message(server):
    async with opened(server, "psycopg") as manager:
        with pytest.raises(exc.DBAPIError, match=REFUSED):
            await manager.transact(saying("COMMIT; SELECT 1"))
        assert await entries(manager) == 0


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_who_has_caught_that_as_well_is_refused_once_more(server, driver):
    async with opened(server, driver) as manager:

        async def work(session):
            with contextlib.suppress(exc.DBAPIError):
                await saying("COMMIT")(session)

        with pytest.raises(exc.DBAPIError, match=REFUSED):
            await manager.transact(work)
        assert await entries(manager) == 0


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize(("words", "left"), [("ROLLBACK TO a", 1), ("ROLLBACK", 0), ("abort", 0)])
async def test_who_takes_the_failure_back_can_commit_in_words(server, driver, words, left):
    async with opened(server, driver) as manager:
        await manager.transact(saying(words, "COMMIT"), max_retries=0)
        assert await entries(manager) == left
