"""One connection lost while koo looked for its table, or made it, took the witness for a minute.

Each COMMIT that was lost in that time was `CommitOutcomeUnknown`: just when a process had been
started in the middle of trouble.
"""

import asyncio
import contextlib
import time

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.resilience import Backoff, RetryConfig
from koo.testing import Action, Direction, FaultProxy, LinkFault, Phase

from ...database.saying import rows
from ...database.servers import MariadbServer, fresh_postgres

pytestmark = pytest.mark.integration

LOOK, MAKE = b"AS found", b"CREATE TABLE IF NOT EXISTS koo"
RETRY = RetryConfig(backoff=Backoff(base_delay=0.01, max_delay=0.05))
FORGET = {"postgresql": "DROP SCHEMA IF EXISTS koo CASCADE"}


@pytest.fixture(scope="module", params=["asyncpg", "psycopg", "asyncmy"])
def url(request):
    """`url(port=None)`: where a server is, by a driver."""
    serving = MariadbServer() if request.param == "asyncmy" else fresh_postgres()
    with serving as server:
        yield lambda port=server.port: server.url(request.param, port=port)


@contextlib.asynccontextmanager
async def opened(url):
    manager = DatabaseManager(DatabaseConfig(url=url, retry=RETRY))
    try:
        yield manager
    finally:
        await manager.close()


def port_of(url):
    return int(url.rpartition("/")[0].rpartition(":")[2])


async def clear(manager):
    """A ledger that is empty, and no table of tokens."""
    forget = FORGET.get(manager.config.location.get_backend_name())
    async with manager.session_scope() as session:
        await session.execute(text(forget or "DROP TABLE IF EXISTS koo_commit_tokens"))
        await session.execute(text("DROP TABLE IF EXISTS ledger"))
        await session.execute(text("CREATE TABLE ledger (n INTEGER)"))


async def book(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))
    return "booked"


def cutting(words):
    """A hook that cuts the first connection on which the *words* go to the server."""
    said = []

    def hook(chunk):
        if said or chunk.direction is not Direction.TO_SERVER or words not in chunk.payload:
            return Action.PASS
        said.append(chunk.connection)
        return Action.CUT

    return hook, said


async def lose_a_commit(manager, proxy):
    proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
    booking = asyncio.ensure_future(manager.transact(book))
    await proxy.struck.wait()
    await proxy.heal()
    return await booking


async def test_a_first_look_that_is_lost_is_repeated_at_once(url):
    async with (
        opened(url()) as direct,
        FaultProxy("127.0.0.1", port_of(url())) as proxy,
        opened(url(proxy.port)) as manager,
    ):
        await clear(direct)
        await direct.transact(book)
        proxy.hook, cut = cutting(LOOK)
        assert await manager.transact(book) == "booked"
        assert cut
        assert await lose_a_commit(manager, proxy) == "booked"
        assert await rows(direct) == 3


async def test_a_table_that_was_not_made_is_made_a_second_later(url):
    async with (
        opened(url()) as direct,
        FaultProxy("127.0.0.1", port_of(url())) as proxy,
        opened(url(proxy.port)) as manager,
    ):
        await clear(direct)
        proxy.hook, cut = cutting(MAKE)
        assert await manager.transact(book) == "booked"
        assert cut
        witnesses = manager._engines.witnesses
        witnesses._now = lambda: time.monotonic() + 1
        async with asyncio.timeout(30):
            while await witnesses.ready() is None:
                await asyncio.sleep(0.01)
        assert await lose_a_commit(manager, proxy) == "booked"
        assert await rows(direct) == 2
