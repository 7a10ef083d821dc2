"""The login that looks for a lost COMMIT may not use the table of tokens, as the one before could.

It asked until the time was over, and the next was no wiser.
"""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.errors import CommitOutcomeUnknown
from koo.testing import FaultProxy, LinkFault, Phase, PostgresServer

from ...database.saying import say_to

pytestmark = pytest.mark.integration

PREPARED = (
    "CREATE ROLE app LOGIN",
    "GRANT CREATE ON DATABASE postgres TO app",
    "CREATE TABLE ledger (n INTEGER)",
    "GRANT ALL ON ledger TO app",
)
TAKEN_AWAY = (
    "ALTER TABLE koo.commit_tokens OWNER TO postgres",
    "ALTER FUNCTION koo.commit_token(uuid) OWNER TO postgres",
    "REVOKE ALL ON koo.commit_tokens FROM app",
)


async def insert(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))
    return "inserted"


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_it_is_unknown_at_once_and_the_next_witness_is_another(driver):
    with PostgresServer(settings={"fsync": "off"}) as server:
        await say_to(server, *PREPARED)
        async with FaultProxy("127.0.0.1", server.port) as proxy:
            url = server.url(driver, port=proxy.port).replace("postgres@", "app@")
            manager = DatabaseManager(DatabaseConfig(url=url, timeout=120.0))
            try:
                await manager.transact(insert)
                await say_to(server, *TAKEN_AWAY)
                proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
                async with asyncio.timeout(60):
                    with pytest.raises(CommitOutcomeUnknown):
                        await manager.transact(insert)
                await manager.transact(insert)
                proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
                assert await manager.transact(insert) == "inserted"
            finally:
                await manager.close()
        assert await say_to(server, "SELECT count(*) FROM ledger") == 4
