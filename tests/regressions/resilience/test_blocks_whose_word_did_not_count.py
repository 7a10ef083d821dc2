"""What the owner of a block said of it, and when its time began."""

import asyncio

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded, KooError
from koo.resilience import (
    Abandoned,
    Advice,
    Ask,
    Backoff,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Failure,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryConfig,
    Spent,
    Success,
)
from koo.testing import run, running_clock

RETRY = RetryConfig(max_retries=2, backoff=Backoff(base_delay=1, max_delay=8))
BUSY = Failure(retryable=True, trips=True, cause="503")
WRONG = Failure(retryable=False, trips=False, cause="404")


def floor(**parts):
    clock = running_clock()
    budget = DailyBudget("day", DailyBudgetConfig(1000), clock=clock)
    gates = [CircuitBreaker("dep", clock=clock), budget, *parts.pop("gates", ())]
    return budget, Policy("dep", gates=gates, clock=clock, random=lambda: 1.0, **parts)


async def statuses(through, *answers):
    """What a loop makes of *answers*, None for a success: which attempts there were, and when."""
    attempts, told = [], list(answers)
    async for attempt in through:
        async with attempt:
            attempts.append((attempt.number, running_clock().monotonic()))
            if (answer := told.pop(0)) is not None:
                attempt.settle(answer)
    return attempts


# -- a failure that was settled and not raised ---------------------------------------------------


def test_a_loop_goes_on_after_a_retryable_failure_that_was_settled():
    async def calls():
        heard = []
        _, through = floor(retry=RETRY, on_event=heard.append)
        assert await statuses(through, BUSY, BUSY, None) == [(1, 0.0), (2, 1.0), (3, 3.0)]
        stats = through.stats()
        assert (stats.calls_total, stats.successes_total, stats.failures_total) == (1, 1, 0)
        assert (stats.attempts_total, stats.retries_total) == (3, 2)
        assert [(event.attempt, event.delay) for event in heard] == [(1, 1.0), (2, 2.0)]

    run(calls())


def test_a_loop_ends_after_the_last_failure_that_was_settled_and_raises_nothing():
    async def calls():
        _, through = floor(retry=RETRY)
        assert len(await statuses(through, BUSY, BUSY, BUSY)) == 3
        stats = through.stats()
        assert (stats.calls_total, stats.failures_total, stats.attempts_total) == (1, 1, 3)

    run(calls())


@pytest.mark.parametrize(
    ("retry", "answer"), [(None, BUSY), (RETRY, WRONG), (RETRY, Abandoned()), (RETRY, Success())]
)
def test_a_loop_ends_with_what_nobody_would_try_again(retry, answer):
    async def calls():
        _, through = floor(retry=retry)
        assert len(await statuses(through, answer)) == 1
        assert through.stats().calls_total == through.stats().attempts_total == 1

    run(calls())


def test_a_wait_that_was_settled_is_obeyed():
    async def calls():
        named = Failure(retryable=True, trips=False, retry_after=20.0)
        _, through = floor(retry=RETRY)
        assert [at for _, at in await statuses(through, named, None)] == [0.0, 22.0]

    run(calls())


def test_a_settled_failure_without_a_cause_says_so():
    async def calls():
        heard = []
        _, through = floor(retry=RETRY, on_event=heard.append)
        await statuses(through, Failure(retryable=True, trips=True), None)
        told = "dep: the attempt was settled as failed (no cause was named)"
        assert str(heard[0].error) == told

    run(calls())


def test_a_refusal_after_a_settled_failure_does_not_say_that_nothing_was_sent():
    async def calls():
        gate = CircuitBreaker("second", clock=running_clock())
        _, through = floor(retry=RETRY, gates=[gate])

        async def loop():
            async for attempt in through:
                async with attempt:
                    gate.isolate("by hand")
                    attempt.settle(BUSY)

        with pytest.raises(KooError, match="settled as failed") as caught:
            await loop()
        assert not isinstance(caught.value, CircuitOpen)
        assert "no further attempt" in caught.value.__notes__[0]

    run(calls())


