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

CODEC = {"schema": "pg_catalog", "encoder": str, "decoder": str}


@contextlib.asynccontextmanager
async def connected(server):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url("", port=proxy.port)
        connection = await asyncpg.connect(url, connection_class=UnpinnedConnection)
        try:
            yield connection, proxy
        finally:
            connection.terminate()


async def test_it_is_the_databases_and_repeated(server):
    async with connected(server) as (connection, proxy):
        proxy.hook = lambda _: Action.CUT
        with pytest.raises(Theirs.InterfaceError, match="connection is closed") as caught:
            await connection.set_type_codec("jsonb", **CODEC)
        assert judge(as_database_error(caught.value)).failure.retryable


async def test_what_is_said_of_one_that_is_still_open_is_told(server):
    async with connected(server) as (connection, _):
        await connection.execute("BEGIN")
        with pytest.raises(Theirs.InterfaceError, match="manually started transaction"):
            await connection.set_type_codec("jsonb", **CODEC)
        await connection.execute("ROLLBACK")
        await connection.set_type_codec("jsonb", **CODEC)
