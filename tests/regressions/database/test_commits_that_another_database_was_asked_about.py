"""COMMITs whose answer is lost while their address begins to lead to another database."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from koo.database import DatabaseConfig, DatabaseManager
from koo.errors import CommitOutcomeUnknown
from koo.testing import Action, FaultProxy, Phase, PostgresServer

from ...database.saying import say_to

pytestmark = pytest.mark.integration

NUMBER = "SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)"


async def abort_numbers(server, last):
    """Let *server* say "aborted" of all numbers about *last*."""
    engine = create_async_engine(server.url())
    try:
        async with engine.connect() as connection:
            number = 0
            while number < last + 20:
                number = (await connection.execute(text(NUMBER))).scalar_one()
                await connection.rollback()
    finally:
        await engine.dispose()


def switching(proxy, server):
    """Cut the answer to COMMIT, and lead to *server* from then on."""

    def hook(chunk):
        if Phase.COMMIT_REPLY not in chunk.phases:
            return Action.PASS
        proxy.hook, proxy._upstream = None, ("127.0.0.1", server.port)
        return Action.CUT

    return hook


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_another_cluster_cannot_say_that_a_number_was_aborted(driver):
    """A switch of blue and green: all tables are published, so that numbers are the witness."""
    fast, insert = {"fsync": "off"}, text("INSERT INTO ledger VALUES (1)")
    with PostgresServer(settings=fast) as blue, PostgresServer(settings=fast) as green:
        await say_to(green, "CREATE TABLE ledger (n INTEGER)")
        await say_to(
            blue,
            "CREATE TABLE ledger (n INTEGER)",
            "CREATE PUBLICATION everything FOR ALL TABLES",
        )
        async with FaultProxy("127.0.0.1", blue.port) as proxy:
            url = blue.url(driver, port=proxy.port)
            manager = DatabaseManager(DatabaseConfig(url=url, timeout=10.0))
            try:
                await manager.transact(lambda session: session.execute(text("SELECT 1")))
                await abort_numbers(green, await say_to(blue, NUMBER))
                proxy.hook = switching(proxy, green)
                with pytest.raises(CommitOutcomeUnknown):
                    await manager.transact(lambda session: session.execute(insert))
            finally:
                await manager.close()
        count = "SELECT count(*) FROM ledger"
        assert (await say_to(blue, count), await say_to(green, count)) == (1, 0)
