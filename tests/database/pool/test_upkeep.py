"""What happens to connections while nobody calls."""

import asyncio

import pytest
from sqlalchemy.util import greenlet_spawn

from koo.database.scope import Scope


async def test_overflow_goes_when_it_has_been_idle_for_half_a_minute(house):
    home = house(pool_size=2, max_overflow=8, pool_recycle=-1)
    await home.warm(5)
    await asyncio.sleep(25)
    await home.use()
    assert home.keeper.total >= 5
    await asyncio.sleep(10)
    assert home.keeper.total == 2
    assert set(home.told("closed")) == {"it was idle, and more than are kept"}
    home.assert_whole()


async def test_overflow_that_is_of_use_stays(house):
    home = house(pool_size=1, max_overflow=2, pool_recycle=-1)
    for _ in range(10):
        await home.warm(3)
        await asyncio.sleep(10)
    assert home.server.dials <= 3


async def test_what_is_kept_stays_for_ever_and_is_pinged_now_and_then(house):
    home = house(pool_size=2, pool_recycle=-1)
    await home.warm(2)
    await asyncio.sleep(3600)
    assert home.server.dials == 2
    assert home.server.pings == pytest.approx(2 * 30, abs=2)
    home.assert_whole()


async def test_a_silent_idle_connection_is_found_and_dropped(house):
    home = house(pool_size=1, pool_recycle=-1)
    await home.use()
    home.server.silent = True
    await asyncio.sleep(125)
    assert home.keeper.total == 0
    home.assert_whole()


async def test_a_dead_idle_connection_is_found_at_the_next_beat(house):
    home = house(pool_size=3)
    await home.warm(3)
    home.server.kill(home.places.idle[0].connection)
    await asyncio.sleep(1.5)
    assert home.keeper.total == 2
    home.assert_whole()


async def test_an_old_connection_is_replaced_before_anybody_waits_for_it(house):
    home = house(pool_size=4, max_overflow=4, pool_recycle=2.0)
    await home.warm(4)
    longest = 0.0
    for _ in range(2000):
        began = home.clock.monotonic()
        await home.use()
        longest = max(longest, home.clock.monotonic() - began)
        await asyncio.sleep(0.01)
    assert longest == 0
    assert home.stats().recycled_total >= 30
    assert {slot.born > home.clock.monotonic() - 2.6 for slot in home.keeper.slots} == {True}
    assert set(home.told("recycled")) == {"it had reached its age"}
    await asyncio.sleep(0.5)


async def test_without_room_an_old_one_goes_before_another_comes(house):
    home = house(pool_size=1, max_overflow=0, pool_recycle=2.0)
    first = await home.use()
    await asyncio.sleep(2.5)
    (slot,) = home.keeper.slots
    assert slot.connection is not first
    assert home.server.dials == 2


async def test_an_old_one_that_is_lent_goes_when_it_comes_back(house):
    home = house(pool_size=1, max_overflow=0, pool_recycle=2.0)
    await home.use(5.0)
    assert home.stats().recycled_total == 1
    await asyncio.sleep(0.5)
    assert (home.server.dials, home.keeper.total) == (2, 1)
    home.assert_whole()


async def test_lifetimes_end_at_different_times(house):
    home = house(pool_size=2, pool_recycle=100.0)
    luck = iter([0.0, 1.0])
    home.keeper.upkeep._random = lambda: next(luck)
    await home.warm(2)
    lives = sorted(slot.expires - slot.born for slot in home.keeper.slots)
    assert lives == [75.0, 100.0]


async def test_nothing_is_replaced_while_the_server_is_down(house):
    home = house(pool_size=2, max_overflow=2, pool_recycle=10.0)
    await home.warm(2)
    home.server.error = ConnectionRefusedError()
    await asyncio.sleep(20)
    assert home.keeper.total == 2
    home.server.error = None
    await asyncio.sleep(3)
    assert home.stats().recycled_total >= 2
    home.assert_whole()


async def test_nothing_is_replaced_within_the_back_off(house):
    home = house(pool_size=1, pool_recycle=10.0)
    await home.use()
    home.keeper.growth.failures = 1
    home.keeper.growth.resumes = home.clock.monotonic() + 20
    await asyncio.sleep(15)
    assert home.server.dials == 1


async def test_one_that_dies_while_its_successor_is_dialed_is_not_closed_twice(house):
    home = house(pool_size=1, max_overflow=1, pool_recycle=10.0)
    await home.use()
    await asyncio.sleep(7)
    home.server.connect_time = 3.0
    await asyncio.sleep(2.5)
    assert home.places.dialing == 1
    home.server.kill(home.places.idle[0].connection)
    await home.use()
    assert home.stats().recycled_total == 0
    home.assert_whole()


async def test_a_database_in_memory_is_never_replaced_or_retired(house):
    home = house()
    from koo.database import DatabaseConfig
    from koo.database.pool.upkeep import Upkeep

    home.keeper.terms = type(home.keeper.terms)(
        DatabaseConfig(url="sqlite://"), home.counts, home.clock, lambda: 0.5, home.events.append
    )
    assert Upkeep(home.keeper)._lifetime == float("inf")


async def test_the_beat_stops_when_nothing_is_open(house):
    home = house(pool_size=1)
    await home.use()
    await greenlet_spawn(home.pool.dispose)
    await asyncio.sleep(5)
    assert home.keeper.upkeep._timer is None
    await home.use()
    assert home.keeper.upkeep._timer is not None


async def test_a_leak_is_reported_once_with_its_line_and_ends_with_the_loan(house):
    home = house(leak_after=10.0)
    asyncio.current_task().set_name("import")
    async with home.lent():
        (slot,) = home.keeper.slots
        slot.scope = Scope("shop/orders.py:12")
        await asyncio.sleep(11.5)
        assert home.told("leaked") == ["import took it at shop/orders.py:12, 10.0 s ago"]
        await asyncio.sleep(20)
    assert home.stats().leaked_total == 1
    async with home.lent():
        await asyncio.sleep(11.5)
    assert home.stats().leaked_total == 2
    home.assert_whole()


async def test_a_reclaimed_connection_is_torn_off_and_its_place_free(house):
    home = house(pool_size=1, max_overflow=0, reclaim_after=10.0)
    forgotten = await home.borrow()
    await asyncio.sleep(9)
    used = asyncio.create_task(home.use())
    await asyncio.sleep(3)
    assert used.done()
    assert len(home.server.open) == 1
    assert home.told("reclaimed") == ["it was held for too long"]
    await greenlet_spawn(forgotten.close)
    await asyncio.sleep(0.1)
    home.assert_whole()


async def test_a_reclaimed_connection_that_its_holder_finds_dead_frees_no_second_place(house):
    home = house(pool_size=1, max_overflow=0, reclaim_after=10.0)
    forgotten = await home.borrow()
    await asyncio.sleep(12)
    await greenlet_spawn(forgotten.invalidate)
    await home.use()
    home.assert_whole()
