"""The server behind every proxy, and a way to look at it that no fault reaches."""

import asyncio
import itertools
import time
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from koo.database import DatabaseConfig, DatabaseManager
from koo.testing import PostgresServer

FEW = 6
"""As many are played again at once: with all others nothing would be better."""


class Ledger:
    """A server with an empty ledger."""

    def __init__(self, server):
        self.port = server.port
        self.url = server.url
        self._engine = None
        self.rows = itertools.count(1)
        """A row for each play of a case."""

    @asynccontextmanager
    async def opened(self):
        self.few_at_once, self.repeated = asyncio.Semaphore(FEW), 0
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

    async def backends(self, ports):
        """What the backends do that serve the clients at these ports."""
        async with self.look() as connection:
            found = await connection.execute(text(self.BACKENDS), {"ports": sorted(ports)})
            return list(found.scalars())


class PostgresLedger(Ledger):
    BACKENDS = "SELECT state FROM pg_stat_activity WHERE client_port = ANY(:ports)"


class MariadbLedger(Ledger):
    BACKENDS = """
        SELECT SUBSTRING_INDEX(host, ':', -1) AS port,
               IF(command = 'Sleep' AND trx_id IS NULL, 'idle', CONCAT_WS(' ', command, trx_state))
        FROM information_schema.processlist
        LEFT JOIN information_schema.innodb_trx ON trx_mysql_thread_id = id
    """
    STALE_AFTER = 0.15
    """InnoDB tells of its transactions anew only if nobody has asked for 0.1 s."""

    def __init__(self, server):
        super().__init__(server)
        self._one_asks = asyncio.Lock()
        self._seen = []
        self._seen_at = 0.0

    async def backends(self, ports):
        asked_at = time.monotonic()
        async with self._one_asks:
            if self._seen_at < asked_at:
                await asyncio.sleep(self._seen_at + self.STALE_AFTER - time.monotonic())
                self._seen_at = time.monotonic()
                async with self.look() as connection:
                    self._seen = (await connection.execute(text(self.BACKENDS))).all()
        return [state for port, state in self._seen if port in set(map(str, ports))]


async def make_witness(url):
    """So that no case is the first, whose transaction makes the table for all."""
    manager = DatabaseManager(DatabaseConfig(url=url))
    await manager.transact(lambda session: session.execute(text("SELECT 2")))
    await manager.close()


@pytest.fixture(scope="session")
def crowded():
    """A server with room for many cases at once."""
    settings = {"fsync": "off", "max_connections": "300"}
    with PostgresServer(settings=settings, start_timeout=120) as server:
        yield PostgresLedger(server)


@pytest.fixture
def ledger(driver, request):
    """The ledger that *driver* speaks to."""
    if driver == "asyncmy":
        return MariadbLedger(request.getfixturevalue("mariadb"))
    return request.getfixturevalue("crowded")
