"""An error raised while a call was being cut hid who had cut it; answers were lost on the way."""

import asyncio
import contextlib

import pytest

from koo.errors import DeadlineExceeded
from koo.resilience import (
    Ask,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Policy,
    RetryConfig,
    State,
    Success,
)
from koo.testing import running_clock

RETRY = RetryConfig(max_retries=5)


def breaker():
    config = BreakerConfig(failure_threshold=5, recovery_timeout=10)
    return CircuitBreaker("dep", config, clock=running_clock())


def policy(*gates, **parts):
    return Policy("dep", gates=gates, clock=running_clock(), **parts)


async def slow_to_leave(error=ConnectionResetError):
    try:
        await asyncio.sleep(60)
    finally:
        raise error("in the cleanup")


@pytest.mark.parametrize("parts", [{}, {"timeout": 30}, {"attempt_timeout": 30}])
async def test_who_has_gone_is_not_called_back_and_blames_nobody(parts):
    gate = breaker()
    through = policy(gate, retry=RETRY, **parts)
    for _ in range(8):
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(1):
                await through.run(slow_to_leave)
    assert running_clock().monotonic() == pytest.approx(8, abs=0.1)
    stats = through.stats()
    assert (stats.abandoned_total, stats.failures_total, stats.retries_total) == (8, 0, 0)
    assert gate.stats().state is State.CLOSED
    assert gate.stats().failures == 0


async def test_an_error_before_anybody_cancels_is_retried():
    calls = []

    async def once_broken():
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionResetError
        return "fine"

    assert await policy(retry=RETRY, timeout=30).run(once_broken) == "fine"


async def test_in_the_cleanup_of_a_cancelled_task_a_call_is_retried_as_ever():
    through = policy(retry=RETRY, timeout=60)
    calls = []

    async def goodbye():
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionResetError
        return "gone"

    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            assert await through.run(goodbye) == "gone"

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(calls) == 2


async def test_without_a_timeout_an_error_of_the_work_itself_is_the_dependencys():
    """The task had been cancelled before, and an error says nothing of that."""
    through = policy(retry=None)

    async def refuse():
        raise ConnectionRefusedError

    async def work():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        with pytest.raises(ConnectionRefusedError):
            await through.run(refuse)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await task
    assert through.stats().failures_total == 1


async def _by_run(through, work):
    return await through.run(work)


async def _by_loop(through, work):
    async for attempt in through:
        async with attempt:
            await work()
    return "gone"


async def _by_stream(through, work):
    async def items():
        yield await work()

    (word,) = [item async for item in through.stream(items)]
    return word


@pytest.mark.parametrize("form", [_by_run, _by_loop, _by_stream])
@pytest.mark.parametrize("parts", [{}, {"timeout": 60}, {"attempt_timeout": 60}])
async def test_while_a_cancellation_is_handled_a_call_is_retried_as_ever(form, parts):
    through = policy(retry=RETRY, **parts)
    calls = []

    async def goodbye():
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionResetError
        return "gone"

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            assert await form(through, goodbye) == "gone"
            raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(calls) == 3
    assert through.stats().abandoned_total == 0


@pytest.mark.parametrize("parts", [{}, {"timeout": 60}])
async def test_a_cleanup_that_is_cancelled_itself_blames_nobody(parts):
    through = policy(retry=RETRY, **parts)

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await through.run(slow_to_leave)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(ConnectionResetError):
        await task
    assert (through.stats().abandoned_total, through.stats().retries_total) == (1, 0)


def test_without_any_loop_a_call_while_an_error_is_handled_runs_as_ever():
    async def done():
        return "fine"

    try:
        raise LookupError  # noqa: TRY301 - what is handled meanwhile
    except LookupError:
        with pytest.raises(StopIteration, match="fine"):
            Policy("dep").run(done).send(None)


async def test_a_chain_of_causes_without_end_is_followed_for_a_while():
    error = ConnectionResetError("last")
    link = error
    for _ in range(40):
        link.__context__ = ConnectionResetError("one more")
        link = link.__context__

    async def tangled():
        asyncio.current_task().cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1)
        raise error from None

    through = policy(retry=None)
    with pytest.raises(ConnectionResetError):
        await through.run(tangled)
    assert through.stats().failures_total == 1


