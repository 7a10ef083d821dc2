"""Traps of sharing: one policy, many tasks."""

import asyncio

import pytest

from koo.errors import DeadlineExceeded
from koo.resilience import (
    Ask,
    Bulkhead,
    BulkheadConfig,
    DailyBudget,
    DailyBudgetConfig,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
)
from koo.testing import run, running_clock

from ..policy.actors import Dependency, policy, started


async def test_of_two_who_share_a_policy_the_first_times_out_too():
    through = policy(timeout=1)
    ends = await asyncio.gather(*(through.outcome(Dependency(9.0)) for _ in range(2)))
    assert [type(each.error) for each in ends] == [DeadlineExceeded] * 2
    assert running_clock().monotonic() == pytest.approx(1, abs=1e-3)


async def test_permits_entered_here_and_left_there_do_not_mix():
    """Dependency injection enters in one task and leaves in another, in any order."""
    gate = Bulkhead("dep", BulkheadConfig(9), clock=running_clock())
    through = policy(gates=[gate], timeout=5)
    blocks = [through.permit() for _ in range(3)]
    for block in blocks:
        await asyncio.create_task(block.__aenter__())
    assert gate.stats().in_flight == 3
    for block in (blocks[1], blocks[0], blocks[2]):
        await asyncio.create_task(block.__aexit__(None, None, None))
    assert gate.stats().in_flight == 0


async def test_a_block_left_in_another_task_does_not_cancel_the_first_one():
    """The task that entered has gone on to other work when the block's time is over."""
    block = policy(timeout=2).permit()

    async def enter_and_go_on():
        await block.__aenter__()
        handed_over.set()
        await asyncio.sleep(10)
        return "undisturbed"

    handed_over = asyncio.Event()
    task = asyncio.create_task(enter_and_go_on())
    await handed_over.wait()
    await asyncio.create_task(block.__aexit__(None, None, None))
    assert await task == "undisturbed"


async def test_a_call_cancelled_between_two_gates_loses_no_place():
    """There is no await between them, so there is no between."""
    clock = running_clock()
    gates = [Bulkhead(name, BulkheadConfig(2), clock=clock) for name in ("a", "b")]
    through = policy(gates=gates, timeout=100)
    for turn in range(50):
        tasks = [asyncio.create_task(through.run(Dependency(1.0))) for _ in range(6)]
        await asyncio.sleep(turn / 20)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert [gate.stats().in_flight for gate in gates] == [0, 0]
    assert [gate.stats().waiting for gate in gates] == [0, 0]


@pytest.mark.parametrize("money_first", [True, False])
async def test_money_granted_in_vain_goes_back_once_and_in_full(money_first):
    """When the budget calls the waiter, the window is full."""
    clock = running_clock()
    money = DailyBudget("money", DailyBudgetConfig(100), clock=clock)
    window = RateLimiter("window", RateLimiterConfig((Limit(1, 60),)), clock=clock)
    gates = [money, window] if money_first else [window, money]
    held = money.admit(Ask(nanousd=100))
    waiting = await started(policy(gates=gates, timeout=30).outcome(Dependency(), Ask(nanousd=100)))
    window.admit(Ask())
    held.cancel()
    ended = await waiting
    assert ended.error.gate == "window"
    assert (money.stats().reserved_nanousd, money.stats().spent_nanousd) == (0, 0)
    assert money.stats().double_settled_total == 0


async def test_a_cancellation_in_the_instant_of_a_grant_is_never_swallowed():
    """`wait_for` around a semaphore swallowed one in fifteen hundred on Python 3.11."""
    gate = Bulkhead("dep", BulkheadConfig(1), clock=running_clock())
    through = policy(gates=[gate], timeout=100)
    for _ in range(1500):
        held = gate.admit(Ask())
        waiter = await started(through.run(Dependency()))
        held.cancel()
        waiter.cancel()
        await asyncio.wait([waiter])
        assert waiter.cancelled()
        assert gate.stats().in_flight == 0


async def test_a_large_request_gets_its_turn_among_many_small_ones():
    """Ordered by size, or with newcomers let past, it would never be granted."""
    gate = RateLimiter("dep", RateLimiterConfig((Limit(10, 10),)), clock=running_clock())
    through = policy(gates=[gate], timeout=500)

    async def small():
        for _ in range(100):
            await through.outcome(Dependency())
            await asyncio.sleep(0.01)

    crowd = [asyncio.create_task(small()) for _ in range(5)]
    await asyncio.sleep(1)
    began = running_clock().monotonic()
    await through.run(Dependency(), Ask(requests=10))
    assert running_clock().monotonic() - began <= 31
    for task in crowd:
        task.cancel()
    await asyncio.wait(crowd)


async def test_nothing_is_remembered_by_the_id_of_a_function_that_is_gone():
    """A function of the other kind has got its id by then."""
    through, of_calls, of_streams = policy(), set(), set()
    for number in range(200):
        of_calls.add(id(call := _returning(number)))
        assert await through(call)() == number
        del call
        of_streams.add(id(stream := _yielding(number)))
        assert [item async for item in through(stream)()] == [number]
        del stream
    assert of_calls & of_streams


def _yielding(number):
    async def operation():
        yield number

    return operation


def _returning(number):
    async def operation():
        return number

    return operation


def test_a_policy_serves_one_loop_after_another():
    """Nothing in it is bound to the loop it was first used on."""
    gate = Bulkhead("dep", BulkheadConfig(1))
    through = Policy("dep", gates=[gate], timeout=5)

    async def program():
        held = gate.admit(Ask())
        asyncio.get_running_loop().call_later(0, held.cancel)
        return await through.run(Dependency())

    assert [run(program()) for _ in range(3)] == ["fine"] * 3
    assert gate.stats().in_flight == 0
