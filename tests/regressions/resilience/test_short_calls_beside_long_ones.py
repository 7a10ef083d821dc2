"""Short calls with little time were refused in bursts, because all that was seen were long ones."""

import asyncio

from koo.resilience import CircuitBreaker, Policy
from koo.testing import running_clock

LONG, SHORT = 5.0, 0.05


def _takes(seconds):
    return lambda: asyncio.sleep(seconds)


async def _burst(policy, seconds, timeout):
    asked = [policy.outcome(_takes(seconds), timeout=timeout) for _ in range(10)]
    return sum(ending.ok for ending in await asyncio.gather(*asked))


async def _with_long_ones_all_the_while(bursts):
    """Policy and breaker of a dependency that is well, asked in bursts that are far apart."""
    clock = running_clock()
    policy = Policy("ai", gates=[CircuitBreaker("ai", clock=clock)], timeout=30, clock=clock)

    async def batch():
        while True:
            await asyncio.gather(*[policy.run(_takes(LONG)) for _ in range(4)])

    task, answered = asyncio.create_task(batch()), []
    for seconds in bursts:
        await asyncio.sleep(70)
        answered.append(await _burst(policy, seconds, timeout=2.0))
    task.cancel()
    return answered


async def test_bursts_of_short_calls_are_all_begun():
    assert await _with_long_ones_all_the_while([SHORT] * 6) == [10] * 6


async def test_a_burst_that_ran_out_of_time_is_held_against_none_that_comes_much_later():
    assert await _with_long_ones_all_the_while([LONG, SHORT]) == [0, 10]


async def test_of_those_who_come_soon_after_one_that_ran_out_only_one_looks():
    policy = Policy("ai", clock=running_clock())
    for _ in range(10):
        await policy.run(_takes(LONG))
    await policy.outcome(_takes(LONG), timeout=2.0)
    soon = await _burst(policy, SHORT, timeout=2.0)
    await asyncio.sleep(5)
    looking = await _burst(policy, SHORT, timeout=2.0)
    then = await _burst(policy, SHORT, timeout=2.0)
    assert (soon, looking, then) == (0, 1, 10)
