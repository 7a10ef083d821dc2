"""Where the rows run: a PostgreSQL, proxies before it, and how much effort to spend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from lab.processors import apart

from koo.testing import FaultProxy, PostgresServer

__all__ = ["FULL", "QUICK", "Effort", "administrator", "place", "proxied"]

_SETTINGS = {"fsync": "off", "max_connections": "500"}
_ITEMS = """
CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, val double precision NOT NULL);
INSERT INTO item SELECT n, 'item ' || n, n / 7.0 FROM generate_series(1, 1000) AS n;
ANALYZE item;
"""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often everything is done, and how long one lap of a load lasts (seconds)."""

    pairs: int
    """Paired rounds of a load."""
    repeats: int
    """Rounds of what takes seconds."""
    samples: int
    """Requests that meet the same fault at the same time."""
    lap: float
    patience: float
    """After which a request in a black hole counts as hanging."""


FULL = Effort(pairs=15, repeats=3, samples=12, lap=0.25, patience=12.0)
QUICK = Effort(pairs=6, repeats=1, samples=4, lap=0.1, patience=4.0)


@asynccontextmanager
async def place() -> AsyncIterator[PostgresServer]:
    """A server of one's own with a table ``item`` of a thousand rows."""
    server = PostgresServer(settings=_SETTINGS)
    await asyncio.to_thread(server.start)
    try:
        with apart(server.pid):
            async with administrator(server) as admin:
                await admin.execute(_ITEMS)
            yield server
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def administrator(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    """A connection past every proxy and pool."""
    admin = await asyncpg.connect(server.url(""))
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def proxied(server: PostgresServer) -> AsyncIterator[FaultProxy]:
    """A proxy before the server."""
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        yield proxy
