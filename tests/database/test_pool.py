import asyncio
import pickle
import sys

import greenlet
import pytest
from sqlalchemy import exc

from koo import errors
from koo.database import PoolExhausted
from koo.database.pool import PoolCounts, Roster, calling_line
from koo.resilience import Holder
from koo.testing import FakeClock, cancel_at_every_await, running_clock


def roster(places=1, clock=None):
    return Roster(places, PoolCounts(), clock or FakeClock())


async def test_whoever_came_first_is_served_first():
    room, served = roster(), []
    assert room.take()

    async def visit(name):
        await room.queue(10)
        served.append(name)
        room.give()

    visits = [asyncio.create_task(visit(number)) for number in range(5)]
    await asyncio.sleep(0)
    room.give()
    await asyncio.gather(*visits)
    assert served == [0, 1, 2, 3, 4]
    assert room.free == 1


async def test_a_newcomer_does_not_overtake_the_line():
    room = roster()
    room.take()
    waiting = asyncio.create_task(room.queue(10))
    await asyncio.sleep(0)
    room.give()
    assert not room.take()
    await waiting


async def test_who_waits_in_vain_leaves_after_the_timeout_and_costs_no_place():
    room, clock = roster(), running_clock()
    room.take()
    with pytest.raises(TimeoutError):
        await room.queue(30)
    assert clock.monotonic() == pytest.approx(30)
    room.give()
    assert room.free == 1


def test_no_cancellation_loses_a_place():
    rooms = []

    async def visit_a_full_room():
        room = roster()
        rooms.append(room)
        room.take()
        asyncio.get_running_loop().call_later(1, room.give)
        await room.queue(10)
        room.give()

    async def nothing_is_lost(_):
        await asyncio.sleep(2)
        assert rooms.pop().free == 1

    cuts = cancel_at_every_await(visit_a_full_room, nothing_is_lost)
    assert cuts.suspensions == 1


async def test_a_loan_is_written_down_and_struck_out():
    clock = FakeClock()
    room = roster(2, clock)
    room.take()
    asyncio.current_task().set_name("import")
    holding = room.lend(clock.now)
    holding.where = "shop/orders.py:12"
    clock.advance(3)
    assert room.holders() == (Holder("import", "shop/orders.py:12", 3.0),)
    room.take_back(holding)
    assert room.holders() == ()
    assert (room.free, room.counts.use_time.stats().total) == (2, 3.0)


def test_an_exhausted_pool_names_the_five_oldest_holders():
    holders = tuple(Holder(f"task {n}", f"shop/orders.py:{n}", 9.0 - n) for n in range(7))
    error = PoolExhausted("database", 30.0, holders)
    assert str(error) == (
        "database: no connection free (7 in use: task 0 at shop/orders.py:0 for 9.0 s,"
        " task 1 at shop/orders.py:1 for 8.0 s, task 2 at shop/orders.py:2 for 7.0 s,"
        " task 3 at shop/orders.py:3 for 6.0 s, task 4 at shop/orders.py:4 for 5.0 s and 2 more);"
        " none came back in 30 s: hold them shorter, or raise the pool's size"
    )


def test_an_exhausted_pool_is_a_refusal_to_koo_and_a_timeout_to_sqlalchemy():
    error = PoolExhausted("database", 1, ())
    assert isinstance(error, errors.PoolExhausted)
    assert isinstance(error, errors.Rejected)
    assert isinstance(error, exc.TimeoutError)


def test_an_exhausted_pool_survives_pickling():
    error = PoolExhausted("database", 1.0, (Holder("t", "f.py:1", 2.0),))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.holders) == (str(error), error.holders)


def test_the_calling_line_is_the_callers_and_short():
    here = sys._getframe().f_lineno + 1
    assert calling_line() == f"tests/database/test_pool.py:{here}"


async def test_our_own_frames_and_those_of_asyncio_are_skipped():
    space = {"__name__": "koo.database.manager", "calling_line": calling_line}
    exec("async def look():\n    return calling_line()", space)
    assert (await space["look"]()).startswith("tests/database/test_pool.py:")


async def test_a_task_that_begins_with_us_is_known_by_what_it_runs():
    space = {"__name__": "koo.database.manager", "calling_line": calling_line}
    exec("async def look(fn):\n    return calling_line(fn)", space)
    assert await asyncio.create_task(space["look"](None)) == "?"
    found = await asyncio.create_task(space["look"](roster))
    assert found == f"tests/database/test_pool.py:{roster.__code__.co_firstlineno}"


def test_a_greenlet_that_knows_nobody_outside_has_no_line():
    space = {"__name__": "koo.database.manager", "calling_line": calling_line}
    exec("def look():\n    return calling_line()", space)
    assert greenlet.greenlet(space["look"]).switch() == "?"
