"""Verdicts of a policy that were not its to give, and attempts that could not end in time."""

import asyncio

import pytest

from koo.errors import DeadlineExceeded
from koo.resilience import (
    Advice,
    Ask,
    Backoff,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Failure,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryClass,
    RetryConfig,
    State,
    Success,
    current_deadline,
)
from koo.testing import FakeClock, run, running_clock

SLOW = 2.0


async def _slow():
    await asyncio.sleep(SLOW)


async def _used_to_slowness(name, clock, **parts):
    """A policy that knows from a hundred calls how long one takes, and that less is too little."""
    policy = Policy(name, clock=clock, **parts)
    for _ in range(100):
        await policy.run(_slow)
    await policy.outcome(_slow, timeout=0.9 * SLOW)
    return policy


async def _too_little_time_below():
    clock = running_clock()
    inner = await _used_to_slowness("inner", clock)

    async def operation():
        await asyncio.sleep(0.01)
        await inner.run(_slow)

    return operation


async def _a_timeout_of_its_own():
    async def operation():
        async with asyncio.timeout(current_deadline().remaining(running_clock().monotonic())):
            await asyncio.sleep(SLOW)

    return operation


@pytest.mark.parametrize("make", [_too_little_time_below, _a_timeout_of_its_own])
def test_a_callers_short_deadline_is_no_failure_of_what_lies_below(make):
    async def calls():
        clock, operation = running_clock(), await make()
        gate = CircuitBreaker("middle", clock=clock)
        middle = Policy("middle", gates=[gate], clock=clock)
        outer = Policy("outer", timeout=1, clock=clock)
        for _ in range(5):
            outcome = await outer.outcome(lambda: middle.run(operation))
            assert isinstance(outcome.error, TimeoutError)
        assert gate.stats().state is State.CLOSED
        assert gate.stats().failures == 0
        stats = middle.stats()
        assert (stats.failures_total, stats.abandoned_total + stats.rejected_total) == (0, 5)

    run(calls())


def test_a_limit_of_ones_own_is_still_a_failure():
    async def calls():
        clock = running_clock()
        gate = CircuitBreaker("dep", clock=clock)
        through = Policy("dep", gates=[gate], timeout=1, clock=clock)

        async def bounded_by_itself():
            async with asyncio.timeout(0.5):
                await asyncio.sleep(SLOW)

        for operation in (_slow, bounded_by_itself):
            assert isinstance((await through.outcome(operation)).error, TimeoutError)
        assert gate.stats().failures == 2

    run(calls())


def test_a_retry_that_could_not_end_in_time_is_not_begun():
    async def calls():
        clock, begun = running_clock(), []
        retry = RetryConfig(backoff=Backoff(base_delay=0.5))
        through = await _used_to_slowness("dep", clock, retry=retry, random=lambda: 0.9)

        async def fails_late():
            begun.append(clock.monotonic())
            await asyncio.sleep(2.5)
            raise ConnectionError

        outer = Policy("outer", timeout=3.01, clock=clock)
        outcome = await outer.outcome(lambda: through.run(fails_late))
        assert isinstance(outcome.error, ConnectionError)
        assert len(begun) == 1

    run(calls())


def test_whoever_was_in_line_too_long_to_end_in_time_is_not_begun():
    async def calls():
        clock, begun = running_clock(), []
        gate = Bulkhead("dep", BulkheadConfig(max_concurrent=1), clock=clock)
        through = await _used_to_slowness("dep", clock, gates=[gate])

        async def in_time():
            begun.append(clock.monotonic())
            await _slow()

        holder = asyncio.create_task(through.run(lambda: asyncio.sleep(2.9)))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded, match="too little time"):
            await through.run(in_time, timeout=3)
        await holder
        assert not begun
        assert gate.stats().in_flight == 0

    run(calls())


def test_a_named_wait_of_nothing_leaves_the_backoff_as_it_is():
    backoff = Backoff(base_delay=1.0)
    named = Failure(retryable=True, trips=True, retry_after=0.0)
    assert backoff.delay(named, 1, lambda: 1.0) == 1.0


def test_what_says_nothing_about_load_may_come_again_at_once():
    backoff = Backoff(base_delay=1.0)
    resolved = Failure(True, False, retry_after=0.0, retry_class=RetryClass.RESOLVED)
    assert backoff.delay(resolved, 1, lambda: 1.0) == 0.1


@pytest.mark.parametrize("suppressed", [True, False])
def test_an_error_raised_while_another_was_handled_is_not_tried_again_further_out(suppressed):
    async def calls():
        clock, sent = running_clock(), []
        retry = RetryConfig(max_retries=2)
        layers = [Policy(f"layer{n}", retry=retry, clock=clock) for n in range(3)]

        async def dead():
            sent.append(1)
            raise ConnectionError("dead")

        def wrapped(policy, operation):
            async def call():
                try:
                    await policy.run(operation)
                except ConnectionError:
                    if suppressed:
                        raise ConnectionError("wrapped") from None
                    raise ConnectionError("wrapped")  # noqa: B904 - as many do

            return call

        operation = dead
        for policy in layers:
            operation = wrapped(policy, operation)
        with pytest.raises(ConnectionError):
            await operation()
        assert len(sent) == 3

    run(calls())


def test_a_permit_that_was_settled_inside_the_call_is_not_settled_again():
    class Greedy(Bulkhead):
        def admit(self, ask):
            permit = super().admit(ask)
            permit.settle(Success())
            return permit

    gate = Greedy("dep", BulkheadConfig(max_concurrent=1))
    through = Policy("dep", gates=[gate])
    asyncio.run(through.run(lambda: asyncio.sleep(0)))
    assert gate.stats().in_flight == 0
    assert gate.stats().double_settled_total == 1


def test_an_answer_that_leaves_no_tokens_pauses_the_limiter():
    clock = FakeClock()
    gate = RateLimiter("dep", RateLimiterConfig((Limit(10, 60.0),)), clock=clock)
    advice = Advice(remaining_requests=9, remaining_tokens=0, reset_after=30.0)
    gate.admit(Ask()).settle(Success(advice=advice))
    assert gate.stats().paused_for == 30.0


def test_a_deadline_without_a_line_can_be_said():
    async def calls():
        gate = Bulkhead("dep", BulkheadConfig(max_concurrent=1))
        through = Policy("dep", gates=[gate], timeout=5, patience=0)
        held = gate.admit(Ask())
        outcome = await through.outcome(lambda: asyncio.sleep(0))
        assert outcome.error.gate == "dep"
        assert outcome.waited == 0
        held.cancel()

    asyncio.run(calls())
