"""A dial that asyncio.run cancelled ended with an error, which asyncio told on stderr."""

import asyncio
import gc

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.drivers.on_psycopg import PromptConnection

pytestmark = pytest.mark.integration


def test_a_dial_that_is_cancelled_while_it_tells_of_vanished_clients_says_nothing(
    server, monkeypatch, caplog
):
    telling, spoken = asyncio.Event(), PromptConnection.execute

    async def hang(connection, query, *args, **terms):
        if "set_config" in str(query):
            telling.set()
            query = "SELECT pg_sleep(60)"
        return await spoken(connection, query, *args, **terms)

    async def program():
        manager = DatabaseManager(DatabaseConfig(url=server.url("psycopg")))

        async def ask():
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1"))

        asking = asyncio.create_task(ask())
        await telling.wait()
        await asyncio.sleep(0.1)
        return asking

    # What others have left is told before.
    gc.collect()
    caplog.clear()
    monkeypatch.setattr(PromptConnection, "execute", hang)
    asyncio.run(program())
    assert [record.getMessage() for record in caplog.records] == []
