"""Callers in line that a settlement called before the other gates knew how the call had ended."""

import asyncio
from itertools import permutations

import pytest

from koo.resilience import (
    Advice,
    Ask,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Failure,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryClass,
    Spent,
    State,
    Success,
)
from koo.resilience.line import LINES
from koo.testing import run, running_clock

FREE = Spent(requests=1)
DEAD = Failure(retryable=False, trips=True, spent=FREE)
TOO_MANY = Failure(
    retryable=False, trips=False, retry_after=30, retry_class=RetryClass.THROTTLED, spent=FREE
)
ALL_GONE = Advice(remaining_tokens=0, reset_after=30.0)
LAST = Success(spent=FREE, advice=ALL_GONE)


class Ended(Exception):
    """A call that ended as its argument says."""


class Dependency:
    """Every gate in front of it, in an order, and what was sent to it although it must not be."""

    def __init__(self, order):
        clock = running_clock()
        self.breaker = CircuitBreaker("dep", BreakerConfig(failure_threshold=1), clock=clock)
        limits = Limit(100, 5.0), Limit(1000, 10.0, "tokens")
        self.limiter = RateLimiter("dep", RateLimiterConfig(limits), clock=clock)
        self.gates = {
            "breaker": self.breaker,
            "limiter": self.limiter,
            "room": Bulkhead("dep", BulkheadConfig(1), clock=clock),
            "money": DailyBudget("dep", DailyBudgetConfig(1000), clock=clock),
        }
        self.through = Policy(
            "dep",
            gates=[self.gates[name] for name in order],
            classify=lambda error: error.args[0],
            appraise=lambda value: value,
            timeout=20,
            clock=clock,
        )
        self.sent_in_vain = []

    async def answer(self, number, outcome):
        """One call, which takes a second."""
        self.check(number)
        await asyncio.sleep(1)
        if isinstance(outcome, Failure):
            raise Ended(outcome)
        return outcome

    def check(self, number):
        if self.limiter.stats().paused_for or self.breaker.stats().state is State.OPEN:
            self.sent_in_vain.append(number)


async def a_call_that_everybody_waits_for(order, outcome):
    """What is sent in the instant that a large call ends with *outcome*."""
    dependency = Dependency(order)

    async def first():
        return await dependency.answer(0, outcome)

    async def next_in_line(number):
        return await dependency.through.outcome(
            lambda: dependency.answer(number, Success()), Ask(tokens=100, nanousd=100)
        )

    large = asyncio.create_task(dependency.through.outcome(first, Ask(tokens=1000, nanousd=1000)))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(next_in_line(number)) for number in range(1, 12)]
    await asyncio.sleep(0.5)
    assert sum(gate.waiting for gate in dependency.gates.values() if gate is not dependency.breaker)
    await asyncio.gather(large, *waiting)
    return dependency.sent_in_vain


ORDERS = list(permutations(["breaker", "limiter", "room", "money"]))


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
@pytest.mark.parametrize("outcome", [DEAD, TOO_MANY, LAST], ids=["dead", "429", "last"])
def test_nobody_is_called_before_every_gate_knows_how_the_call_has_ended(order, outcome):
    assert run(lambda: a_call_that_everybody_waits_for(order, outcome)) == []


def test_an_answer_too_is_heard_by_all_before_anybody_is_called():
    """The ramp is full until the breaker has heard: whoever is called before is refused."""

    async def calls():
        clock = running_clock()
        breaker = CircuitBreaker("dep", BreakerConfig(ramp_start=1), clock=clock)
        breaker.isolate("by hand")
        breaker.release()
        room = Bulkhead("dep", BulkheadConfig(1), clock=clock)
        both = Policy("dep", gates=[room, breaker], timeout=20, clock=clock)
        through = Policy("dep", gates=[breaker, room], timeout=20, clock=clock)
        first = asyncio.create_task(through.outcome(lambda: asyncio.sleep(1)))
        await asyncio.sleep(0)
        second = asyncio.create_task(both.outcome(lambda: asyncio.sleep(1)))
        return [ended.ok for ended in await asyncio.gather(first, second)]

    assert run(calls) == [True, True]


def test_a_line_that_has_gone_holds_nobody_back_any_longer():
    async def calls():
        gate = Bulkhead("dep", BulkheadConfig(1), clock=running_clock())
        through = Policy("dep", gates=[gate], timeout=20, clock=running_clock())
        seen = [len(LINES)]
        first = asyncio.create_task(through.run(lambda: asyncio.sleep(1)))
        await asyncio.sleep(0)
        second = asyncio.create_task(through.run(lambda: asyncio.sleep(1)))
        await asyncio.sleep(0.5)
        seen.append(len(LINES))
        await asyncio.gather(first, second)
        return [*seen, len(LINES)]

    before, meanwhile, after = run(calls)
    assert (meanwhile, after) == (before + 1, before)
