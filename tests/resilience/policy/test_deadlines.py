"""One budget of time, and whose fault it is when it is over."""

import asyncio
import contextvars
import time

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded, Rejected, Saturated
from koo.resilience import (
    Ask,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Deadline,
    Policy,
    RetryConfig,
    State,
    classify_by_type,
    detached,
)
from koo.testing import running_clock

from ..tools import FAILED, calls
from .actors import QUICK, Dependency, policy, started


@pytest.fixture
def gate():
    """A breaker that one more failure opens."""
    gate = CircuitBreaker("breaker")
    calls(gate, 4, FAILED)
    return gate


async def test_the_calls_own_timeout_is_a_failure_that_trips(gate):
    with pytest.raises(DeadlineExceeded):
        await policy(gates=[gate], timeout=2).run(Dependency(9.0))
    assert running_clock().monotonic() == pytest.approx(2, abs=1e-4)
    assert gate.stats().state is State.OPEN


async def test_the_attempts_own_timeout_is_a_failure_that_trips(gate):
    with pytest.raises(DeadlineExceeded):
        await policy(gates=[gate], timeout=60, attempt_timeout=2).run(Dependency(9.0))
    assert running_clock().monotonic() == pytest.approx(2, abs=1e-4)
    assert gate.stats().state is State.OPEN


async def test_the_timeout_given_with_the_call_is_a_failure_that_trips(gate):
    with pytest.raises(DeadlineExceeded):
        await policy(gates=[gate]).run(Dependency(9.0), timeout=2)
    assert gate.stats().state is State.OPEN


async def test_an_inherited_deadline_abandons(gate):
    inner = policy("inner", gates=[gate], timeout=60)
    with pytest.raises(DeadlineExceeded):
        await policy("outer", timeout=2).run(lambda: inner.run(Dependency(9.0)))
    assert (gate.stats().state, gate.stats().outcomes) == (State.CLOSED, 4)
    assert inner.stats().abandoned_total == 1


async def test_a_deadline_that_came_with_the_ask_abandons(gate):
    ask = Ask(deadline=Deadline(2))
    with pytest.raises(DeadlineExceeded) as caught:
        await policy(gates=[gate], timeout=60).run(Dependency(9.0), ask)
    assert caught.value.deadline_at == 2
    assert running_clock().monotonic() == pytest.approx(2, abs=1e-4)
    assert (gate.stats().state, gate.stats().outcomes) == (State.CLOSED, 4)


async def test_an_attempt_longer_than_its_own_timeout_trips_whatever_was_inherited(gate):
    inner = policy("inner", gates=[gate], attempt_timeout=1)
    await policy("outer", timeout=5).run(lambda: inner.outcome(Dependency(9.0)))
    assert gate.stats().state is State.OPEN


async def test_the_callers_own_asyncio_timeout_abandons(gate):
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(2):
            await policy(gates=[gate], timeout=60).run(Dependency(9.0))
    assert not isinstance(caught.value, DeadlineExceeded)
    assert (gate.stats().state, gate.stats().outcomes) == (State.CLOSED, 4)


async def test_the_callers_cancellation_abandons_and_is_not_swallowed(gate):
    task = await started(policy(gates=[gate], timeout=60).run(Dependency(9.0)))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (gate.stats().state, gate.stats().outcomes) == (State.CLOSED, 4)


async def test_a_timeout_that_the_operation_raises_itself_is_its_failure(gate):
    async def operation():
        async with asyncio.timeout(1):
            await asyncio.sleep(9)

    with pytest.raises(TimeoutError) as caught:
        await policy(gates=[gate], timeout=60).run(operation)
    assert not isinstance(caught.value, DeadlineExceeded)
    assert gate.stats().state is State.OPEN


async def test_our_timeout_leaves_no_cancellation_behind():
    await policy(timeout=1).outcome(Dependency(9.0))
    task = asyncio.current_task()
    assert task.cancelling() == 0
    await asyncio.sleep(1)


async def test_a_cancellation_at_the_very_moment_of_our_timeout_is_the_callers():
    async def operation():
        try:
            await asyncio.sleep(9)
        finally:
            task.cancel()

    task = asyncio.ensure_future(policy(timeout=2).run(operation))
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_operation_that_answers_at_the_very_moment_has_answered():
    async def stubborn():
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            return "just in time"

    assert await policy(timeout=2).run(stubborn) == "just in time"
    assert asyncio.current_task().cancelling() == 0


async def test_an_operation_that_turns_our_timeout_into_its_own_error_is_judged_by_that():
    async def turns():
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            raise ValueError("its own") from None

    through = policy(timeout=2)
    with pytest.raises(ValueError, match="its own"):
        await through.run(turns)
    assert asyncio.current_task().cancelling() == 0


