"""Where `pg_logical_emit_message` was revoked from all, each lost COMMIT took the whole timeout.

The look asked for every right but this one, without which no fence is set; the error of the fence
was taken for one that passes.
"""

import asyncio
import contextlib

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.commit.numbers import Numbers
from koo.database.commit.tokens import Tokens
from koo.errors import CommitOutcomeUnknown
from koo.testing import FaultProxy, LinkFault, Phase

from ...database.saying import say_to, witness_of
from ...database.servers import fresh_postgres

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]
WITNESSES = {"maker": Tokens, "app": Numbers}
CHANGE = """
DO $$ DECLARE emitting regprocedure; BEGIN
  FOR emitting IN SELECT oid FROM pg_proc WHERE proname = 'pg_logical_emit_message' LOOP
    EXECUTE format('{} EXECUTE ON FUNCTION %s {} PUBLIC', emitting);
  END LOOP;
END $$
"""


@contextlib.asynccontextmanager
async def opened(url, user="postgres"):
    # Long enough that a verdict which waits for its end is seen by the test's own limit.
    url = url.replace("postgres@", f"{user}@")
    manager = DatabaseManager(DatabaseConfig(url=url, timeout=600, attempt_timeout=600))
    try:
        yield manager
    finally:
        await manager.close()


@pytest.fixture(scope="module")
def server():
    with fresh_postgres() as server:
        asyncio.run(
            say_to(
                server,
                "CREATE TABLE ledger (n INTEGER)",
                "CREATE ROLE maker LOGIN",
                "CREATE ROLE app LOGIN",
                "GRANT ALL ON ledger TO maker, app",
                "GRANT CREATE ON DATABASE postgres TO maker",
            )
        )
        yield server


@contextlib.asynccontextmanager
async def revoked(server):
    """Until the block ends, nobody may emit a message."""
    await say_to(server, CHANGE.format("REVOKE", "FROM"))
    try:
        yield
    finally:
        await say_to(server, CHANGE.format("GRANT", "TO"), "DROP SCHEMA IF EXISTS koo CASCADE")


async def book(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))
    return "booked"


async def lose_a_commit(manager, proxy):
    proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
    booking = asyncio.ensure_future(manager.transact(book))
    await proxy.struck.wait()
    await proxy.heal()
    async with asyncio.timeout(60):
        await booking


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("user", WITNESSES)
async def test_nobody_is_asked_then(server, driver, user):
    async with (
        revoked(server),
        FaultProxy("127.0.0.1", server.port) as proxy,
        opened(server.url(driver, port=proxy.port), user) as manager,
    ):
        assert await manager.transact(book) == "booked"
        assert witness_of(manager) is None
        with pytest.raises(CommitOutcomeUnknown):
            await lose_a_commit(manager, proxy)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("user", WITNESSES)
async def test_nobody_waits_for_a_fence_that_is_revoked_meanwhile(server, driver, user):
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        opened(server.url(driver, port=proxy.port), user) as manager,
    ):
        await manager.transact(book)
        assert isinstance(witness_of(manager), WITNESSES[user])
        async with revoked(server):
            with pytest.raises(CommitOutcomeUnknown):
                await lose_a_commit(manager, proxy)
            assert await manager.transact(book) == "booked"
            assert witness_of(manager) is None
