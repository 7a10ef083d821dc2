"""The server behind every proxy, and a way to look at it that no fault reaches."""

from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from koo.database import DatabaseConfig, DatabaseManager
from koo.testing import PostgresServer, free_port


class Ledger:
    """A server with an empty ledger."""

    def __init__(self, server):
        self.port = server.port
        self.url = server.url
        self._engine = None
        self._ports = {}

    def port_for(self, case):
        """A port for the case's proxy, that no other case draws."""
        while (port := free_port()) in self._ports.values():
            continue
        return self._ports.setdefault(case, port)

    @asynccontextmanager
    async def opened(self):
        self._engine = create_async_engine(self.url(), isolation_level="AUTOCOMMIT")
        await make_witness(self.url())
        try:
            async with self.look() as connection:
                await connection.execute(text("DROP TABLE IF EXISTS ledger"))
                await connection.execute(text("CREATE TABLE ledger (n INTEGER)"))
            yield self
        finally:
            await self._engine.dispose()

    @asynccontextmanager
    async def look(self):
        async with self._engine.connect() as connection:
            yield connection


async def make_witness(url):
    """So that no case is the first, whose transaction makes the table for all."""
    manager = DatabaseManager(DatabaseConfig(url=url))
    await manager.transact(lambda session: session.execute(text("SELECT 2")))
    await manager.close()


@pytest.fixture(scope="session")
def crowded():
    """A server with room for many cases at once."""
    with PostgresServer(settings={"fsync": "off", "max_connections": "300"}) as server:
        yield Ledger(server)
