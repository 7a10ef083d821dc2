"""Traps of Python itself: cancellation, groups, timeouts that look alike."""

import asyncio
import threading

import pytest

from koo.errors import DeadlineExceeded, KooError
from koo.resilience import (
    Ask,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Policy,
    State,
)
from koo.testing import running_clock

from ..policy.actors import QUICK, Dependency, policy, started


@pytest.fixture
def gate():
    return CircuitBreaker("dep")


async def test_a_cancellation_is_neither_missed_nor_swallowed(gate):
    task = await started(policy(gates=[gate], retry=QUICK).run(Dependency(9.0)))
    task.cancel("why")
    with pytest.raises(asyncio.CancelledError, match="why"):
        await task
    assert gate.stats().outcomes == 0


async def test_a_cancelled_call_is_not_begun_again():
    dependency = Dependency(9.0)
    task = await started(policy(retry=QUICK).run(dependency))
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(100)
    assert len(dependency.calls) == 1


async def test_a_callees_own_cancellation_is_not_taken_for_ours():
    """A future that somebody else cancelled raises CancelledError too."""
    foreign = asyncio.get_running_loop().create_future()
    foreign.cancel()

    async def operation():
        await foreign

    with pytest.raises(KooError, match="not by its caller"):
        await policy(timeout=5).run(operation)


async def test_a_group_is_retried_only_if_each_of_it_may_be(gate):
    both = Dependency(ExceptionGroup("", [OSError(), OSError()]), "fine")
    mixed = Dependency(ExceptionGroup("", [OSError(), ValueError()]), "fine")
    assert await policy(retry=QUICK).run(both) == "fine"
    with pytest.raises(ExceptionGroup):
        await policy(retry=QUICK).run(mixed)
    assert len(mixed.calls) == 1


async def test_a_task_group_inside_is_cut_by_our_timeout_as_a_whole():
    dependency = Dependency(9.0)

    async def operation():
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(dependency())

    with pytest.raises(DeadlineExceeded):
        await policy(timeout=2).run(operation)
    assert dependency.cut == 3


async def test_our_timeout_the_callers_and_the_callees_are_told_apart(gate):
    async def callees():
        async with asyncio.timeout(1):
            await asyncio.sleep(9)

    async def callers():
        async with asyncio.timeout(1):
            await policy(gates=[gate], timeout=5).run(Dependency(9.0))

    with pytest.raises(DeadlineExceeded):
        await policy(gates=[gate], timeout=1).run(Dependency(9.0))
    assert gate.stats().failures == 1
    with pytest.raises(TimeoutError):
        await policy(gates=[gate], timeout=5).run(callees)
    assert gate.stats().failures == 2
    with pytest.raises(TimeoutError):
        await callers()
    assert (gate.stats().failures, gate.stats().outcomes) == (2, 2)


async def test_a_nested_timeout_inside_and_ours_outside_at_one_moment_are_both_kept():
    async def operation():
        async with asyncio.timeout(2):
            await asyncio.sleep(9)

    with pytest.raises(TimeoutError):
        await policy(timeout=2).run(operation)
    assert asyncio.current_task().cancelling() == 0
    await asyncio.sleep(1)


async def test_the_callers_timeout_and_ours_at_one_moment_are_both_kept():
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await _both()
    assert asyncio.current_task().cancelling() == 0
    await asyncio.sleep(1)


async def _both():
    async with asyncio.timeout(2):
        await policy(timeout=2).run(Dependency(9.0))


async def test_a_sync_function_can_not_be_put_under_a_policy():
    with pytest.raises(TypeError, match="is not async"):
        policy()(lambda: 1)


async def test_what_the_finally_of_a_cancelled_call_raises_reaches_the_caller(gate):
    async def operation():
        try:
            await asyncio.sleep(9)
        finally:
            raise LookupError("in the cleanup")

    task = await started(policy(gates=[gate]).run(operation))
    task.cancel()
    with pytest.raises(LookupError, match="in the cleanup"):
        await task


async def test_an_exit_of_the_program_abandons():
    budget = DailyBudget("money", DailyBudgetConfig(100), clock=running_clock())
    room = Bulkhead("room", BulkheadConfig(1), clock=running_clock())

    async def leave():
        raise SystemExit(3)

    call = policy(gates=[budget, room]).run(leave, Ask(nanousd=10))
    with pytest.raises(SystemExit):
        call.send(None)
    assert room.stats().in_flight == 0
    assert (budget.stats().spent_nanousd, budget.stats().reserved_nanousd) == (10, 0)


def test_two_threads_with_a_loop_each_share_a_policy():
    """Each loop has its own timers; time limits hold in both."""
    gate = CircuitBreaker("dep")
    through = Policy("dep", gates=[gate], timeout=30)
    answers = []

    async def program():
        for _ in range(200):
            answers.append(await through.run(_nothing))
            await asyncio.sleep(0)

    threads = [threading.Thread(target=asyncio.run, args=(program(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [None] * 400
    assert gate.stats().state is State.CLOSED


async def _nothing():
    return None
