"""An engine for each event loop, with our ears on it.

    running loop --first use--> engine (pooled) + asker (a fresh connection for each question)
         |                      + as many for each replica
         +-- shut down by asyncio.run: closed politely, while the loop still turns
         +-- found closed at the next use: torn off, nothing is awaited

Connections belong to the loop that opened them; a second ``asyncio.run`` gets an
engine of its own. An async generator that we leave suspended is what the loop
itself closes before it ends, and so the one public place to say goodbye from.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, field, replace
from functools import partial
from sys import float_info
from typing import Final, cast

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from ..resilience import PoolChanged, tell
from .commit import Certainty, Resolver, Sessions, Witnesses
from .config import DatabaseConfig, is_a
from .contention import Contention
from .drivers import abort
from .drivers.goodbye import begun, finish_saying, say, when_the_loop_ends
from .hosts.credentials import CredentialsCache
from .hosts.seeking import Hosts
from .listening import Destination, connect_arguments, listen_to_dialing, listen_to_driver
from .pool import COMPONENT, Keeper, PoolCounts, Terms, WatchedPool, doubt_after, ending
from .replicas import Readers, ReplicaStats
from .scope import Scope

__all__ = ["Engines", "LoopEngine"]

_GOODBYE: Final = 2.0
_NO_LOOP: Final = (
    "database: no event loop runs in this thread; call this in a coroutine,"
    " or from elsewhere by loop.call_soon_threadsafe"
)
_QUESTIONS: Final = {"sqlite": "SELECT count(*) FROM sqlite_master"}


@dataclass(frozen=True, slots=True)
class LoopEngine:
    """What one event loop has: the pooled engine, the asker, and who keeps the pool.

    *readers* are the replicas, *credentials* who logs in, *contention* the line of conflicts.
    """

    pooled: AsyncEngine
    asker: AsyncEngine
    keeper: Keeper
    readers: Readers
    credentials: CredentialsCache | None
    goodbye: AsyncGenerator[None, None]
    contention: Contention = field(default_factory=Contention)

    def keepers(self) -> Iterator[Keeper]:
        """Who keeps the pools: the primary's, and those of the replicas."""
        for engine in (self.pooled, *(one.pooled for one in self.readers.replicas)):
            yield cast("WatchedPool", engine.sync_engine.pool).keeper

    def pause(self) -> None:
        """Hand out no connection; who needs one waits."""
        with self._told("pause()"):
            for keeper in self.keepers():
                ending.pause(keeper)

    def resume(self) -> None:
        """Hand out connections again."""
        with self._told("resume()"):
            for keeper in self.keepers():
                ending.resume(keeper)

    async def drain(self, timeout: float) -> int:
        """Refuse whoever comes and wait for the lent; how many were torn off after *timeout*."""
        if not (is_a(timeout, int | float) and 0 <= timeout <= float_info.max):
            raise ValueError(f"database: drain waits for 0 or more seconds, not {timeout!r}")
        with self._told("drain()"):
            for keeper in self.keepers():
                keeper.queue.close()
        return sum(await asyncio.gather(*(ending.drain(one, timeout) for one in self.keepers())))

    @contextmanager
    def _told(self, cause: str) -> Iterator[None]:
        """Tell the listener, once for all pools, if they are in another state afterwards."""
        before = self.keeper.state
        yield
        if self.keeper.state != before:
            changed = PoolChanged(COMPONENT, before, self.keeper.state, cause)
            tell(self.keeper.terms.on_event, changed)

    async def close(self) -> None:
        """Refuse whoever waits or comes, and say goodbye, for two seconds at most."""
        for keeper in self.keepers():
            keeper.queue.close()
        if self.credentials is not None:
            self.credentials.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await self.readers.close()
                await self.pooled.dispose()


