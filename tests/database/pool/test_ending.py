"""Size and end of a pool, changed while it works."""

import asyncio

import pytest
from sqlalchemy.util import greenlet_spawn

from koo.database.pool.ending import drain, pause, resize, resume, tear_off
from koo.errors import DatabaseUnavailable, PoolExhausted


async def test_a_paused_pool_lets_everybody_wait_and_serves_them_afterwards(house):
    home = house(pool_size=2)
    await home.warm(2)
    pause(home.keeper)
    began = home.clock.monotonic()
    visits = [asyncio.create_task(home.use()) for _ in range(5)]
    await asyncio.sleep(1)
    assert not any(visit.done() for visit in visits)
    resume(home.keeper)
    await asyncio.gather(*visits)
    assert home.clock.monotonic() - began == pytest.approx(1.001)
    await asyncio.sleep(0.5)
    home.assert_whole()


@pytest.mark.parametrize(("max_waiting", "said"), [(1, "none"), (0, "is full")])
async def test_who_is_paused_for_too_long_hears_how_it_ends(house, max_waiting, said):
    home = house(pool_size=1, max_overflow=0, pool_timeout=2.0, max_waiting=max_waiting)
    await home.warm(1)
    pause(home.keeper)
    assert home.stats().paused
    with pytest.raises(PoolExhausted, match=r"0 in use\); the pool is paused: resume\(\) hands"):
        await home.use()
    resume(home.keeper)
    assert not home.stats().paused


async def test_what_comes_back_during_a_pause_is_kept(house):
    home = house(pool_size=1)
    async with home.lent():
        pause(home.keeper)
        waiting = asyncio.create_task(home.use())
        await asyncio.sleep(0)
    await asyncio.sleep(1)
    assert not waiting.done()
    resume(home.keeper)
    await waiting


async def test_draining_lets_the_lent_finish_and_refuses_newcomers(house):
    home = house(pool_size=1, max_overflow=1)
    working = asyncio.create_task(home.use(2.0))
    await asyncio.sleep(1)
    home.places.most = 1
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0)
    draining = asyncio.create_task(drain(home.keeper, 5.0))
    with pytest.raises(DatabaseUnavailable, match="the pool is being closed"):
        await waiting
    with pytest.raises(DatabaseUnavailable):
        await home.use()
    assert await draining == 0
    await working
    assert home.clock.monotonic() == pytest.approx(2.15)
    home.assert_whole()
    assert home.keeper.total == 0


async def test_draining_tears_off_what_is_still_held_at_the_deadline(house):
    home = house()
    await home.warm(3)
    working = asyncio.create_task(home.use(20.0))
    await asyncio.sleep(0)
    began = home.clock.monotonic()
    assert await drain(home.keeper, 1.0) == 1
    assert home.clock.monotonic() - began == pytest.approx(1.0)
    assert home.server.open == set()
    assert home.told("aborted") == ["it was still held when the pool was drained"]
    await working
    resume(home.keeper)
    await home.use()
    home.assert_whole()


async def test_draining_waits_no_longer_for_goodbyes_than_it_is_told_to(house):
    home = house()
    connection = await home.use()
    connection.goodbye_time = 1e6
    began = home.clock.monotonic()
    assert await drain(home.keeper, 0.5) == 0
    assert home.clock.monotonic() - began == pytest.approx(0.5)


async def test_what_arrives_in_the_instant_in_which_the_pool_ends_is_closed(house):
    home = house()
    opened, loop = home.pool.open_record, asyncio.get_running_loop()

    def open_record():
        record = opened()
        # Before anybody hears that it is there.
        loop.call_soon(tear_off, home.keeper)
        return record

    home.pool.open_record = open_record
    with pytest.raises(DatabaseUnavailable):
        await home.use()
    await asyncio.sleep(0.1)
    assert (home.server.dials, home.server.open) == (1, set())
    home.assert_whole()


