"""The table of tokens was made for who only reads, and two who started together both told of it."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.resilience import SchemaChanged

pytestmark = pytest.mark.integration


@pytest.fixture(params=["asyncpg", "psycopg", "aiosqlite"])
def url(request, tmp_path):
    """A database without the table, by each driver."""
    if request.param == "aiosqlite":
        return f"sqlite:///{tmp_path}/app.db"
    server = request.getfixturevalue("server")
    asyncio.run(drop_table(server))
    return server.url(request.param)


async def drop_table(server):
    connection = await asyncpg.connect(server.url(""))
    await connection.execute("DROP SCHEMA IF EXISTS koo CASCADE")
    await connection.close()


@asynccontextmanager
async def opened(url, told):
    """A manager; which tables it has made is *told*."""

    def listen(event):
        if isinstance(event, SchemaChanged):
            told.append(event)

    manager = DatabaseManager(DatabaseConfig(url=url), on_event=listen)
    try:
        yield manager
    finally:
        await manager.close()


async def look(session):
    return (await session.execute(text("SELECT 7"))).scalar_one()


async def test_who_only_reads_makes_no_table_and_who_may_write_does(url):
    told = []
    async with opened(url, told) as manager:
        assert await manager.transact(look, readonly=True) == 7
        assert told == []
        assert await manager.transact(look) == 7
        assert len(told) == 1


async def test_of_two_who_start_together_one_tells_of_the_table(url):
    told = []
    async with opened(url, told) as one, opened(url, told) as other:
        for manager in (one, other):
            await manager.transact(look, readonly=True)
        assert await asyncio.gather(one.transact(look), other.transact(look)) == [7, 7]
        assert all(manager._engines.witnesses.known for manager in (one, other))
        assert len(told) == 1
