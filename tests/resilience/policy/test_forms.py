"""The block, the loop, the decorator: the same journey in another dress."""

import asyncio
import functools
import gc
import inspect
import weakref

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded, Saturated
from koo.resilience import (
    ABANDONED,
    Ask,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Deadline,
    Policy,
    RetryBudget,
    Spent,
    State,
    Success,
    current_attempt,
    current_deadline,
)
from koo.testing import running_clock

from ..tools import FAILED
from .actors import QUICK, Dependency, policy


@pytest.fixture
def gate():
    return CircuitBreaker("breaker")


def outcomes(gate):
    return gate.stats().outcomes, gate.stats().failures


async def test_a_block_that_ends_is_a_success(gate):
    through = policy(gates=[gate])
    async with through.permit() as attempt:
        assert attempt.number == 1
        assert outcomes(gate) == (0, 0)
    assert outcomes(gate) == (1, 0)
    assert through.stats().successes_total == 1


async def test_a_block_that_raises_is_judged_and_raises(gate):
    through = policy(gates=[gate])
    with pytest.raises(OSError, match="mine"):
        async with through.permit():
            raise OSError("mine")
    assert outcomes(gate) == (1, 1)
    assert through.stats().failures_total == 1


async def test_a_block_that_is_left_early_is_settled(gate):
    through = policy(gates=[gate])
    for _ in range(3):
        async with through.permit():
            break
    assert outcomes(gate) == (1, 0)


async def test_a_block_that_is_refused_is_not_entered(gate):
    gate.isolate("by hand")
    with pytest.raises(CircuitOpen):
        async with policy(gates=[gate]).permit():
            pytest.fail("entered")


async def test_a_block_says_what_it_spent():
    budget = DailyBudget("dep", DailyBudgetConfig(1000), clock=running_clock())
    async with policy(gates=[budget]).permit(Ask(nanousd=500)) as attempt:
        attempt.settle(Success(spent=Spent(nanousd=7)))
    assert budget.stats().spent_nanousd == 7


async def test_a_block_that_says_it_failed_has_failed(gate):
    budget = RetryBudget()
    through = policy(gates=[gate], retry=QUICK, retry_budget=budget)
    budget.withdraw(5)
    async with through.permit() as attempt:
        attempt.settle(FAILED)
    assert outcomes(gate) == (1, 1)
    stats = through.stats()
    assert (stats.successes_total, stats.failures_total, stats.attempts_total) == (0, 1, 1)
    assert budget.stats(running_clock().monotonic()).balance == 5


async def test_a_block_that_says_it_was_given_up_is_abandoned(gate):
    through = policy(gates=[gate])
    async with through.permit() as attempt:
        attempt.settle(ABANDONED)
    assert outcomes(gate) == (0, 0)
    stats = through.stats()
    assert (stats.successes_total, stats.abandoned_total, stats.attempts_total) == (0, 1, 1)


async def test_a_block_knows_its_deadline_and_so_does_what_it_calls():
    async with policy(timeout=5).permit() as attempt:
        assert attempt.deadline == current_deadline() == Deadline(5)
        assert current_attempt() == 1
    assert current_deadline() is None
    async with policy().permit() as attempt:
        assert attempt.deadline is None
    async with policy().permit(timeout=3) as attempt:
        assert attempt.deadline == Deadline(3)


async def test_a_block_is_ended_by_its_timeout(gate):
    with pytest.raises(DeadlineExceeded):
        async with policy(gates=[gate], timeout=2).permit():
            await asyncio.sleep(9)
    assert outcomes(gate) == (1, 1)


async def test_a_block_whose_caller_went_away_is_abandoned(gate):
    async def block():
        async with policy(gates=[gate]).permit():
            await asyncio.sleep(9)

    task = asyncio.create_task(block())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outcomes(gate) == (0, 0)


async def test_a_block_is_not_retried():
    entered = []

    async def block():
        async with policy(retry=QUICK).permit():
            entered.append(1)
            raise OSError

    with pytest.raises(OSError):
        await block()
    assert entered == [1]


async def test_a_block_may_be_entered_in_one_task_and_left_in_another(gate):
    """As frameworks do with what they inject."""
    attempt = policy(gates=[gate], timeout=5).permit()
    await asyncio.create_task(attempt.__aenter__())
    assert current_deadline() is None
    await asyncio.create_task(attempt.__aexit__(None, None, None))
    assert outcomes(gate) == (1, 0)
    assert current_deadline() is None


async def test_a_block_can_be_entered_once():
    """Two tasks in one block would hold one permit between them."""
    gate = Bulkhead("dep", BulkheadConfig(9), clock=running_clock())
    attempt = policy(gates=[gate]).permit()
    async with attempt:
        with pytest.raises(RuntimeError) as caught:
            await attempt.__aenter__()
        assert gate.stats().in_flight == 1
    assert str(caught.value) == (
        "Policy 'dep': this permit was used already; take a new one for each block"
    )
    assert gate.stats().in_flight == 0
    with pytest.raises(RuntimeError):
        await attempt.__aenter__()
    assert gate.stats().in_flight == 0


@pytest.mark.parametrize("ask", ["number", "deadline"])
async def test_a_permit_that_was_not_entered_knows_of_no_call(ask):
    attempt = policy(timeout=5).permit()
    with pytest.raises(RuntimeError) as caught:
        getattr(attempt, ask)
    assert str(caught.value) == (
        "Policy 'dep': this permit was not entered yet; ask it inside of its block"
    )
    with pytest.raises(RuntimeError, match="not entered yet"):
        attempt.settle(ABANDONED)


