"""Who stood in line got a connection as it came back, though nobody had heard of it for long.

It had lost its way while its borrower computed, or its server had just said that it was going:
whoever came afterwards had it verified, and who waited for it paid with the whole time of a
statement. And the answer to a COMMIT was none: after a transaction that had thought for a second
before it, each connection was asked once more.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import greenlet_spawn

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.pool import lending, slot_of, slots
from koo.testing import Action, Direction, FaultProxy

from ...database.pool.conftest import house

__all__ = ["house"]

DRIVERS = pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])


async def stand_in_line(home):
    """Somebody who waits for the only connection."""
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0)
    assert home.places.waiting == 1
    return waiting


async def test_a_connection_that_was_silent_on_loan_is_verified_for_who_stands_in_line(house):
    home = house(pool_size=1, max_overflow=0)
    silent = await home.borrow()
    waiting = await stand_in_line(home)
    await asyncio.sleep(1.1)
    silent.dbapi_connection.is_silent = True
    await greenlet_spawn(silent.close)
    await waiting
    assert (home.server.pings, home.server.dials) == (1, 2)
    home.assert_whole()


async def test_so_is_one_whose_server_may_be_going(house):
    home = house(pool_size=1, max_overflow=0)
    lent = await home.borrow()
    waiting = await stand_in_line(home)
    slot = slot_of(lent)
    slot.heard, slot.is_doubtful = home.clock.monotonic(), True
    await greenlet_spawn(lent.close)
    await waiting
    assert (home.server.pings, home.server.dials) == (1, 1)


async def test_one_that_was_heard_just_now_is_handed_on_as_it_is(house):
    home = house(pool_size=2, max_overflow=0)
    await home.warm(2)
    await asyncio.gather(*(home.use(1.5) for _ in range(20)))
    assert home.stats().checkouts_total == 22
    assert (home.server.pings, home.server.dials) == (0, 2)
    home.assert_whole()


@pytest.fixture
def opened(server):
    """A manager with a pool of so many connections by way of a proxy."""

    @asynccontextmanager
    async def build(driver, size):
        async with FaultProxy("127.0.0.1", server.port) as proxy:
            url = server.url(driver, port=proxy.port)
            manager = DatabaseManager(DatabaseConfig(url=url, pool_size=size, max_overflow=0))
            try:
                yield manager, proxy
            finally:
                await manager.close()

    return build


async def ask(manager):
    async with manager.session_scope() as session:
        await session.execute(text("SELECT 1"))


def slots_of(manager):
    return manager.engine.sync_engine.pool.keeper.slots


@pytest.mark.integration
@DRIVERS
async def test_a_connection_that_lost_its_way_on_loan_costs_who_waits_for_it_a_moment(
    opened, driver
):
    async with opened(driver, 1) as (manager, proxy):
        computed = asyncio.Event()

        async def compute(_):
            await computed.wait()

        await ask(manager)
        (slot,) = slots_of(manager)
        computing = asyncio.create_task(manager.transact(compute))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(ask(manager))
        async with asyncio.timeout(20):
            while not manager.stats().pool.waiting:
                await asyncio.sleep(0)
            # As if it had computed for a second.
            slot.heard -= 1.0
            proxy.hook = lambda chunk: Action.DROP if chunk.connection == 1 else Action.PASS
            computed.set()
            await asyncio.gather(computing, waiting)
        assert slot not in slots_of(manager)


@pytest.mark.integration
@DRIVERS
async def test_who_hands_a_hot_connection_on_says_nothing_more(opened, driver, monkeypatch):
    # However long the machine stands still.
    for room in (slots, lending):
        monkeypatch.setattr(room, "HOT", 60.0)
    async with opened(driver, 2) as (manager, proxy):
        await asyncio.gather(*(ask(manager) for _ in range(40)))
        said = []
        proxy.witness = lambda chunk: said.append(chunk.direction)
        await asyncio.gather(*(ask(manager) for _ in range(20)))
        proxy.witness = None
        # BEGIN, the statement and COMMIT.
        assert said.count(Direction.TO_SERVER) == 20 * 3
        assert manager.stats().pool.created_total == 2


@pytest.mark.integration
@DRIVERS
@pytest.mark.parametrize("end", [AsyncSession.commit, AsyncSession.rollback])
async def test_the_answer_to_the_end_of_a_transaction_is_heard(opened, driver, end):
    async with opened(driver, 1) as (manager, _), manager.session_scope() as session:
        await session.execute(text("SELECT 1"))
        (slot,) = slots_of(manager)
        slot.heard = long_ago = slot.heard - 5.0
        await end(session)
        assert slot.heard > long_ago + 4.0


@pytest.mark.integration
@DRIVERS
@pytest.mark.parametrize("end", [AsyncSession.commit, AsyncSession.rollback])
async def test_the_end_of_a_transaction_in_which_nothing_was_said_is_heard_by_nobody(
    opened, driver, end
):
    async with opened(driver, 1) as (manager, _):
        await ask(manager)
        (slot,) = slots_of(manager)
        async with manager.session_scope() as session:
            await session.connection()
            before = slot.heard
            await end(session)
            assert slot.heard == before
