"""Traps of retrying."""

import asyncio
import itertools
import random

import pytest

from koo.errors import RateLimitError
from koo.resilience import (
    Backoff,
    CircuitBreaker,
    Failure,
    Limit,
    RateLimiter,
    RateLimiterConfig,
    RetryBudget,
    RetryConfig,
    State,
    current_attempt,
)
from koo.testing import running_clock

from ..policy.actors import QUICK, Dependency, policy, started


async def test_four_layers_of_three_attempts_are_three_calls_and_not_eighty_one():
    dependency = Dependency(OSError("dead"))
    operation = dependency
    for name in ("d", "c", "b", "a"):
        operation = _through(policy(name, retry=QUICK), operation)
    with pytest.raises(OSError, match="dead"):
        await operation()
    assert len(dependency.calls) == 3


def _through(layer, operation):
    return lambda: layer.run(operation)


async def test_the_dependency_can_be_told_which_attempt_this_is():
    headers = []

    async def operation():
        headers.append(str(current_attempt()))
        raise OSError

    await policy(retry=QUICK).outcome(operation)
    assert headers == ["1", "2", "3"]


async def test_an_exhausted_budget_never_waits_for_a_token():
    """Waiting for one is a queue that blocks everybody behind its head."""
    budget = RetryBudget()
    while budget.withdraw(1):
        pass
    dependency = Dependency(OSError("original"))
    for _ in range(100):
        with pytest.raises(OSError, match="original"):
            await policy(retry=QUICK, retry_budget=budget).run(dependency)
    assert running_clock().monotonic() == 0
    assert len(dependency.calls) == 100


async def test_all_who_are_in_backoff_at_once_have_paid():
    """Charged at the attempt, a thousand at one moment would pass a budget of ten."""
    budget, dependency = RetryBudget(), Dependency(OSError())
    through = policy(retry=RetryConfig(max_retries=1), retry_budget=budget)
    await asyncio.gather(*(through.outcome(dependency) for _ in range(1000)))
    assert len(dependency.calls) == 1010


async def test_the_budget_does_not_shrink_when_few_are_in_flight():
    """A share of what is in flight is nothing when calls are quick; traffic is what counts."""
    budget = RetryBudget()
    through = policy(retry=QUICK, retry_budget=budget)
    for _ in range(1000):
        await through.run(Dependency("fine"))
        await asyncio.sleep(0.01)
    ended = await asyncio.gather(
        *(through.outcome(Dependency(OSError(), "fine")) for _ in range(100))
    )
    assert sum(each.ok for each in ended) == 100


async def test_the_cap_does_not_gather_the_crowd_again(seed):
    """Noise first and the cap after it would send a growing share at exactly the cap."""
    draw = random.Random(seed).random
    backoff, failure = Backoff(base_delay=1, max_delay=5), Failure(retryable=True, trips=True)
    delays = [backoff.delay(failure, 10, draw) for _ in range(5000)]
    assert sum(delay == 5 for delay in delays) == 0
    tenths = [sum(int(delay * 2) == tenth for delay in delays) for tenth in range(10)]
    assert max(tenths) / 500 < 1.2


async def test_nobody_calls_before_the_named_time_and_nobody_has_to_find_out_anew():
    """The hint of one caller's 429 is everybody's, through the limiter."""
    limiter = RateLimiter("key", RateLimiterConfig((Limit(1000, 60),)), clock=running_clock())
    through = policy(gates=[limiter], retry=QUICK, timeout=60)
    busy = RateLimitError("claude", "slow down", retry_after=20.0)
    first = Dependency(busy, "fine")
    task = await started(through.run(first))
    others = [Dependency() for _ in range(10)]
    waiting = [await started(through.run(other)) for other in others]
    await task
    await asyncio.gather(*waiting)
    assert first.calls[0] == 0
    assert min(first.calls[1], *(other.calls[0] for other in others)) >= 20


async def test_a_wait_that_is_too_long_fails_within_the_same_turn():
    busy = RateLimitError("claude", "slow down", retry_after=3600.0)
    ended = await policy(retry=QUICK, timeout=60).outcome(Dependency(busy))
    assert running_clock().monotonic() == 0
    assert (ended.error, ended.retry_after) == (busy, 3600.0)


async def test_a_thousand_404s_or_cancels_never_open():
    gate = CircuitBreaker("dep", clock=running_clock())
    through = policy(gates=[gate], retry=QUICK)
    for number in range(1000):
        if number % 2:
            await through.outcome(Dependency(LookupError("404")))
        else:
            task = await started(through.run(Dependency(9.0)))
            task.cancel()
            await asyncio.wait([task])
    assert gate.stats().state is State.CLOSED
    assert (gate.stats().failures, gate.stats().outcomes) == (0, 500)


async def test_a_429_throttles_and_does_not_open():
    gate = CircuitBreaker("dep", clock=running_clock())
    busy = RateLimitError("claude", "slow down")
    for _ in range(100):
        await policy(gates=[gate]).outcome(Dependency(busy))
    assert (gate.stats().state, gate.stats().outcomes) == (State.CLOSED, 0)


async def test_one_backoff_shared_by_six_calls_gives_each_its_own_delays():
    """State belongs to the call: shared, the sixth would wait a thousand times as long."""
    retry = RetryConfig(max_retries=5, backoff=Backoff(base_delay=0.01, max_delay=100))
    dependencies = [Dependency(OSError()) for _ in range(6)]
    through = policy(retry=retry, retry_budget=None)
    await asyncio.gather(*(through.outcome(dependency) for dependency in dependencies))
    for dependency in dependencies:
        waits = [later - earlier for earlier, later in itertools.pairwise(dependency.calls)]
        assert waits == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16])
