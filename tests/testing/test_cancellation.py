"""Cancel at every await."""

import asyncio

import pytest

from koo.testing import Cuts, cancel_at_every_await, running_clock


def test_every_suspension_is_cut_twice_and_the_last_run_is_left_alone():
    seen, finished = [], []

    async def three_naps():
        for _ in range(3):
            await asyncio.sleep(1.0)
        finished.append(running_clock().monotonic())

    cuts = cancel_at_every_await(three_naps, seen.append)
    assert cuts == Cuts(suspensions=3, swallowed=())
    assert seen == [1, 1, 2, 2, 3, 3, 4]
    assert finished == [3.0]


def test_an_operation_that_never_waits_is_run_once():
    seen = []

    async def at_once():
        return 1

    assert cancel_at_every_await(at_once, seen.append) == Cuts(0, ())
    assert seen == [1]


def test_a_permit_lost_between_the_grant_and_the_next_step_is_found():
    """The classic leak: the wait was fulfilled, then the cancellation arrived."""
    held = []

    async def leaky():
        held.clear()
        granted = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(1.0, _grant, granted, held)
        await granted
        try:
            await asyncio.sleep(1.0)
        finally:
            held.pop()

    with pytest.raises(AssertionError) as caught:
        cancel_at_every_await(leaky, lambda _: _assert_empty(held))
    assert caught.value.__notes__ == ["cut at suspension 1, when its wait had been fulfilled"]


def test_the_operation_that_gives_the_grant_back_passes():
    held = []

    async def careful():
        held.clear()
        granted = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(1.0, _grant, granted, held)
        try:
            await granted
            await asyncio.sleep(1.0)
        finally:
            if granted.done() and not granted.cancelled():
                held.pop()

    assert cancel_at_every_await(careful, lambda _: _assert_empty(held)) == Cuts(2, ())


def test_a_bare_turn_of_the_loop_is_a_suspension_too():
    seen = []

    async def yields():
        await asyncio.sleep(0)

    assert cancel_at_every_await(yields, seen.append).suspensions == 1
    assert seen == [1, 1, 2]


def test_a_swallowed_cancellation_is_reported():
    async def stubborn():
        try:
            await asyncio.sleep(1.0)
        except asyncio.CancelledError:
            return "anyway"

    assert cancel_at_every_await(stubborn, lambda _: None) == Cuts(1, (1, 1))


def test_the_check_may_wait_on_the_same_loop():
    moments = []

    async def nap():
        await asyncio.sleep(1.0)

    async def check(_):
        await asyncio.sleep(1.0)
        moments.append(running_clock().monotonic())

    cancel_at_every_await(nap, check)
    assert moments == [1.0, 2.0, 2.0]


def test_background_work_of_the_operation_settles_before_the_check():
    cleaned = []

    async def worker():
        try:
            await asyncio.sleep(100.0)
        finally:
            cleaned.append(1)

    async def with_worker():
        task = asyncio.create_task(worker())
        try:
            await asyncio.sleep(1.0)
        finally:
            task.cancel()

    def check(_):
        assert cleaned.pop() == 1

    cancel_at_every_await(with_worker, check)


def test_an_error_of_the_operation_says_where_the_cut_was():
    async def wrong():
        try:
            await asyncio.sleep(1.0)
        except asyncio.CancelledError:
            raise LookupError("lost") from None

    with pytest.raises(LookupError) as caught:
        cancel_at_every_await(wrong, lambda _: None)
    assert caught.value.__notes__ == ["cut at suspension 1, while it waited"]


def test_an_error_that_the_operation_handles_reaches_it_where_it_waits():
    seen = []

    async def handles():
        failed = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(failed.set_exception, LookupError())
        try:
            await failed
        except LookupError:
            seen.append("handled")

    cancel_at_every_await(handles, lambda _: None)
    assert seen == ["handled"]


def test_the_schedule_can_be_permuted_by_a_seed():
    async def two():
        await asyncio.gather(asyncio.sleep(1.0), asyncio.sleep(2.0))

    for seed in range(10):
        assert cancel_at_every_await(two, lambda _: None, seed=seed).suspensions == 1


def _grant(future, held):
    if not future.cancelled():
        held.append("permit")
        future.set_result(None)


def _assert_empty(held):
    assert held == []
