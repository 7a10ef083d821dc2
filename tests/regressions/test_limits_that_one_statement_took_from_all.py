"""A statement whose session was closed kept its limit's timer from ending any other."""

import asyncio
import gc
from contextlib import suppress

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager, StatementTimedOut
from koo.testing import PostgresServer

from ..database.servers import MariadbServer

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=["asyncpg", "psycopg", "asyncmy"])
def server(request):
    """The URL of a server, and a statement that takes a minute there."""
    if request.param == "asyncmy":
        with MariadbServer() as server:
            yield server.url(), text("SELECT sleep(60)")
    else:
        with PostgresServer(settings={"fsync": "off"}) as server:
            yield server.url(request.param), text("SELECT pg_sleep(60)")


async def test_a_statement_that_its_session_has_left_leaves_others_their_limit(server):
    await play(*server)
    gc.collect()


async def play(url, endless):
    manager = DatabaseManager(DatabaseConfig(url=url, timeout=3.0))
    tasks = []

    async def innocent():
        async with manager.session_scope() as session:
            await session.execute(endless)

    async def leave():
        async with manager.session_scope() as session:
            await session.execute(text("SELECT 1"))
            tasks.append(asyncio.create_task(session.execute(endless)))
            await asyncio.sleep(0.05)
            tasks.append(asyncio.create_task(innocent()))
            await asyncio.sleep(0.05)

    with suppress(Exception):
        await asyncio.wait_for(leave(), 20)
    left, hurt = tasks
    with pytest.raises(StatementTimedOut):
        await asyncio.wait_for(hurt, 20)
    assert (await asyncio.wait({left}, timeout=20))[0]
    await manager.close()