class Engines:
    """The engines of one manager, by event loop."""

    def __init__(self, terms: Terms, sessions: Sessions) -> None:
        self._terms = terms
        self._sessions = sessions
        self.witnesses = Witnesses(terms, self._fresh)
        self._resolver = Resolver(terms, self._fresh)
        self._by_loop: dict[asyncio.AbstractEventLoop, LoopEngine] = {}

    def primaries(self) -> list[Keeper]:
        """Who keeps the primary's pools, on all loops that still turn."""
        return [one.keeper for one in self._turning()]

    def current(self) -> LoopEngine:
        """The running loop's engine, made on first use. Raises RuntimeError without a loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(_NO_LOOP) from None
        found = self._by_loop.get(loop)
        return self._opened(loop) if found is None else found

    def resize(self, config: DatabaseConfig) -> None:
        """Make the pools of all loops and servers as large as *config* says, each on its loop."""
        self._terms = replace(self._terms, config=config)
        for keeper in (keeper for one in self._turning() for keeper in one.keepers()):
            keeper.loop.call_soon_threadsafe(ending.resize, keeper, config.kept, config.overflow)

    def doubt(self) -> None:
        """The server may be gone: ask it before an idle connection is lent again."""
        for keeper in self.primaries():
            keeper.doubt_all()

    def forgive(self) -> None:
        """The server is back: dial without waiting for the next try's time."""
        for keeper in self.primaries():
            keeper.growth.forgive()

    async def close(self) -> None:
        """Close the running loop's connections; tear off those of closed loops."""
        self._bury()
        found = self._by_loop.get(asyncio.get_running_loop())
        if found is not None:
            await found.goodbye.aclose()

    @asynccontextmanager
    async def reading(
        self, scope: Scope, on_primary: AbstractAsyncContextManager[AsyncSession]
    ) -> AsyncIterator[AsyncSession]:
        """A session on a replica that is fresh enough, else *on_primary*."""
        async with self.current().readers.session(scope, on_primary) as session:
            yield session

    async def ask(self) -> None:
        """A question to the server on a connection of its own. Raises what comes of it."""
        try:
            async with self._fresh() as connection:
                question = _QUESTIONS.get(connection.dialect.name, "SELECT 1")
                await connection.execute(text(question))
        except BaseException:
            self.doubt()
            raise

    def replicas(self, now: float) -> tuple[ReplicaStats, ...]:
        """The replicas of all loops that still turn."""
        found = self._turning()
        replicas = [replica for one in found for replica in one.readers.replicas]
        return tuple(replica.photograph(now, self._terms.config) for replica in replicas)

    def _turning(self) -> list[LoopEngine]:
        return [one for loop, one in list(self._by_loop.items()) if not loop.is_closed()]

    def _opened(self, loop: asyncio.AbstractEventLoop) -> LoopEngine:
        self._bury()
        when_the_loop_ends()
        terms = self._terms
        credentials = _credentials(terms, partial(self._retire, loop))
        pooled, asker = self._open(terms, credentials)
        # Only the primary is asked, for a replica can make no table.
        event.listen(pooled.sync_engine, "first_connect", self.witnesses.learn)
        self._by_loop[loop] = LoopEngine(
            pooled,
            asker,
            cast("WatchedPool", pooled.sync_engine.pool).keeper,
            self._readers(asker, credentials),
            credentials,
            begun(self._goodbye(loop)),
        )
        return self._by_loop[loop]

    def _readers(self, primary: AsyncEngine, credentials: CredentialsCache | None) -> Readers:
        terms = self._terms
        readers = Readers(primary, terms.config, self._sessions, terms.clock)
        for replica in terms.config.standbys:
            # What it counts is not the primary's: its pool has another size and other holders.
            name = ":".join(str(part) for part in replica.addresses[0] if part is not None)
            called = f"{COMPONENT} replica {name}"
            own = replace(terms, config=replica, counts=PoolCounts(), component=called)
            readers.add(name, *self._open(own, credentials))
        return readers

    def _open(
        self, terms: Terms, credentials: CredentialsCache | None
    ) -> tuple[AsyncEngine, AsyncEngine]:
        """The pooled engine of one database, and the one that only asks."""
        config = terms.config
        destination = Destination(Hosts(config.addresses), config.role, credentials)
        pooled = _pooled_engine(terms)
        certainty = Certainty(pooled.dialect, self.witnesses, self._resolver)
        listen_to_driver(pooled.sync_engine, terms, certainty, destination)
        event.listen(pooled.sync_engine, "handle_error", doubt_after)
        asker = create_async_engine(
            config.dialed,
            poolclass=NullPool,
            hide_parameters=True,
            connect_args=connect_arguments(config),
        )
        listen_to_dialing(asker.sync_engine, config.check_timeout, destination)
        return pooled, asker

    async def _goodbye(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            gone = self._by_loop.pop(loop)
            try:
                await gone.close()
            finally:
                for keeper in gone.keepers():
                    ending.tear_off(keeper)
            await finish_saying()

    @asynccontextmanager
    async def _fresh(self) -> AsyncIterator[AsyncConnection]:
        """A connection of its own. What was asked is known, whatever becomes of its goodbye."""
        connection = await self.current().asker.connect()
        driver_connection = (await connection.get_raw_connection()).driver_connection
        try:
            yield connection
        except BaseException:
            abort(driver_connection)
            raise
        finally:
            await say(partial(_left, connection, driver_connection))

    def _retire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Other credentials are in force: what was opened with the old ones is replaced."""
        for keeper in self._by_loop[loop].keepers():
            ending.retire(keeper)

    def _bury(self) -> None:
        # Several threads may find the same ones: each loop's engine is buried by who takes it out.
        for loop in list(self._by_loop):
            if loop.is_closed() and (gone := self._by_loop.pop(loop, None)) is not None:
                for keeper in gone.keepers():
                    ending.tear_off(keeper)


async def _left(connection: AsyncConnection, driver_connection: object) -> None:
    try:
        await connection.close()
    except BaseException:
        abort(driver_connection)
        raise


def _credentials(terms: Terms, changed: Callable[[], None]) -> CredentialsCache | None:
    config = terms.config
    if config.credentials is None:
        return None
    # Longer than a connection may take: a provider that is slow serves whoever comes next.
    timeout = min(config.attempt_timeout, config.timeout)
    return CredentialsCache(config.credentials, terms.clock, changed, timeout=timeout)


def _pooled_engine(terms: Terms) -> AsyncEngine:
    config = terms.config
    return create_async_engine(
        config.dialed,
        poolclass=WatchedPool,
        pool_size=config.kept,
        max_overflow=config.overflow,
        pool_timeout=config.pool_timeout,
        terms=terms,
        hide_parameters=True,
        connect_args=connect_arguments(config),
    )