def test_what_was_settled_counts_for_one_attempt():
    async def calls():
        budget, through = floor(retry=RETRY)
        answers = [Failure(retryable=True, trips=True, spent=Spent(nanousd=3)), None]
        async for attempt in through.asking(Ask(nanousd=500)):
            async with attempt:
                if (answer := answers.pop(0)) is not None:
                    attempt.settle(answer)
        assert budget.stats().spent_nanousd == 503

    run(calls())


# -- a cost that was settled before the block raised ---------------------------------------------


SEVEN = Success(Spent(nanousd=7))


async def block(through, told, ends):
    async with through.permit(Ask(nanousd=500)) as attempt:
        attempt.settle(told)
        await ends()


async def _cancelled():
    asyncio.current_task().cancel()
    await asyncio.sleep(1)


async def _too_long():
    await asyncio.sleep(60)


async def _broken():
    raise ConnectionError


@pytest.mark.parametrize(
    ("ends", "raised"),
    [
        (_broken, ConnectionError),
        (_too_long, DeadlineExceeded),
        (_cancelled, asyncio.CancelledError),
    ],
)
def test_a_cost_that_was_settled_is_debited_however_the_block_ends(ends, raised):
    async def calls():
        budget, through = floor(timeout=5)
        with pytest.raises(raised):
            await asyncio.create_task(block(through, SEVEN, ends))
        assert (budget.stats().spent_nanousd, budget.stats().reserved_nanousd) == (7, 0)

    run(calls())


def test_what_the_error_itself_says_of_its_cost_goes_before():
    async def calls():
        bill = Failure(retryable=False, trips=True, spent=Spent(nanousd=11))
        budget, through = floor(classify=lambda _: bill)
        with pytest.raises(ConnectionError):
            await block(through, SEVEN, _broken)
        assert budget.stats().spent_nanousd == 11

    run(calls())


def test_advice_that_was_settled_counts_although_the_block_raises():
    async def calls():
        clock = running_clock()
        gate = RateLimiter("limit", RateLimiterConfig((Limit(10, 60.0),)), clock=clock)
        _, through = floor(gates=[gate])
        nothing_left = Success(advice=Advice(remaining_requests=0, reset_after=30.0))
        with pytest.raises(ConnectionError):
            await block(through, nothing_left, _broken)
        assert gate.stats().paused_for == 30.0

    run(calls())


def test_a_cost_of_one_attempt_is_not_that_of_the_next():
    async def calls():
        budget, through = floor(retry=RETRY)
        async for attempt in through.asking(Ask(nanousd=100)):
            async with attempt:
                if attempt.number == 1:
                    attempt.settle(SEVEN)
                if attempt.number < 3:
                    raise ConnectionError
        assert budget.stats().spent_nanousd == 207

    run(calls())


# -- the beginning of its time -------------------------------------------------------------------


def test_the_time_of_a_permit_runs_from_when_its_block_is_entered():
    async def calls():
        _, through = floor(timeout=5)
        attempt = through.permit()
        await asyncio.sleep(100)
        async with attempt:
            assert attempt.deadline.at == 105.0
        short = through.permit(timeout=2)
        await asyncio.sleep(100)
        with pytest.raises(DeadlineExceeded, match=r"no answer after 2\.00 s"):
            async with short:
                await asyncio.sleep(3)

    run(calls())


def test_the_time_of_a_loop_runs_from_its_first_turn():
    async def calls():
        _, through = floor(timeout=5)
        turns = aiter(through)
        await asyncio.sleep(100)
        async with await anext(turns) as attempt:
            assert attempt.deadline.at == 105.0

    run(calls())


def test_a_permit_obeys_the_deadline_of_whoever_enters_it():
    async def calls():
        _, through = floor()
        attempt = through.permit()
        async with floor(timeout=3)[1].permit(), attempt:
            assert attempt.deadline.at == 3.0

    run(calls())
