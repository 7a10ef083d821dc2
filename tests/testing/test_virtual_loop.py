"""The event loop that owns its time."""

import asyncio
import itertools
import threading
import time

import pytest

from koo.testing import VirtualDeadlock, VirtualTimeLoop, run, running_clock


def test_an_hour_passes_without_waiting_for_it():
    async def an_hour():
        await asyncio.sleep(3600.0)
        return running_clock().monotonic()

    began = time.monotonic()
    assert run(an_hour()) == 3600.0
    assert time.monotonic() - began < 20


def test_time_jumps_exactly_to_each_timer_in_order():
    seen = []

    async def at(seconds):
        await running_clock().sleep(seconds)
        seen.append((seconds, running_clock().monotonic()))

    async def three():
        await asyncio.gather(at(3.3), at(0.1), at(2.2))

    run(three())
    assert seen == [(0.1, 0.1), (2.2, 2.2), (3.3, 3.3)]


def test_a_timer_further_than_a_day_is_reached_in_one_jump():
    async def a_year():
        await asyncio.sleep(365 * 86400.0)
        return running_clock().monotonic()

    assert run(a_year) == 365 * 86400.0


def test_a_cancelled_timer_does_not_move_time():
    async def given_up():
        asyncio.get_running_loop().call_later(50.0, print).cancel()
        await asyncio.sleep(1.0)
        return running_clock().monotonic()

    assert run(given_up()) == 1.0


def test_a_timeout_fires_at_its_moment():
    async def too_slow():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await asyncio.sleep(10.0)
        return running_clock().monotonic()

    assert run(too_slow()) == 2.0


def test_the_wall_clock_moves_along_and_can_be_stepped_alone():
    async def stepped():
        clock = running_clock()
        wall = clock.time()
        await clock.sleep(5.0)
        assert clock.time() == wall + 5.0
        clock.step_wall(-3600.0)
        assert clock.time() == wall + 5.0 - 3600.0
        assert clock.monotonic() == 5.0

    run(stepped())


def test_without_a_seed_the_ready_run_in_the_order_of_arrival():
    assert run(_order_of(6)) == [0, 1, 2, 3, 4, 5]


def test_a_seed_permutes_the_ready_and_the_same_seed_repeats_it():
    orders = {seed: run(_order_of(6), seed=seed) for seed in range(20)}
    assert all(sorted(order) == [0, 1, 2, 3, 4, 5] for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) > 10
    assert orders == {seed: run(_order_of(6), seed=seed) for seed in range(20)}


def test_seeds_reach_every_order_of_three():
    seen = {tuple(run(_order_of(3), seed=seed)) for seed in range(100)}
    assert seen == set(itertools.permutations(range(3)))


def test_a_seed_does_not_disturb_the_order_of_timers():
    async def two_timers():
        seen = []
        loop = asyncio.get_running_loop()
        loop.call_later(2.0, seen.append, "second")
        loop.call_later(1.0, seen.append, "first")
        await asyncio.sleep(3.0)
        return seen

    assert all(run(two_timers, seed=seed) == ["first", "second"] for seed in range(10))


def test_waiting_for_what_nobody_will_do_is_a_deadlock_that_names_the_place():
    async def wait_for_nobody():
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlock, match=r"waiting for ever: .* at wait:\d+"):
        run(wait_for_nobody())


def test_a_deadlock_names_every_task_that_waits():
    async def crossed():
        mine, yours = asyncio.Event(), asyncio.Event()
        yours_task = asyncio.create_task(yours.wait(), name="yours")
        await mine.wait()
        await yours_task

    with pytest.raises(VirtualDeadlock, match=r"yours at wait:"):
        run(crossed())


def test_a_loop_without_any_task_deadlocks_with_a_sentence():
    loop = VirtualTimeLoop()
    try:
        with pytest.raises(VirtualDeadlock, match="no task at all"):
            loop.run_forever()
    finally:
        loop.close()


def test_a_deadlock_names_the_task_that_waits_for_a_bare_future():
    async def bare():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        await loop.create_future()

    with pytest.raises(VirtualDeadlock, match=r"at bare:\d+"):
        run(bare())


def test_tasks_left_behind_are_cancelled():
    ended = []

    async def worker():
        try:
            await asyncio.sleep(1000.0)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def leave():
        asyncio.create_task(worker(), name="left behind")  # noqa: RUF006
        await asyncio.sleep(1.0)

    run(leave())
    assert ended == ["cancelled"]


def test_work_for_a_thread_is_done_at_once_in_this_one():
    async def elsewhere():
        return await asyncio.to_thread(threading.get_ident), running_clock().monotonic()

    assert run(elsewhere()) == (threading.get_ident(), 0.0)


def test_an_error_of_work_for_a_thread_reaches_the_caller():
    async def elsewhere():
        await asyncio.to_thread(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        run(elsewhere())


def test_a_call_from_outside_the_loop_is_taken_up():
    async def threadsafe():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_soon_threadsafe(done.set_result, "taken up")
        return await done

    assert run(threadsafe()) == "taken up"


def test_an_error_of_the_program_is_raised():
    async def fails():
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run(fails())


def test_asking_for_the_clock_on_a_real_loop_is_refused_with_the_cure():
    async def real():
        running_clock()

    with pytest.raises(RuntimeError, match=r"start it with koo\.testing\.run"):
        asyncio.run(real())


async def _order_of(number):
    seen = []

    async def note(which):
        seen.append(which)

    await asyncio.gather(*(note(which) for which in range(number)))
    return seen
