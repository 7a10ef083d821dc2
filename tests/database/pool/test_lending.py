"""Who gets a connection when."""

import asyncio
import gc
import warnings

import pytest
from sqlalchemy import exc
from sqlalchemy.util import greenlet_spawn

from koo.database import PoolExhausted
from koo.testing import cancel_at_every_await


async def timed(house, work):
    began = house.clock.monotonic()
    answer = await work
    return house.clock.monotonic() - began, answer


async def test_a_burst_of_short_loans_costs_at_most_two_new_connections(house):
    home = house(pool_size=5, max_overflow=45)
    await home.warm(5)
    seconds, _ = await timed(home, asyncio.gather(*(home.use(0.002) for _ in range(50))))
    assert seconds < 0.05
    await asyncio.sleep(1)
    assert home.server.dials <= 7
    home.assert_whole()


async def test_a_burst_of_long_loans_is_given_a_connection_for_everybody(house):
    home = house(pool_size=5, max_overflow=45)
    await home.warm(5)
    await home.use(1.0)
    seconds, _ = await timed(home, asyncio.gather(*(home.use(1.0) for _ in range(50))))
    assert seconds < 1.35
    assert home.keeper.total == 50


async def test_the_first_callers_get_a_connection_each_up_to_what_is_kept(house):
    home = house(pool_size=3, max_overflow=20)
    await asyncio.gather(*(home.use() for _ in range(10)))
    assert home.server.dials <= 4


async def test_whoever_came_first_is_served_first(house):
    home, served = house(pool_size=1, max_overflow=0), []

    async def visit(number):
        await home.use(0.01)
        served.append(number)

    await asyncio.gather(*(visit(number) for number in range(20)))
    assert served == list(range(20))


async def test_one_that_died_on_loan_is_not_handed_to_the_next_in_line(house):
    home = house(pool_size=1, max_overflow=0)
    lent = await home.borrow()
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0.1)
    home.server.kill(lent.dbapi_connection)
    lent.close()
    await waiting
    assert (home.server.dials, home.server.pings) == (2, 0)
    home.assert_whole()


async def test_one_that_comes_back_unfinished_is_torn_off_at_once_and_says_why(house):
    home = house(pool_size=1, max_overflow=0)
    lent = await home.borrow()
    unfinished = lent.dbapi_connection
    unfinished.is_busy = True
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0.1)
    lent.close()
    assert unfinished.is_closed()
    assert await waiting is not unfinished
    assert home.told("closed") == ["it came back unfinished"]
    home.assert_whole()


async def test_why_it_was_condemned_before_is_still_what_is_told(house):
    home = house(pool_size=1, max_overflow=0)
    lent = await home.borrow()
    home.keeper.condemn_all("the pool was drained")
    lent.dbapi_connection.is_busy = True
    lent.close()
    await asyncio.sleep(1)
    assert home.told("closed") == ["the pool was drained"]
    home.assert_whole()


async def test_a_loan_that_waits_for_nothing_suspends_nobody(house):
    home = house()
    await home.use()
    borrowing = home.borrow()
    with pytest.raises(StopIteration) as ended:
        borrowing.send(None)
    await greenlet_spawn(ended.value.value.close)
    assert home.server.pings == 0
    home.assert_whole()


async def test_who_waits_in_vain_hears_who_has_the_connections(house):
    home = house(pool_size=1, max_overflow=0, pool_timeout=3.0)
    async with home.lent():
        began = home.clock.monotonic()
        with pytest.raises(PoolExhausted, match="1 in use: .* none came back in 3 s"):
            await asyncio.create_task(home.use())
        assert home.clock.monotonic() - began == pytest.approx(3.0)
    assert home.stats().timeouts_total == 1
    home.assert_whole()


async def test_the_wait_ends_in_time_when_connecting_takes_longer(house):
    home = house(pool_timeout=1.0)
    home.server.connect_time = 5.0
    began = home.clock.monotonic()
    with pytest.raises(exc.OperationalError, match="no connection in 1 s"):
        await home.use()
    assert home.clock.monotonic() - began == pytest.approx(1.0)
    await asyncio.sleep(10)
    home.assert_whole()
    assert home.keeper.total == 1


