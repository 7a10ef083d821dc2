"""A drain tore off, at its deadline, who had come after it was called off; the books went below 0.

Beside it, in the same room: a pool made smaller by one closed everything idle, a pause ended with
connections that nobody had looked at, and who was served at once was remembered as a newcomer.
And whoever drained a pool that somebody else then closed slept to the end of the drain.
"""

import asyncio

import pytest

from koo.database.pool.ending import drain, pause, resize, resume, tear_off

from ...database.pool.conftest import house

__all__ = ["house"]


async def test_who_comes_after_a_drain_was_called_off_keeps_the_connection(house):
    home = house(pool_size=3)
    early = asyncio.create_task(home.use(5.0))
    await asyncio.sleep(1)
    draining = asyncio.create_task(drain(home.keeper, 1.0))
    await asyncio.sleep(0.5)
    resume(home.keeper)
    late = asyncio.create_task(home.use(5.0))
    assert await draining == 0
    assert not home.told("aborted")
    await asyncio.gather(early, late)
    await asyncio.sleep(0.5)
    home.assert_whole()


async def test_a_second_drain_is_not_cut_short_by_the_first(house):
    home = house(pool_size=1)
    working = asyncio.create_task(home.use(5.0))
    await asyncio.sleep(1)
    first = asyncio.create_task(drain(home.keeper, 1.0))
    await asyncio.sleep(0.5)
    resume(home.keeper)
    second = asyncio.create_task(drain(home.keeper, 10.0))
    assert [await first, await second] == [0, 0]
    await working
    assert home.clock.monotonic() < 6
    home.assert_whole()


async def test_a_drain_is_over_when_the_pool_is_closed(house):
    home = house(pool_size=1)
    working = asyncio.create_task(home.use(20.0))
    await asyncio.sleep(1)
    draining = asyncio.create_task(drain(home.keeper, 10.0))
    await asyncio.sleep(0.5)
    tear_off(home.keeper)
    assert await draining == 0
    assert home.clock.monotonic() == pytest.approx(1.5)
    await working


async def test_a_pool_made_smaller_by_one_closes_one(house):
    home = house(pool_size=10, max_overflow=0)
    await home.warm(10)
    resize(home.keeper, 9, 0)
    await asyncio.sleep(0.5)
    assert (home.keeper.total, home.told("closed")) == (9, ["the pool was made smaller"])
    home.assert_whole()


async def test_what_died_during_a_pause_is_lent_to_nobody(house):
    home = house(pool_size=1)
    await home.warm(1)
    pause(home.keeper)
    visit = asyncio.create_task(home.use())
    await asyncio.sleep(2)
    (slot,) = home.keeper.slots
    home.server.kill(slot.connection)
    resume(home.keeper)
    assert await visit is not slot.connection
    home.assert_whole()


async def test_what_was_silent_during_a_pause_is_asked_first(house):
    home = house(pool_size=1)
    await home.warm(1)
    pause(home.keeper)
    visit = asyncio.create_task(home.use())
    await asyncio.sleep(2)
    resume(home.keeper)
    await visit
    assert (home.server.dials, home.server.pings) == (1, 1)


async def test_who_was_served_at_once_is_no_newcomer_in_the_line(house):
    home = house(pool_size=1)
    connection = await home.use()
    connection.__class__ = type("InThisProcess", (type(connection),), {"__module__": "aiosqlite"})
    for _ in range(5):
        await asyncio.sleep(2)
        assert await home.use() is connection
    assert home.server.pings == 0
    assert home.keeper.queue._newcomers == []
