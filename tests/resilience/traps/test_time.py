"""Traps of time: wall clocks that step, time limits that are shared."""

import asyncio

import pytest

from koo.errors import DeadlineExceeded
from koo.resilience import (
    Ask,
    CircuitBreaker,
    Limit,
    RateLimiter,
    RateLimiterConfig,
    State,
)
from koo.testing import running_clock

from ..policy.actors import QUICK, Dependency, policy
from ..tools import trip

HOUR = 3600


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_an_open_breaker_does_not_see_the_wall_clock(step):
    clock = running_clock()
    gate = CircuitBreaker("dep", clock=clock, random=lambda: 0.0)
    trip(gate)
    clock.step_wall(step)
    assert gate.admit(Ask()).retry_after == 60
    await asyncio.sleep(60)
    clock.step_wall(step)
    assert await policy(gates=[gate]).run(Dependency()) == "fine"
    assert gate.stats().state is State.HALF_OPEN


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_a_limit_does_not_see_the_wall_clock(step):
    clock = running_clock()
    gate = RateLimiter("dep", RateLimiterConfig((Limit(2, 60),)), clock=clock)
    admitted = []
    for _ in range(400):
        answer = gate.admit(Ask())
        if hasattr(answer, "settle"):
            admitted.append(clock.monotonic())
        clock.step_wall(step)
        await asyncio.sleep(1)
    for first, third in zip(admitted, admitted[2:], strict=False):
        assert third - first >= 60
    assert len(admitted) >= 12


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_a_deadline_and_a_backoff_do_not_see_the_wall_clock(step):
    clock, dependency = running_clock(), Dependency(OSError(), 60.0)

    async def stepping():
        clock.step_wall(step)
        return await dependency()

    with pytest.raises(DeadlineExceeded):
        await policy(retry=QUICK, timeout=10).run(stepping)
    assert dependency.calls == [0, 1]
    assert clock.monotonic() == pytest.approx(10, abs=1e-3)


async def test_a_step_of_the_wall_clock_is_seen_only_where_time_is_shown():
    clock = running_clock()
    gate = CircuitBreaker("dep", clock=clock)
    clock.step_wall(HOUR)
    trip(gate)
    assert gate.stats().since == clock.time()