async def test_a_thousand_blocks_at_once_have_a_clock_each():
    """A guard that is shared forgets the first of two who enter it."""
    through = policy(attempt_timeout=2)

    async def block(start):
        await asyncio.sleep(start)
        began = running_clock().monotonic()
        with pytest.raises(DeadlineExceeded):
            async with through.permit():
                await asyncio.sleep(9)
        return running_clock().monotonic() - began

    took = await asyncio.gather(*(block(number / 500) for number in range(1000)))
    assert took == pytest.approx([2.0] * 1000, abs=1e-3)


async def test_the_loop_runs_its_block_until_it_succeeds(gate):
    dependency, numbers = Dependency(OSError("a"), OSError("b"), "fine"), []
    through = policy(gates=[gate], retry=QUICK)
    async for attempt in through:
        async with attempt:
            numbers.append(attempt.number)
            value = await dependency()
    assert (value, numbers) == ("fine", [1, 2, 3])
    assert outcomes(gate) == (3, 2)
    assert through.stats().calls_total == 1


async def test_the_loop_raises_the_last_error_inside_its_block():
    dependency = Dependency(OSError("a"), OSError("b"), OSError("c"))
    with pytest.raises(OSError, match="c") as caught:
        await _loop(policy(retry=QUICK), dependency)
    assert len(dependency.calls) == 3
    assert caught.value.__notes__ == ["dep: gave up after 3 attempts"]


async def test_a_loop_that_gave_up_keeps_no_error_alive():
    class Lost(OSError):
        pass

    attempts, errors = [], []

    async def loop():
        async for attempt in policy(retry=QUICK):
            attempts.append(attempt)
            async with attempt:
                error = Lost()
                errors.append(weakref.ref(error))
                raise error

    with pytest.raises(Lost):
        await loop()
    gc.collect()
    assert len(attempts) == 3
    assert [error() for error in errors] == [None] * 3


async def test_the_loop_without_retry_runs_once():
    dependency = Dependency(OSError())
    with pytest.raises(OSError):
        await _loop(policy(), dependency)
    assert len(dependency.calls) == 1


async def _loop(through, dependency):
    async for attempt in through:
        async with attempt:
            await dependency()


async def test_a_loop_whose_block_is_never_entered_ends():
    turns = [attempt async for attempt in policy(retry=QUICK)]
    assert len(turns) == 1


async def test_a_loop_that_is_refused_later_raises_the_last_error(gate):
    async def dependency():
        gate.isolate("by hand")
        raise OSError("mine")

    with pytest.raises(OSError, match="mine") as caught:
        await _loop(policy(gates=[gate], retry=QUICK), dependency)
    assert "no further attempt" in caught.value.__notes__[0]


async def test_two_loops_over_one_policy_do_not_know_each_other():
    through = policy(retry=QUICK)

    async def loop():
        numbers = []
        async for attempt in through:
            async with attempt:
                numbers.append(attempt.number)
                if len(numbers) < 3:
                    raise OSError
        return numbers

    assert await asyncio.gather(loop(), loop()) == [[1, 2, 3]] * 2


async def test_a_decorated_function_is_called_through_the_policy(gate):
    through = policy(gates=[gate], retry=QUICK)
    failures = [OSError(), OSError()]

    @through
    async def load(number, *, eager=False):
        """Its own words."""
        if failures:
            raise failures.pop()
        return number, eager

    assert await load(7, eager=True) == (7, True)
    assert (load.__name__, load.__doc__) == ("load", "Its own words.")
    assert outcomes(gate) == (3, 2)


async def test_a_decorated_function_is_still_a_coroutine_function():
    @policy()
    async def load():
        return 1

    assert inspect.iscoroutinefunction(load)
    assert await functools.partial(load)() == 1


async def test_a_method_can_be_decorated():
    class Store:
        @policy()
        async def load(self, number):
            return self, number

    store = Store()
    assert await store.load(3) == (store, 3)


def test_a_function_that_would_block_the_loop_can_not_be_decorated():
    def blocking():
        return 1

    with pytest.raises(TypeError, match=r"^Policy 'dep': .*blocking.* is not async; decorate an"):
        Policy("dep")(blocking)


async def test_a_block_may_wait_in_line():
    gate = Bulkhead("bulkhead", BulkheadConfig(1), clock=running_clock())
    held = gate.admit(Ask())
    asyncio.get_running_loop().call_later(3, held.cancel)
    async with policy(gates=[gate], timeout=5).permit():
        assert running_clock().monotonic() == 3
    assert gate.stats().in_flight == 0


async def test_a_block_may_wait_in_vain():
    gate = Bulkhead("bulkhead", BulkheadConfig(1), clock=running_clock())
    held = gate.admit(Ask())
    with pytest.raises(Saturated):
        async with policy(gates=[gate], timeout=5).permit():
            pytest.fail("entered")
    held.cancel()
    assert gate.stats().in_flight == 0


async def test_a_refusal_inside_a_block_hands_its_permit_back(gate):
    async def block():
        async with policy(gates=[gate]).permit():
            assert gate.stats().probes == 1
            raise Saturated("inner")

    gate.open_until(0, "a moment")
    with pytest.raises(Saturated):
        await block()
    assert gate.stats().probes == 0
    assert gate.stats().state is State.HALF_OPEN
