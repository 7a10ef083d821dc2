"""Starts PostgreSQL again, on the same port and data, when somebody has killed it."""

from __future__ import annotations

import asyncio
from typing import Final

from koo.resilience import Clock
from koo.testing import PostgresServer

__all__ = ["supervise"]

_GLANCE: Final = 0.2
_PAUSE: Final = 10.0


async def supervise(postgres: PostgresServer, *, clock: Clock) -> None:
    """Look after *postgres* until cancelled; whoever killed it sees ten seconds of outage."""
    print(f"to see an outage: kill -9 {postgres.pid}; Ctrl-C ends everything")
    while True:
        await clock.sleep(_GLANCE)
        if not postgres.running:
            print(f"PostgreSQL     is gone; it is started again in {_PAUSE:.0f} s")
            await clock.sleep(_PAUSE)
            await _start(postgres)


async def _start(postgres: PostgresServer) -> None:
    try:
        await asyncio.to_thread(postgres.start)
    except (OSError, RuntimeError) as error:
        print(f"PostgreSQL     did not start; {error}")
    else:
        print(f"PostgreSQL     is back on port {postgres.port}; process {postgres.pid}")