@pytest.mark.parametrize("timeout", [None, 1.5])
async def test_a_call_made_by_a_task_that_is_being_cancelled_times_out_like_any_other(timeout):
    """A cleanup runs under a cancellation that is not ours to take back."""

    async def cleans_up():
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            ended = await policy(timeout=2).outcome(Dependency(9.0), timeout=timeout)
            return ended.error, asyncio.current_task().cancelling()

    task = await started(cleans_up())
    task.cancel()
    error, cancellations = await task
    assert isinstance(error, DeadlineExceeded)
    assert cancellations == 1


async def test_a_cancellation_after_an_attempt_that_timed_out_is_the_callers():
    task = await started(policy(attempt_timeout=1, retry=QUICK).run(Dependency(9.0)))
    await asyncio.sleep(2.5)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("timeout", [2.0, 3.0])
async def test_a_deadline_at_the_very_end_of_our_own_timeout_is_ours(gate, timeout):
    with pytest.raises(DeadlineExceeded):
        await policy(gates=[gate], timeout=timeout).run(
            Dependency(9.0), Ask(deadline=Deadline(2)), timeout=2
        )
    assert gate.stats().state is State.OPEN


@pytest.mark.parametrize("timeout", [1.0, 2.0])
async def test_an_operation_that_takes_all_the_time_there_is_has_answered(timeout):
    assert await policy(timeout=timeout).run(Dependency(1.0), timeout=1) == "late"


async def test_attempts_backoff_and_all_share_one_budget():
    dependency = Dependency(9.0)
    with pytest.raises(DeadlineExceeded):
        await policy(timeout=10, attempt_timeout=3, retry=RetryConfig(max_retries=9)).run(
            dependency
        )
    assert dependency.calls == pytest.approx([0, 4, 9], abs=1e-3)
    assert running_clock().monotonic() == pytest.approx(10, abs=1e-3)


async def test_the_teardown_of_an_attempt_is_paid_from_the_same_budget():
    """It is not cut short, but what it takes is missing afterwards."""
    began = []

    async def slow_to_leave():
        began.append(running_clock().monotonic())
        try:
            await asyncio.sleep(9)
        finally:
            await asyncio.sleep(3)

    through = policy(timeout=12, attempt_timeout=2, retry=QUICK)
    with pytest.raises(DeadlineExceeded):
        await through.run(slow_to_leave)
    assert began == pytest.approx([0, 6], abs=1e-3)
    assert running_clock().monotonic() == pytest.approx(11, abs=1e-3)


async def test_the_last_attempt_is_cut_to_what_is_left():
    dependency = Dependency(OSError(), 9.0)
    with pytest.raises(DeadlineExceeded):
        await policy(timeout=3, attempt_timeout=2.9, retry=QUICK).run(dependency)
    assert running_clock().monotonic() == pytest.approx(3, abs=1e-3)


async def test_a_longer_timeout_given_with_the_call_replaces_the_policys():
    assert await policy(timeout=2).run(Dependency(9.0), timeout=20) == "late"


async def test_a_longer_timeout_given_with_the_call_does_not_lengthen_an_attempt():
    with pytest.raises(DeadlineExceeded):
        await policy(timeout=2, attempt_timeout=1).run(Dependency(9.0), timeout=20)
    assert running_clock().monotonic() == pytest.approx(1, abs=1e-3)


async def test_no_attempt_is_begun_after_the_deadline():
    """The loop was late: the backoff ended after the deadline that it should have kept."""
    clock, dependency = running_clock(), Dependency(OSError("real"))

    class Late:
        monotonic, time = staticmethod(clock.monotonic), staticmethod(clock.time)

        @staticmethod
        async def sleep(seconds):
            await asyncio.sleep(seconds + 5)

    through = Policy("dep", clock=Late(), random=lambda: 1.0, timeout=3, retry=QUICK)
    with pytest.raises(OSError, match="real"):
        await through.run(dependency)
    assert dependency.calls == [0]


async def test_no_attempt_is_begun_after_a_wait_in_line_that_took_all_the_time():
    clock, dependency = running_clock(), Dependency()
    gate = Bulkhead("bulkhead", BulkheadConfig(1), clock=clock)
    held = gate.admit(Ask())
    task = await started(policy(gates=[gate], timeout=3).run(dependency))
    asyncio.get_running_loop().call_later(3, held.cancel)
    with pytest.raises((Rejected, DeadlineExceeded)):
        await task
    assert not dependency.calls
    assert gate.stats().in_flight == 0


