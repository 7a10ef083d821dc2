"""Nobody is lent a dead connection, and nobody pays for asking one that answered just now."""

import asyncio

import pytest
from sqlalchemy.util import greenlet_spawn


async def test_a_connection_heard_within_a_second_is_lent_without_asking(house):
    home = house()
    first = await home.use()
    await asyncio.sleep(0.99)
    assert await home.use() is first
    assert home.server.pings == 0


async def test_a_connection_silent_for_longer_is_pinged_once(house):
    home = house()
    first = await home.use()
    await asyncio.sleep(1.01)
    assert await home.use() is first
    assert await home.use() is first
    assert home.server.pings == 1


async def test_a_loan_without_an_answer_is_as_silent_as_none(house):
    home = house()
    for _ in range(3):
        connection = await home.borrow()
        await asyncio.sleep(0.4)
        await greenlet_spawn(connection.close)
    assert home.server.pings == 0
    await home.use()
    assert home.server.pings == 1


async def test_a_dead_connection_is_never_lent_and_costs_itself_only(house):
    home = house(pool_size=3)
    await home.warm(3)
    dead = home.places.idle[-1].connection
    home.server.kill(dead)
    assert await home.use() is not dead
    assert (home.server.dials, home.server.pings) == (3, 0)
    await asyncio.sleep(0)
    assert home.stats().invalidated_total == 1
    assert home.told("invalidated") == ["ConnectionError"]
    home.assert_whole()


async def test_when_one_has_died_the_others_are_asked_before_they_are_lent(house):
    home = house(pool_size=3)
    await home.warm(3)
    home.server.kill(home.places.idle[-1].connection)
    await home.use()
    await home.use()
    await asyncio.gather(home.use(), home.use())
    assert home.server.pings == 1


async def test_an_answer_in_the_turn_in_which_its_time_ended_is_too_late(house):
    home = house()
    first = await home.use()
    await asyncio.sleep(2)
    first.is_silent = first.answers_at_the_end = True
    assert await home.use() is not first
    assert (home.server.dials, home.server.pings) == (2, 1)
    assert home.told("invalidated") == ["TimeoutError"]
    home.assert_whole()


@pytest.mark.parametrize("waiters", [1, 3])
async def test_half_open_connections_delay_but_hurt_nobody(house, waiters):
    home = house(pool_size=3, max_overflow=0)
    home.server.connect_time = 0.01
    await home.warm(3)
    await asyncio.sleep(2)
    for slot in home.places.idle:
        slot.connection.is_silent = True
    began = home.clock.monotonic()
    await asyncio.gather(*(home.use() for _ in range(waiters)))
    assert home.clock.monotonic() - began < 0.3
    home.assert_whole()


async def test_an_answer_may_take_as_long_as_a_few_connects(house):
    home = house()
    home.server.connect_time, home.server.ping_time = 0.5, 0.9
    first = await home.use()
    await asyncio.sleep(2)
    assert await home.use() is first


async def test_an_answer_may_never_take_longer_than_check_timeout(house):
    home = house(check_timeout=0.1)
    home.server.connect_time = 0.05
    await home.use()
    await asyncio.sleep(2)
    home.server.silent = True
    began = home.clock.monotonic()
    await home.use()
    assert home.clock.monotonic() - began == pytest.approx(0.15)


async def test_who_comes_second_does_not_overtake_whoever_waits_for_the_check(house):
    home, served = house(pool_size=2, max_overflow=0), []
    await home.warm(2)
    await asyncio.sleep(2)
    home.server.ping_time = 0.1

    async def visit(name):
        await home.use()
        served.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(visit("a"))
        await asyncio.sleep(0.05)
        home.places.idle[-1].heard = home.clock.monotonic()
        group.create_task(visit("b"))
    assert served == ["a", "b"]
    assert home.server.pings == 1


async def test_doubted_connections_are_asked_although_they_were_heard_just_now(house):
    home = house()
    await home.use()
    home.keeper.doubt_all()
    await home.use()
    assert home.server.pings == 1


async def test_a_check_that_is_cut_off_condemns_the_connection(house):
    home = house()
    await home.use()
    await asyncio.sleep(2)
    home.server.ping_time = 1.0
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0)
    (check,) = home.keeper._tasks
    check.cancel()
    await waiting
    assert home.server.dials == 2
    home.assert_whole()


async def test_disposing_during_a_check_loses_nothing(house):
    home = house()
    await home.use()
    await asyncio.sleep(2)
    home.server.silent = True
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0)
    await greenlet_spawn(home.pool.dispose)
    await waiting
    home.assert_whole()


async def test_an_end_that_is_cancelled_before_it_began_is_made_at_once(house):
    home = house()
    await home.use()
    home.server.kill(home.places.idle[0].connection)
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0)
    for task in home.keeper._tasks:
        if task not in home.keeper._dials:
            task.cancel()
    await waiting
    assert home.stats().invalidated_total == 1
    home.assert_whole()


async def test_what_is_condemned_while_it_is_checked_is_closed_although_it_answers(house):
    home = house()
    first = await home.use()
    await asyncio.sleep(2)
    home.server.ping_time = 0.1
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0.05)
    home.keeper.condemn_all("tried out")
    assert await waiting is not first
    await asyncio.sleep(0.1)
    assert first.is_closed()
    home.assert_whole()


async def test_a_check_in_vain_in_a_pool_made_smaller_dials_nobody(house):
    home = house(pool_size=2, max_overflow=0)
    await home.warm(2)
    lent = await home.borrow()
    await asyncio.sleep(2)
    home.server.silent = True
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0.01)
    home.places.most = 1
    await asyncio.sleep(1)
    assert home.server.dials == 2
    await greenlet_spawn(lent.close)
    await waiting
    home.assert_whole()
