"""Calls that took longer than the ramp, which let all of them in at once when its time was over."""

import asyncio
from itertools import pairwise

import pytest

from koo.resilience import BreakerConfig, CircuitBreaker, Policy
from koo.testing import run, running_clock

RATE = 100


async def _in_flight_after_closing(seconds, moments):
    """How many calls of so many *seconds* are under way at *moments* after the circuit closed."""
    clock = running_clock()
    config = BreakerConfig(success_threshold=1)
    gate = CircuitBreaker("dep", config, clock=clock, random=lambda: 0.0)
    policy = Policy("dep", gates=[gate], clock=clock)
    gate.open_until(10, "dead")
    await asyncio.sleep(10)
    await policy.run(lambda: asyncio.sleep(0))
    closed_at, calls, seen = clock.monotonic(), [], []
    for moment in moments:
        while clock.monotonic() < closed_at + moment:
            calls.append(asyncio.create_task(policy.outcome(lambda: asyncio.sleep(seconds))))
            await asyncio.sleep(1 / RATE)
        calls = [call for call in calls if not call.done()]
        seen.append(len(calls))
    for each in calls:
        each.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    return seen


@pytest.mark.parametrize("seconds", [5.0, 20.0, 1e6])
def test_calls_longer_than_the_ramp_double_and_do_not_jump(seconds):
    """After 2.5 s there were 51 of them, and a second later 151."""
    seen = run(_in_flight_after_closing(seconds, [1.9, 3.9]))
    assert seen == [2, 4]


def test_what_answers_widens_it_beside_the_time():
    seen = run(_in_flight_after_closing(5.0, range(2, 41, 2)))
    assert all(later <= 2.8 * sooner + 2 for sooner, later in pairwise(seen))
    assert seen[-1] == pytest.approx(5 * RATE, rel=0.02)


def test_quick_calls_are_all_in_within_a_second():
    seen = run(_in_flight_after_closing(0.05, [1.0]))
    assert seen[0] == pytest.approx(0.05 * RATE, abs=1)