@pytest.mark.parametrize("error", [ConnectionResetError, ValueError])
async def test_who_was_cut_by_our_timeout_has_failed_whatever_the_cleanup_raises(error):
    gate = breaker()
    through = policy(gate, attempt_timeout=1)
    for _ in range(5):
        with pytest.raises(error, match="in the cleanup"):
            await through.run(lambda: slow_to_leave(error))
    assert gate.stats().state is State.OPEN


async def test_hung_probes_do_not_close_a_circuit():
    gate = breaker()
    through = policy(gate, attempt_timeout=1)
    gate.open_until(running_clock().monotonic() + 1, "for the test")
    await asyncio.sleep(2)
    with pytest.raises(ValueError, match="in the cleanup"):
        await through.run(lambda: slow_to_leave(ValueError))
    assert gate.stats().state is State.OPEN


async def test_a_stream_that_can_not_even_begin_is_tried_again_and_holds_nothing():
    room = Bulkhead("room", BulkheadConfig(1), clock=running_clock())
    calls = []

    def items():
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionResetError

        async def numbers():
            yield 7

        return numbers()

    through = policy(room, retry=RETRY)
    assert [item async for item in through.stream(items)] == [7]
    assert (len(calls), room.stats().in_flight) == (3, 0)


async def test_an_appraiser_that_says_nothing_costs_the_reservation_and_not_the_answer():
    budget = DailyBudget("money", DailyBudgetConfig(100), clock=running_clock())
    through = policy(budget, appraise=lambda _: None)

    async def answer():
        return 42

    assert await through.run(answer, Ask(nanousd=10)) == 42
    assert (budget.stats().spent_nanousd, budget.stats().reserved_nanousd) == (10, 0)
    assert through.stats().appraiser_errors_total == 1


async def test_an_appraiser_is_believed():
    through = policy(appraise=lambda _: Success())
    assert await through.outcome(lambda: asyncio.sleep(0, 42))
    assert through.stats().appraiser_errors_total == 0


async def test_a_classifier_that_says_nothing_hides_no_error():
    through = policy(classify=lambda _: None, retry=RETRY)
    with pytest.raises(ConnectionResetError) as caught:
        await through.run(refused)
    assert caught.value.__notes__ == ["dep: the classifier returned NoneType; mend it"]


async def refused():
    raise ConnectionResetError


async def slow_to_miss_a_reply():
    """Waits for what somebody else cancels, and is cut while it deals with that."""
    reply = asyncio.get_running_loop().create_future()
    reply.cancel()
    try:
        await reply
    except asyncio.CancelledError:
        try:
            await asyncio.sleep(60)
        finally:
            raise ConnectionResetError("in the cleanup") from None


async def test_a_cancellation_that_was_nobodys_is_not_the_callers_when_the_time_is_over():
    gate = breaker()
    through = policy(gate, timeout=5)
    with pytest.raises(ConnectionResetError):
        await through.run(slow_to_miss_a_reply)
    assert (through.stats().failures_total, gate.stats().failures) == (1, 1)


async def test_what_was_cancelled_in_a_cleanup_blames_nobody_when_the_time_is_over():
    gate = breaker()
    through = policy(gate, timeout=5)

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await through.run(slow_to_miss_a_reply)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(ConnectionResetError):
        await task
    assert (through.stats().abandoned_total, gate.stats().outcomes) == (1, 0)


async def test_who_answers_our_cancellation_with_one_of_its_own_was_cut_by_us():
    async def answers():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise asyncio.CancelledError("its own") from None

    through = policy(timeout=5)
    with pytest.raises(DeadlineExceeded):
        await through.run(answers)
    assert through.stats().failures_total == 1


async def roll_back():
    try:
        await asyncio.sleep(60)
    finally:
        raise ConnectionResetError("in the cleanup")


async def cleans_up_in_a_coroutine_of_its_own():
    """Whose error forgets that our timeout cut it: only the caller's cancellation is behind it."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await roll_back()


@pytest.mark.parametrize("parts", [{"timeout": 5}, {"attempt_timeout": 5}])
async def test_who_has_gone_blames_nobody_if_the_time_is_over_in_a_coroutine_that_cleans_up(parts):
    gate = breaker()
    through = policy(gate, retry=RETRY, **parts)
    task = asyncio.create_task(through.run(cleans_up_in_a_coroutine_of_its_own))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(ConnectionResetError):
        await task
    stats = through.stats()
    assert (stats.abandoned_total, stats.failures_total, gate.stats().failures) == (1, 0, 0)
