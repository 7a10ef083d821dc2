"""Retries that a gate had refused were counted, and their calls as refused and not as failed."""

import asyncio

import pytest

from koo.errors import CircuitOpen
from koo.resilience import (
    CallRejected,
    CircuitBreaker,
    GaveUp,
    Policy,
    RetryConfig,
    RetryScheduled,
)
from koo.testing import running_clock

CALLS = 50


class Outage:
    """A policy in an outage, whose breaker opens while some are waiting to try again."""

    def __init__(self):
        clock = running_clock()
        self.told, self.sent = [], 0
        self.gate = CircuitBreaker("dep", clock=clock)
        self.policy = Policy(
            "dep",
            gates=[self.gate],
            retry=RetryConfig(max_retries=3),
            clock=clock,
            on_event=self.told.append,
        )

    async def fails(self):
        self.sent += 1
        await asyncio.sleep(0.01)
        raise OSError

    async def endings(self):
        return await asyncio.gather(*(self.policy.outcome(self.fails) for _ in range(CALLS)))

    def events(self, kind):
        return [event for event in self.told if isinstance(event, kind)]


async def test_a_retry_that_was_refused_is_none():
    outage = Outage()
    endings = await outage.endings()
    stats = outage.policy.stats()
    assert len(outage.events(RetryScheduled)) == 10
    assert (
        outage.sent == stats.attempts_total == sum(ending.attempts for ending in endings) == CALLS
    )
    assert stats.retries_total == 0


async def test_a_call_whose_retry_was_refused_has_failed():
    outage = Outage()
    assert all(isinstance(ending.error, OSError) for ending in await outage.endings())
    stats = outage.policy.stats()
    assert (stats.failures_total, stats.rejected_total, stats.calls_total) == (CALLS, 0, CALLS)
    assert len(outage.events(GaveUp)) == CALLS
    assert not outage.events(CallRejected)


async def test_an_error_whose_retry_was_refused_is_tried_again_by_nobody_further_out():
    outage, sent = Outage(), []

    async def fails_and_shuts():
        sent.append(1)
        outage.gate.isolate("by hand")
        raise OSError

    outer = Policy("outer", retry=RetryConfig(max_retries=3), clock=running_clock())
    with pytest.raises(OSError) as caught:
        await outer.run(lambda: outage.policy.run(fails_and_shuts))
    assert len(sent) == 1
    assert caught.value.__notes__ == [
        "dep: no further attempt; dep: circuit open (by hand); waiting alone does not help"
    ]
    assert outage.events(GaveUp)[-1] == GaveUp("dep", 1, caught.value)


async def test_a_call_that_was_refused_at_once_is_a_refusal_as_before():
    outage = Outage()
    outage.gate.isolate("by hand")
    ending = await outage.policy.outcome(outage.fails)
    assert isinstance(ending.error, CircuitOpen)
    assert (outage.policy.stats().rejected_total, len(outage.events(CallRejected))) == (1, 1)
    assert not outage.events(GaveUp)


async def test_retries_that_failed_or_were_given_up_are_counted():
    clock = running_clock()
    through = Policy("dep", retry=RetryConfig(max_retries=2), clock=clock, attempt_timeout=3)

    async def fails():
        raise OSError

    await through.outcome(fails)
    assert through.stats().retries_total == 2
    script = [OSError(), None]

    async def hangs_the_second_time():
        if (error := script.pop(0)) is not None:
            raise error
        await asyncio.Event().wait()

    caller = asyncio.create_task(through.run(hangs_the_second_time))
    while script:
        await asyncio.sleep(0.1)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert (through.stats().attempts_total, through.stats().retries_total) == (3 + 2, 2 + 1)