async def test_who_waits_in_vain_for_a_check_is_not_told_of_holders(house):
    home = house(pool_size=1, max_overflow=0, pool_timeout=0.1)
    home.server.connect_time = 0.01
    await home.use()
    await asyncio.sleep(2)
    home.server.silent = True
    with pytest.raises(exc.OperationalError, match="no connection in 0.1 s"):
        await home.use()
    assert home.stats().timeouts_total == 0


async def test_who_waits_in_vain_during_a_pause_has_not_been_failed_by_the_server(house):
    home = house(pool_timeout=0.5)
    home.places.is_paused = True
    with pytest.raises(PoolExhausted):
        await home.use()


async def test_a_full_line_refuses_at_once(house):
    home = house(pool_size=1, max_overflow=0, max_waiting=2)
    async with home.lent():
        waiting = [asyncio.create_task(home.use()) for _ in range(2)]
        await asyncio.sleep(0)
        began = home.clock.monotonic()
        for _ in range(2):
            with pytest.raises(PoolExhausted, match="1 in use: .* the line is full"):
                await home.use()
        assert home.clock.monotonic() == began
    await asyncio.gather(*waiting)
    assert home.stats().refused_total == 2
    home.assert_whole()


async def test_a_task_that_wants_a_second_connection_is_named(house):
    home = house(pool_size=1, max_overflow=0, pool_timeout=1.0)
    asyncio.current_task().set_name("report")
    async with home.lent():
        with pytest.raises(PoolExhausted):
            await home.use()
    (said,) = home.told("nested")
    assert said.startswith("report wants another beside the one it took at database/pool/")
    assert home.stats().nested_total == 1


async def test_a_task_that_waits_for_its_first_is_not(house):
    home = house(pool_size=1, max_overflow=0)
    async with home.lent():
        waiting = asyncio.create_task(home.use())
        await asyncio.sleep(0.2)
    await waiting
    assert home.told("nested") == []


def test_no_cancellation_of_a_first_loan_loses_a_place_or_a_connection(house):
    homes = []

    async def borrow_and_return():
        home = house(pool_size=1, max_overflow=0)
        homes.append(home)
        await home.use(0.01)

    async def whole(_):
        home = homes.pop()
        await asyncio.sleep(1)
        await home.use()
        home.assert_whole()
        assert home.keeper.total == 1

    assert cancel_at_every_await(borrow_and_return, whole).suspensions >= 2


def test_no_cancellation_in_line_loses_a_place_or_a_wake_up(house):
    homes = []

    async def wait_in_line():
        home = house(pool_size=1, max_overflow=0)
        homes.append(home)
        home.first = asyncio.create_task(home.use(1.0))
        await asyncio.sleep(0.5)
        home.after = None
        asyncio.get_running_loop().call_soon(
            lambda: setattr(home, "after", asyncio.create_task(home.use()))
        )
        await home.use(0.1)

    async def whole(_):
        home = homes.pop()
        await asyncio.sleep(3)
        await home.first
        if getattr(home, "after", None):
            assert home.after.done()
            await home.after
        home.assert_whole()

    cancel_at_every_await(wait_in_line, whole)


def test_no_cancellation_during_a_check_loses_a_place(house):
    homes = []

    async def borrow_a_stale_one():
        home = house(pool_size=1, max_overflow=0)
        homes.append(home)
        await home.use()
        await asyncio.sleep(5)
        await home.use()

    async def whole(_):
        home = homes.pop()
        await asyncio.sleep(1)
        await home.use()
        home.assert_whole()

    cancel_at_every_await(borrow_a_stale_one, whole)


async def test_who_is_cancelled_with_a_connection_in_hand_passes_it_on(house):
    home = house(pool_size=1, max_overflow=0)
    lent = await home.borrow()
    given, next_one = asyncio.create_task(home.use()), asyncio.create_task(home.use())
    await asyncio.sleep(0)
    await greenlet_spawn(lent.close)
    given.cancel()
    await next_one
    assert given.cancelled()
    home.assert_whole()


