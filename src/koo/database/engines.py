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
from dataclasses import dataclass, field, replace
from typing import Final, cast

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from .commit import Certainty, Resolver, Witnesses
from .config import DatabaseConfig
from .contention import Contention
from .drivers.encryption import address_of
from .drivers.goodbye import finish_saying
from .listening import connect_arguments, listen_to_dialing, listen_to_driver
from .pool import Keeper, Terms, WatchedPool, doubt_after, ending

__all__ = ["Engines", "LoopEngine"]

_GOODBYE: Final = 2.0


@dataclass(frozen=True, slots=True)
class LoopEngine:
    """What one event loop has: two engines, who keeps the pool, and the line of conflicts."""

    pooled: AsyncEngine
    asker: AsyncEngine
    keeper: Keeper
    goodbye: AsyncGenerator[None, None]
    contention: Contention = field(default_factory=Contention)


class Engines:
    """The engines of one manager, by event loop."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.witnesses = Witnesses(terms, self._fresh)
        self._resolver = Resolver(terms, self._fresh)
        self._by_loop: dict[asyncio.AbstractEventLoop, LoopEngine] = {}

    def keepers(self) -> list[Keeper]:
        """The keepers of all loops that still turn."""
        return [one.keeper for loop, one in self._by_loop.items() if not loop.is_closed()]

    def current(self) -> LoopEngine:
        """The running loop's engine, made on first use."""
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        return self._opened(loop) if found is None else found

    def resize(self, config: DatabaseConfig) -> None:
        """Make the pools of all loops as large as *config* says, each on its own loop."""
        self._terms = replace(self._terms, config=config)
        for keeper in self.keepers():
            keeper.loop.call_soon_threadsafe(ending.resize, keeper, config.kept, config.overflow)

    def doubt(self) -> None:
        """The server may be gone: ask it before an idle connection is lent again."""
        for keeper in self.keepers():
            keeper.doubt_all()

    def forgive(self) -> None:
        """The server is back: dial without waiting for the next try's time."""
        for keeper in self.keepers():
            keeper.growth.forgive()

    async def close(self) -> None:
        """Close the running loop's connections; tear off those of closed loops."""
        self._bury()
        found = self._by_loop.get(asyncio.get_running_loop())
        if found is not None:
            await found.goodbye.aclose()

    def _opened(self, loop: asyncio.AbstractEventLoop) -> LoopEngine:
        self._bury()
        config = self._terms.config
        pooled = _pooled_engine(self._terms)
        event.listen(pooled.sync_engine, "first_connect", self.witnesses.learn)
        certainty = Certainty(pooled.dialect, self.witnesses, self._resolver)
        listen_to_driver(pooled.sync_engine, self._terms, certainty)
        event.listen(pooled.sync_engine, "handle_error", doubt_after)
        asker = create_async_engine(
            address_of(config.location),
            poolclass=NullPool,
            hide_parameters=True,
            connect_args=connect_arguments(config),
        )
        listen_to_dialing(asker.sync_engine, config.check_timeout)
        goodbye = self._goodbye(loop)
        keeper = cast("WatchedPool", pooled.sync_engine.pool).keeper
        self._by_loop[loop] = LoopEngine(pooled, asker, keeper, goodbye)
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
            gone.keeper.tear_off()
            await finish_saying()

    def _fresh(self) -> AsyncConnection:
        return self.current().asker.connect()

    def _bury(self) -> None:
        for loop in [loop for loop in self._by_loop if loop.is_closed()]:
            self._by_loop.pop(loop).keeper.tear_off()


def _pooled_engine(terms: Terms) -> AsyncEngine:
    config = terms.config
    return create_async_engine(
        address_of(config.location),
        poolclass=WatchedPool,
        pool_size=config.kept,
        max_overflow=config.overflow,
        pool_timeout=config.pool_timeout,
        terms=terms,
        hide_parameters=True,
        connect_args=connect_arguments(config),
    )