async def test_draining_an_empty_pool_takes_no_time(house):
    home = house()
    assert await drain(home.keeper, 5.0) == 0
    assert home.clock.monotonic() == 0


async def test_draining_stops_what_is_being_dialed(house):
    home = house()
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0.01)
    assert await drain(home.keeper, 5.0) == 0
    with pytest.raises(DatabaseUnavailable):
        await waiting
    home.assert_whole()
    assert home.keeper.total == 0


async def test_what_has_reached_its_age_is_not_replaced_after_a_drain(house):
    home = house(pool_size=1, max_overflow=0, pool_recycle=2.0)
    working = asyncio.create_task(home.use(5.0))
    await asyncio.sleep(3)
    assert await drain(home.keeper, 5.0) == 0
    await working
    await asyncio.sleep(1)
    assert home.server.dials == 1


async def test_a_larger_pool_serves_those_who_wait(house):
    home = house(pool_size=1, max_overflow=0)
    async with home.lent():
        waiting = asyncio.create_task(home.use())
        await asyncio.sleep(1)
        resize(home.keeper, 1, 1)
        await asyncio.wait_for(waiting, 1)
    home.assert_whole()


async def test_a_smaller_pool_closes_idle_ones_now_and_lent_ones_when_they_come_back(house):
    home = house(pool_size=6, max_overflow=0)
    await home.warm(6)
    lent = [await home.borrow() for _ in range(4)]
    resize(home.keeper, 2, 0)
    await asyncio.sleep(0.1)
    assert (home.keeper.total, home.places.room) == (4, 0)
    resize(home.keeper, 2, 0)
    for connection in lent:
        await greenlet_spawn(connection.close)
    await asyncio.sleep(0.1)
    assert home.keeper.total == 2
    home.assert_whole()


async def test_what_arrives_in_a_pool_made_smaller_meanwhile_is_closed(house):
    home = house(pool_size=3)
    visits = [asyncio.create_task(home.use()) for _ in range(3)]
    await asyncio.sleep(0.1)
    resize(home.keeper, 1, 0)
    await asyncio.gather(*visits)
    await asyncio.sleep(0.1)
    assert home.keeper.total == 1
    home.assert_whole()


async def test_disposing_closes_the_idle_and_later_the_lent(house):
    home = house()
    await home.warm(3)
    home.places.idle[0].connection.goodbye_time = 0.5
    lent = await home.borrow()
    await greenlet_spawn(home.pool.dispose)
    assert home.server.open == {lent.dbapi_connection}
    await greenlet_spawn(lent.close)
    await asyncio.sleep(0.1)
    assert home.server.open == set()
    home.assert_whole()


async def test_a_goodbye_that_nobody_answers_is_cut_off(house):
    home = house()
    connection = await home.use()
    connection.goodbye_time = 1e6
    await greenlet_spawn(home.pool.dispose)
    assert home.clock.monotonic() < 3
    assert home.keeper.total == 0


async def test_a_goodbye_that_is_cancelled_before_it_began_tears_off(house):
    home = house()
    connection = await home.use()
    home.keeper.condemn_all("tried out")
    (goodbye,) = home.keeper._tasks
    goodbye.cancel()
    await asyncio.sleep(0.1)
    assert connection.is_closed()
    assert (home.keeper.total, home.places.taken) == (0, 0)


async def test_tearing_off_needs_no_loop_and_no_answer(house):
    home = house(pool_size=1, max_overflow=0)
    lent = await home.borrow()
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0)

    def refuse():
        raise RuntimeError("Event loop is closed")

    lent.dbapi_connection.terminate, kept = refuse, lent.dbapi_connection.terminate
    tear_off(home.keeper)
    tear_off(home.keeper)
    assert home.keeper.total == 0
    with pytest.raises(DatabaseUnavailable):
        await waiting
    lent.dbapi_connection.terminate = kept
    await greenlet_spawn(lent.close)
