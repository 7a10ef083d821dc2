"""What broke while SQLAlchemy prepared a new asyncpg connection was taken for the caller's error.

It came as asyncpg's own, so that nothing was repeated and no breaker heard of it: behind a pooler,
where that takes a transaction.
"""

import contextlib

import asyncpg
import pytest
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi as Theirs

from koo.database import judge
from koo.database.drivers.on_asyncpg import UnpinnedConnection
from koo.database.verdicts import as_database_error
from koo.testing import Action, FaultProxy

pytestmark = pytest.mark.integration

CODEC = {"encoder": str, "decoder": str}
MOOD = "DROP TYPE IF EXISTS mood; CREATE TYPE mood AS ENUM ('good')"


@contextlib.asynccontextmanager
async def connected(server):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url("", port=proxy.port)
        connection = await asyncpg.connect(url, connection_class=UnpinnedConnection)
        try:
            await connection.execute(MOOD)
            yield connection, proxy
        finally:
            connection.terminate()


async def test_it_is_the_databases_and_repeated(server):
    async with connected(server) as (connection, proxy):
        proxy.hook = lambda _: Action.CUT
        with pytest.raises(Theirs.InterfaceError, match="connection is closed") as caught:
            await connection.set_type_codec("mood", **CODEC)
        assert judge(as_database_error(caught.value)).failure.retryable


async def test_what_is_said_of_one_that_is_still_open_is_told(server):
    async with connected(server) as (connection, _):
        await connection.execute("BEGIN")
        with pytest.raises(Theirs.InterfaceError, match="manually started transaction"):
            await connection.set_type_codec("mood", **CODEC)
        await connection.execute("ROLLBACK")
        await connection.set_type_codec("mood", **CODEC)


async def test_what_asyncpg_knows_by_heart_needs_no_transaction(server):
    """SQLAlchemy asks for two such types on each connection: four round trips for nothing."""
    async with connected(server) as (connection, proxy):
        said = []
        proxy.hook = lambda chunk: said.append(chunk) or Action.PASS
        for name in ("json", "jsonb"):
            await connection.set_type_codec(name, schema="pg_catalog", **CODEC)
        assert said == []
        await connection.set_type_codec("mood", **CODEC)
        assert said