async def test_a_call_that_has_no_time_left_is_not_begun():
    dependency = Dependency()
    gate = Bulkhead("bulkhead", BulkheadConfig(1), clock=running_clock())
    through = policy(gates=[gate])
    await asyncio.sleep(5)
    with pytest.raises(DeadlineExceeded, match=r"^dep: 0\.000 s are too little time") as caught:
        await through.run(dependency, Ask(deadline=Deadline(4)))
    assert caught.value.deadline_at == 4
    assert not dependency.calls
    assert gate.stats().in_flight == 0
    assert through.stats().failures_total == 1


@pytest.mark.parametrize("timeout", [0, 0.0, -3.0])
async def test_a_call_that_is_given_no_time_is_not_begun(timeout):
    dependency = Dependency()
    gate = Bulkhead("bulkhead", BulkheadConfig(1), clock=running_clock())
    with pytest.raises(DeadlineExceeded, match=r"^dep: 0\.000 s are too little time to begin"):
        await policy(gates=[gate], timeout=5).run(dependency, timeout=timeout)
    assert dependency.calls == []
    assert gate.stats().in_flight == 0


@pytest.mark.parametrize("parts", [{"timeout": 2}, {}])
async def test_a_call_that_no_task_drives_can_not_be_cut_short_and_is_not_lost(parts):
    """Some frameworks step a coroutine by hand; there is nobody to cancel then."""
    loop, through = asyncio.get_running_loop(), policy(**parts)
    gate, ended, context = asyncio.Event(), [], contextvars.copy_context()

    async def operation():
        await gate.wait()
        return "driven by hand"

    def drive(call):
        try:
            call.send(None)
        except StopIteration as end:
            ended.append(end.value)
        else:
            loop.call_later(5, drive_on, call, context=context)

    def drive_on(call):
        gate.set()
        drive(call)

    call = through.run(operation, Ask(deadline=Deadline(3)))
    loop.call_soon(drive, call, context=context)
    await asyncio.sleep(10)
    assert ended == ["driven by hand"]
    assert through.stats().successes_total == 1


async def test_many_calls_expire_from_one_timer_each_at_its_own_time():
    loop, through, ends = asyncio.get_running_loop(), policy(timeout=10), []

    async def one(start):
        await asyncio.sleep(start)
        await through.outcome(Dependency(99.0))
        ends.append(loop.time() - start)

    await asyncio.gather(*(one(number / 10) for number in range(50)))
    assert ends == pytest.approx([10] * 50, abs=1e-3)


async def test_calls_that_ended_do_not_expire_later():
    through = policy(timeout=10)
    for _ in range(20):
        await through.run(Dependency(1.0))
    await asyncio.sleep(100)
    assert through.stats().successes_total == 20


async def test_the_default_classifier_takes_our_timeout_for_a_failure():
    verdict = classify_by_type(DeadlineExceeded("x"))
    assert (verdict.retryable, verdict.trips) == (True, True)


async def test_a_call_without_any_time_limit_takes_as_long_as_it_takes():
    assert await policy().run(Dependency(1e6)) == "late"


async def test_a_permit_made_early_counts_its_attempt_from_where_it_is_entered():
    attempt = policy(attempt_timeout=2).permit()
    await asyncio.sleep(50)
    async with attempt:
        await asyncio.sleep(1.9)


async def test_a_refused_call_says_so_and_not_that_it_was_late():
    gate = CircuitBreaker("breaker", clock=running_clock())
    gate.open_until(5, "busy")
    with pytest.raises(CircuitOpen):
        await policy(gates=[gate], timeout=2).run(Dependency())
    full = Bulkhead("bulkhead", BulkheadConfig(1), clock=running_clock())
    held = full.admit(Ask())
    with pytest.raises(Saturated):
        await policy(gates=[full], timeout=2).run(Dependency())
    held.cancel()


async def test_in_a_teardown_after_the_deadline_only_what_is_detached_is_begun():
    through, inherited, detached_one = policy("inner"), Dependency(), Dependency()
    teardown = []

    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            teardown.append(await through.outcome(inherited))
            teardown.append(await detached(through.outcome(detached_one)))

    with pytest.raises(DeadlineExceeded):
        await policy("outer", timeout=1).run(work)
    assert [ended.ok for ended in teardown] == [False, True]
    assert (len(inherited.calls), len(detached_one.calls)) == (0, 1)


@pytest.mark.integration
async def test_on_the_real_clock_a_deadline_is_reached_in_time():
    """The bound is one for a busy machine; the benchmark says by how much it is overrun."""
    through = Policy("dep", timeout=0.05)
    began = time.monotonic()
    late = [through.outcome(lambda: asyncio.sleep(60)) for _ in range(100)]
    ended = await asyncio.gather(*late)
    assert 0.05 <= time.monotonic() - began < 5
    assert all(isinstance(outcome.error, DeadlineExceeded) for outcome in ended)
