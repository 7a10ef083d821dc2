"""A pool on a virtual-time loop, before a server that does as it is told."""

import asyncio
import contextlib

import pytest
from sqlalchemy.util import await_, greenlet_spawn

from koo.database import DatabaseConfig
from koo.database.pool import PoolCounts, Terms, WatchedPool, slot_of
from koo.testing import running_clock


class Server:
    """Accepts, refuses, hangs; knows every connection that is open to it."""

    def __init__(self):
        self.connect_time = 0.15
        self.ping_time = 0.001
        self.error = None
        self.silent = False
        self.open = set()
        self.dials = self.pings = self.connections = 0

    def dial(self):
        self.dials += 1
        await_(asyncio.sleep(self.connect_time))
        if self.error is not None:
            raise self.error
        connection = Connection(self)
        self.open.add(connection)
        return connection

    def kill(self, connection):
        connection.terminate()


class Connection:
    """What the pool takes for an asyncpg connection and for SQLAlchemy's adapter of it."""

    def __init__(self, server):
        self.server = server
        server.connections += 1
        self.number = server.connections
        self.is_silent = self.answers_at_the_end = self.is_busy = False
        self.goodbye_time = 0.0
        self._end = asyncio.get_running_loop().create_future()

    def is_closed(self):
        return self not in self.server.open

    def end(self):
        self.terminate()

    def terminate(self):
        self.server.open.discard(self)
        if not self._end.done():
            self._end.set_result(None)

    async def execute(self, _):
        self.server.pings += 1
        silent = self.is_silent or self.server.silent
        answer = asyncio.sleep(1e6 if silent else self.server.ping_time)
        answering = asyncio.ensure_future(answer)
        await asyncio.wait({answering, self._end}, return_when=asyncio.FIRST_COMPLETED)
        answering.cancel()
        if self.is_closed() and not self.answers_at_the_end:
            raise ConnectionResetError("closed in the middle of an operation")

    def rollback(self):
        pass

    def close(self):
        if self.goodbye_time:
            await_(asyncio.sleep(self.goodbye_time))
        self.terminate()


Connection.__module__ = "asyncpg.fake"


class Dialect:
    is_async = True
    has_terminate = True

    def do_rollback(self, connection):
        connection.rollback()

    def do_close(self, connection):
        connection.close()

    def do_terminate(self, connection):
        connection.terminate()

    def get_driver_connection(self, connection):
        return connection


class House:
    """One pool and its server."""

    def __init__(self, **config):
        self.server = Server()
        self.events = []
        self.clock = running_clock()
        self.config = DatabaseConfig(url="postgresql://x/y", **config)
        self.counts = PoolCounts()
        terms = Terms(self.config, self.counts, self.clock, lambda: 0.5, self.events.append)
        self.pool = WatchedPool(
            self.server.dial, terms, timeout=self.config.pool_timeout, dialect=Dialect()
        )
        self.keeper = self.pool.keeper
        self.places = self.keeper.places

    async def borrow(self):
        return await greenlet_spawn(self.pool.connect)

    @contextlib.asynccontextmanager
    async def lent(self):
        connection = await self.borrow()
        try:
            yield connection
        finally:
            slot_of(connection).heard = self.clock.monotonic()
            await greenlet_spawn(connection.close)

    async def use(self, seconds=0.0):
        async with self.lent() as connection:
            await asyncio.sleep(seconds)
            return connection.dbapi_connection

    async def warm(self, number):
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.gather(*(stack.enter_async_context(self.lent()) for _ in range(number)))

    def told(self, what):
        return [event.cause for event in self.events if event.what == what]

    def stats(self):
        return self.counts.photograph([self.keeper], self.config, self.clock.monotonic())

    def assert_whole(self):
        """Every place is accounted for, and the server knows of no connection that we don't."""
        places = self.places
        assert (places.lent, places.dialing, places.checking, places.closing) == (0, 0, 0, 0)
        assert places.waiting == 0
        assert {slot.connection for slot in places.idle} == self.server.open
        assert set(places.idle) == self.keeper.slots
        assert self.counts.checkouts.value == self.counts.checkins.value
        assert self.counts.created.value - self.counts.closed.value == len(places.idle)


ABORTS = (
    "pool.keeper",
    "pool.lending",
    "pool.slots",
    "drivers.liveness",
    "drivers.deadlined",
)


@pytest.fixture
def house(monkeypatch):
    """A pool before a server of its own, whose connections need no driver to be torn off."""
    for module in ABORTS:
        monkeypatch.setattr(f"koo.database.{module}.abort", Connection.end)
    monkeypatch.setattr("koo.database.pool.slots.alarm_of", lambda driver: driver.is_closed)
    monkeypatch.setattr(
        "koo.database.pool.slots.unfinished_of", lambda _, theirs: lambda: theirs.is_busy
    )
    return House
