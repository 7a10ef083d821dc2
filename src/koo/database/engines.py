"""An engine for each event loop, with our ears on it.

    running loop --first use--> engine (pooled) + asker (a fresh connection for each question)
         |
         +-- shut down by asyncio.run: closed politely, while the loop still turns
         +-- found closed at the next use: torn off, nothing is awaited

Connections belong to the loop that opened them; a second ``asyncio.run`` gets an
engine of its own. An async generator that we leave suspended is what the loop
itself closes before it ends, and so the one public place to say goodbye from.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from ..resilience import Clock
from .config import DatabaseConfig
from .drivers import abort
from .drivers.goodbye import finish_saying
from .listening import connect_arguments, listen_to_dialing, listen_to_driver
from .pool import HOLDING, PoolCounts, Roster, WatchedPool
from .validation import BORN, Recycled, Validation

__all__ = ["Engines", "LoopEngine"]

_GOODBYE: Final = 2.0


@dataclass(frozen=True, slots=True)
class LoopEngine:
    """What one event loop has: the pooled engine, the asker, and who is out."""

    pooled: AsyncEngine
    asker: AsyncEngine
    roster: Roster
    goodbye: AsyncGenerator[None, None]

    def tear_off(self) -> None:
        """Drop every connection at once; the loop they belong to is closed."""
        for connection in list(self.roster.drivers.values()):
            with suppress(RuntimeError):
                abort(connection)
        self.roster.drivers.clear()
        self.roster.holdings.clear()


class Engines:
    """The engines of one manager, by event loop."""

    def __init__(self, config: DatabaseConfig, counts: PoolCounts, clock: Clock) -> None:
        self._config = config
        self._counts = counts
        self._clock = clock
        self._by_loop: dict[asyncio.AbstractEventLoop, LoopEngine] = {}

    def rosters(self) -> list[Roster]:
        """The rosters of all loops that still turn."""
        return [one.roster for loop, one in self._by_loop.items() if not loop.is_closed()]

    def current(self) -> LoopEngine:
        """The running loop's engine, made on first use."""
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        return self._opened(loop) if found is None else found

    async def close(self) -> None:
        """Close the running loop's connections; tear off those of closed loops."""
        self._bury()
        found = self._by_loop.get(asyncio.get_running_loop())
        if found is not None:
            await found.goodbye.aclose()

    def _opened(self, loop: asyncio.AbstractEventLoop) -> LoopEngine:
        self._bury()
        config = self._config
        roster = Roster(config.kept + config.overflow, self._counts, self._clock)
        pooled = _pooled_engine(config, roster)
        listen_to_driver(pooled.sync_engine, config, self._clock, self._counts.response_time)
        # Last, so that a connection counts as open only when its preparation is through.
        _listen_to_pool(pooled, roster)
        validation = Validation(config, pooled.dialect, self._clock)
        event.listen(pooled.sync_engine, "checkout", validation)
        asker = create_async_engine(
            config.url,
            poolclass=NullPool,
            hide_parameters=True,
            connect_args=connect_arguments(config),
        )
        listen_to_dialing(asker.sync_engine, config.check_timeout)
        goodbye = self._goodbye(loop)
        self._by_loop[loop] = LoopEngine(pooled, asker, roster, goodbye)
        # Runs to the first yield without suspending; only then does the loop know of it.
        with suppress(StopIteration):
            goodbye.__anext__().send(None)
        return self._by_loop[loop]

    async def _goodbye(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            gone = self._by_loop.pop(loop)
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE):
                    await gone.pooled.dispose()
            gone.tear_off()
            await finish_saying()

    def _bury(self) -> None:
        for loop in [loop for loop in self._by_loop if loop.is_closed()]:
            self._by_loop.pop(loop).tear_off()


def _pooled_engine(config: DatabaseConfig, roster: Roster) -> AsyncEngine:
    return create_async_engine(
        config.url,
        poolclass=WatchedPool,
        pool_size=config.kept,
        max_overflow=config.overflow,
        pool_timeout=config.pool_timeout,
        roster=roster,
        hide_parameters=True,
        connect_args=connect_arguments(config),
    )


# -- what the pool tells ------------------------------------------------------------


def _listen_to_pool(engine: AsyncEngine, roster: Roster) -> None:
    listen = partial(event.listen, engine.sync_engine)
    counts = roster.counts

    def opened(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        counts.created.add()
        record.info[BORN] = roster.clock.monotonic()
        roster.drivers[id(connection)] = record.driver_connection

    def closed(connection: DBAPIConnection, _record: object = None) -> None:
        counts.closed.add()
        roster.drivers.pop(id(connection), None)

    def returned(_connection: object, record: ConnectionPoolEntry) -> None:
        holding = record.record_info and record.record_info.pop(HOLDING, None)
        if holding:
            roster.take_back(holding)

    def invalidated(_connection: object, _record: object, error: BaseException | None) -> None:
        (counts.recycled if isinstance(error, Recycled) else counts.invalidated).add()

    listen("connect", opened)
    listen("close", closed)
    listen("close_detached", closed)
    listen("checkin", returned)
    listen("detach", returned)
    listen("invalidate", invalidated)
