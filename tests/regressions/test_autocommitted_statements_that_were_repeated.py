"""With AUTOCOMMIT every statement commits by itself; a retry ran those again that had."""

import contextlib

import pytest
from sqlalchemy import exc, text

from koo.errors import CommitOutcomeUnknown
from koo.testing import Action, Direction, FaultProxy

from ..database.saying import opened

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]


@contextlib.asynccontextmanager
async def ledger(server):
    async with opened(server.url()) as manager:
        async with manager.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS ledger"))
            await session.execute(text("CREATE TABLE ledger (n INTEGER)"))

        async def entries():
            async with manager.session_scope() as session:
                return (await session.execute(text("SELECT count(*) FROM ledger"))).scalar_one()

        yield entries


async def book(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))


def lose_every_answer(chunk):
    return Action.PASS if chunk.direction is Direction.TO_SERVER else Action.CUT_CLIENT


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_statement_whose_answer_is_lost_may_have_committed(server, driver):
    async with (
        ledger(server) as entries,
        FaultProxy("127.0.0.1", server.port) as proxy,
        opened(server.url(driver, port=proxy.port)) as manager,
    ):
        attempts = []

        async def work(session):
            attempts.append(1)
            await session.execute(text("SELECT 2"))
            proxy.hook = lose_every_answer
            await book(session)

        with pytest.raises(CommitOutcomeUnknown):
            await manager.transact(work, isolation_level="AUTOCOMMIT", max_retries=5)
        assert len(attempts) == 1
        assert await entries() <= 1


@pytest.mark.parametrize("driver", DRIVERS)
async def test_what_an_earlier_statement_has_committed_is_not_done_again(server, driver):
    conflict = text("DO $$ BEGIN RAISE serialization_failure; END $$")

    async def work(session):
        await book(session)
        await session.execute(conflict)

    async with ledger(server) as entries, opened(server.url(driver)) as manager:
        with pytest.raises(exc.DBAPIError, match="serialization_failure"):
            await manager.transact(work, isolation_level="AUTOCOMMIT", max_retries=5)
        assert await entries() == 1


@pytest.mark.parametrize("driver", DRIVERS)
async def test_whoever_says_so_must_not_only_read(server, driver):
    """Nothing would refuse what it writes, and it was repeated."""
    async with opened(server.url(driver)) as manager:
        with pytest.raises(ValueError, match="no transaction to be read-only"):
            await manager.transact(book, isolation_level="AUTOCOMMIT", readonly=True)