async def test_who_is_cancelled_while_a_condemned_one_is_handed_over_leaves_it_to_be_closed(house):
    home = house(pool_size=1, max_overflow=0)
    lent = await home.borrow()
    given = asyncio.create_task(home.use())
    await asyncio.sleep(0)
    await greenlet_spawn(lent.close)
    home.keeper.condemn_all("tried out")
    given.cancel()
    await asyncio.sleep(0.1)
    assert home.keeper.total == 0
    home.assert_whole()


async def test_a_collected_leak_frees_its_place_and_skews_no_count(house):
    home = house(pool_size=1, max_overflow=0)
    lent = [await home.borrow()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lent.clear()
        gc.collect()
    await home.use()
    home.assert_whole()
    assert home.stats().closed_total == 1


async def test_a_loop_that_is_closed_does_not_hear_of_a_leak(house):
    home = house()
    lent = await home.borrow()
    slot = next(iter(home.keeper.slots))
    home.keeper.loop = asyncio.new_event_loop()
    home.keeper.loop.close()
    await greenlet_spawn(lent.invalidate)
    assert slot in home.keeper.slots


async def test_a_detached_connection_is_nobodys_place_any_more(house):
    home = house(pool_size=1, max_overflow=0)
    lent = await home.borrow()
    await greenlet_spawn(lent.detach)
    await home.use()
    assert len(home.server.open) == 2
    await greenlet_spawn(lent.close)
    home.assert_whole()


async def test_what_sqlalchemy_invalidates_costs_one_connection(house):
    home = house(pool_size=3)
    await home.warm(3)
    lent = await home.borrow()
    await greenlet_spawn(lent.invalidate, ConnectionResetError())
    await home.use()
    assert (home.server.dials, home.stats().invalidated_total) == (3, 1)
    assert home.told("invalidated") == ["ConnectionResetError"]
    home.assert_whole()


async def test_a_soft_invalidation_closes_it_when_it_comes_back(house):
    home = house()
    async with home.lent() as lent:
        lent.invalidate(soft=True)
    await asyncio.sleep(0.1)
    assert home.keeper.total == 0
    home.assert_whole()


async def test_a_listener_that_has_it_replaced_at_checkout_skews_no_count(house):
    from sqlalchemy import event

    home, refusals = house(), [True]

    def refuse(*_):
        if refusals:
            refusals.pop()
            raise exc.DisconnectionError

    event.listen(home.pool, "checkout", refuse)
    await home.use()
    await asyncio.sleep(0.1)
    await home.use()
    home.assert_whole()


async def test_a_whole_pool_is_condemned_by_what_ails_all_its_connections(house):
    home = house(pool_size=3)
    await home.warm(3)
    lent, other = await home.borrow(), await home.borrow()
    home.pool._invalidate(lent, RuntimeError("read only"))
    home.pool._invalidate(lent)
    await greenlet_spawn(other.close)
    await asyncio.sleep(0.1)
    assert home.keeper.total == 0
    home.assert_whole()


async def test_sqlalchemys_own_numbers_are_ours(house):
    home = house(pool_size=2, max_overflow=5)
    async with home.lent():
        status = home.pool.status()
    assert status == (
        "Pool size: 2  Connections in pool: 0 Current Overflow: -1"
        " Current Checked out connections: 1"
    )
    assert home.pool.recreate() is home.pool


async def test_who_is_refused_is_shown_what_the_last_look_at_the_line_saw(house):
    """So that a refusal costs no photograph, however many there are."""
    home = house(pool_size=1, max_overflow=0, max_waiting=1)
    photograph, made = home.keeper.holders, []

    def counted():
        made.append(1)
        return photograph()

    home.keeper.holders = counted
    async with home.lent():
        waiting, seen = asyncio.create_task(home.use()), []
        await asyncio.sleep(1)
        for _ in range(3):
            before = len(made)
            with pytest.raises(PoolExhausted) as refused:
                await home.use()
            seen.append((refused.value.holders[0].age, len(made) - before))
            await asyncio.sleep(0.06)
        await asyncio.sleep(1)
        assert len(made) == 4
    await waiting
    ages, costs = zip(*seen, strict=True)
    assert costs == (1, 0, 0)
    assert ages[0] < ages[1] < ages[2]
