"""What gates inside refused, gathered by a task group: nothing was sent, as if one had said so."""

import asyncio

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded, RateLimited, ServiceRejected
from koo.resilience import (
    Ask,
    BreakerConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Policy,
    RetryConfig,
    Spent,
    State,
    Success,
)
from koo.resilience.classifier import refusal_in
from koo.testing import run, running_clock

CIRCUIT = CircuitOpen("inner", 30.0, "it failed")
LIMIT = RateLimited("window", 5.0)
BUSY = ServiceRejected("claude", "out of service", retry_after=7.0)
REFUSALS = [
    BUSY,
    ExceptionGroup("", [CIRCUIT]),
    ExceptionGroup("", [LIMIT, CIRCUIT, BUSY]),
    ExceptionGroup("", [ExceptionGroup("", [CIRCUIT]), LIMIT]),
]


def floor(clock, **parts):
    gate = CircuitBreaker("outer", BreakerConfig(failure_threshold=1), clock=clock)
    budget = DailyBudget("day", DailyBudgetConfig(1000), clock=clock)
    return gate, budget, Policy("outer", gates=[gate, budget], clock=clock, **parts)


def raising(error):
    async def operation():
        raise error

    return operation


@pytest.mark.parametrize("error", REFUSALS, ids=["service", "one", "several", "nested"])
def test_the_outer_permits_are_handed_back(error):
    async def calls():
        heard = []
        parts = {"retry": RetryConfig(), "on_event": heard.append}
        gate, budget, through = floor(running_clock(), **parts)
        outcome = await through.outcome(raising(error), Ask(nanousd=500))
        assert outcome.error is error
        assert outcome.attempts == 0
        assert gate.stats().outcomes == 0
        assert (budget.stats().spent_nanousd, budget.stats().reserved_nanousd) == (0, 0)
        assert through.stats().rejected_total == through.stats().calls_total == 1
        assert [event.gate for event in heard] == [refusal_in(error).gate]

    run(calls())


def test_a_probe_that_was_refused_inside_goes_back():
    async def calls():
        gate, _, through = floor(running_clock())
        gate.open_until(0, "a moment")

        async def two_refused():
            async with asyncio.TaskGroup() as group:
                group.create_task(raising(LIMIT)())
                group.create_task(raising(CIRCUIT)())

        with pytest.raises(ExceptionGroup):
            await through.run(two_refused)
        assert gate.stats().state is State.HALF_OPEN
        assert (gate.stats().probes, gate.stats().successes) == (0, 0)

    run(calls())


def test_a_real_failure_beside_a_refusal_is_a_failure():
    async def calls():
        gate, budget, through = floor(running_clock(), retry=RetryConfig())
        mixed = ExceptionGroup("", [CIRCUIT, ConnectionError()])
        outcome = await through.outcome(raising(mixed), Ask(nanousd=500))
        assert outcome.attempts == 1, "a refusal inside is not tried again"
        assert gate.stats().cause == "1 of the last 1 attempts failed; last: ConnectionError"
        assert budget.stats().spent_nanousd == 500

    run(calls())


def test_a_mistake_beside_a_refusal_is_one_too():
    async def calls():
        gate, budget, through = floor(running_clock())
        mixed = ExceptionGroup("", [CIRCUIT, ValueError()])
        await through.outcome(raising(mixed), Ask(nanousd=500))
        assert (gate.stats().outcomes, gate.stats().state) == (1, State.CLOSED)
        assert budget.stats().spent_nanousd == 500

    run(calls())


def test_a_refusal_after_an_attempt_raises_the_error_of_that():
    async def calls():
        errors = [ConnectionError("first"), ExceptionGroup("", [CIRCUIT])]
        gate, _, through = floor(running_clock(), retry=RetryConfig())
        gate.force_close()

        async def operation():
            raise errors.pop(0)

        with pytest.raises(ConnectionError, match="first") as caught:
            await through.run(operation)
        assert caught.value.__notes__ == [f"outer: no further attempt; {CIRCUIT}"]

    run(calls())


def test_what_was_spent_before_a_refusal_stays_spent():
    async def calls():
        gate, budget, through = floor(running_clock())

        async def block():
            async with through.permit(Ask(nanousd=500)) as attempt:
                attempt.settle(Success(Spent(nanousd=7)))
                raise CIRCUIT

        with pytest.raises(CircuitOpen):
            await block()
        assert budget.stats().spent_nanousd == 7
        assert gate.stats().outcomes == 0

    run(calls())


@pytest.mark.parametrize("others", [[], [CIRCUIT]])
def test_a_group_that_says_the_callers_time_is_over_blames_nobody(others):
    async def calls():
        clock = running_clock()
        gate, _, middle = floor(clock)
        outer = Policy("outermost", timeout=1, clock=clock)

        async def hurried():
            async with asyncio.timeout(1), asyncio.TaskGroup() as group:
                for error in [_too_late(1.0), *others]:
                    group.create_task(raising(error)())

        outcome = await outer.outcome(lambda: middle.run(hurried))
        assert isinstance(outcome.error, ExceptionGroup)
        assert gate.stats().outcomes == 0
        assert middle.stats().abandoned_total == 1

    run(calls())


def _too_late(deadline_at):
    late = DeadlineExceeded("inner: too little time to begin")
    late.deadline_at = deadline_at
    return late


def test_a_group_of_what_cleanups_made_of_a_cancellation_blames_nobody():
    async def calls():
        gate, _, through = floor(running_clock())

        async def breaks_when_cancelled():
            try:
                await asyncio.sleep(60)
            finally:
                raise ConnectionError("closing")

        async def two():
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(breaks_when_cancelled())

        async def as_many_do():
            try:
                await two()
            except* ConnectionError as broken:
                raise ExceptionGroup("again", broken.exceptions) from None

        task = asyncio.create_task(through.run(as_many_do))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(ExceptionGroup):
            await task
        assert gate.stats().outcomes == 0

    run(calls())


def test_of_several_refusals_the_longest_is_told():
    assert refusal_in(REFUSALS[2]) is CIRCUIT
    for_ever = CircuitOpen("isolated", None)
    assert refusal_in(ExceptionGroup("", [CIRCUIT, for_ever, LIMIT])) is for_ever
    told = refusal_in(BUSY)
    assert (told.gate, told.retry_after, told.cause) == ("claude", 7.0, "out of service")
    because = ServiceRejected("claude", "")
    because.__cause__ = LIMIT
    assert refusal_in(because) is LIMIT
    assert refusal_in(ExceptionGroup("", [CIRCUIT, ValueError()])) is None
