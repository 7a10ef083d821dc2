"""Of calls close together only the first was seen, so quick ones after a slow one were unknown."""

import asyncio

import pytest

from koo.resilience import Policy
from koo.testing import running_clock

SLOW, QUICK, BETWEEN = 0.9, 0.005, 0.2


async def _takes(seconds):
    await asyncio.sleep(seconds)


async def _batches(policy):
    """Nine quick calls follow each slow one at once."""
    for _ in range(20):
        for seconds in (SLOW, *[QUICK] * 9):
            await policy.run(lambda took=seconds: _takes(took))


@pytest.mark.parametrize("parts", [{"timeout": 10}, {}])
async def test_a_hurried_call_that_is_as_quick_as_most_is_begun(parts):
    policy = Policy("dep", clock=running_clock(), **parts)
    await _batches(policy)
    endings = [await policy.outcome(lambda: _takes(QUICK), timeout=BETWEEN) for _ in range(20)]
    assert all(ending.ok for ending in endings)


async def test_less_time_than_the_quickest_took_is_too_little_as_before():
    policy = Policy("dep", clock=running_clock(), timeout=10)
    await _batches(policy)
    for _ in range(2):
        ending = await policy.outcome(lambda: _takes(QUICK), timeout=QUICK / 2)
    assert "too little time" in str(ending.error)


async def test_a_quick_call_is_forgotten_within_a_minute_as_before():
    policy = Policy("dep", clock=running_clock(), timeout=10)
    await _batches(policy)
    for _ in range(70):
        await policy.run(lambda: _takes(SLOW))
    await policy.outcome(lambda: _takes(SLOW), timeout=BETWEEN)
    ending = await policy.outcome(lambda: _takes(QUICK), timeout=BETWEEN)
    assert "too little time" in str(ending.error)
