"""Probes that hung for as long as an attempt may, and had others sent after them meanwhile."""

import asyncio
from functools import partial

import pytest

from koo.resilience import ONE_REQUEST, BreakerConfig, CircuitBreaker, Permit, Policy
from koo.testing import run, running_clock

RECOVERY = 10.0


class Hung:
    """A dependency that never answers, and how many have been waiting for it at once."""

    def __init__(self):
        self.waiting = self.most = 0

    async def __call__(self):
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await asyncio.sleep(1e9)
        finally:
            self.waiting -= 1

    async def items(self):
        await self()
        yield 1


async def _block(policy, hung, timeout):
    async with policy.permit(timeout=timeout):
        await hung()


async def _stream(policy, hung, timeout):
    async for _ in policy.stream(hung.items, timeout=timeout):
        pass


async def _call(policy, hung, timeout):
    await policy.run(hung, timeout=timeout)


async def _inherited(policy, hung, timeout):
    await Policy("outer", timeout=timeout, clock=running_clock()).run(partial(policy.run, hung))


async def _most_at_once(call, given, limits=None):
    """The most probes at once while a call a second is made for two minutes."""
    clock, hung = running_clock(), Hung()
    config = BreakerConfig(recovery_timeout=RECOVERY)
    gate = CircuitBreaker("dep", config, clock=clock, random=lambda: 0.0)
    policy = Policy("dep", gates=[gate], clock=clock, **limits or {})
    gate.open_until(RECOVERY, "dead")
    await asyncio.sleep(RECOVERY)
    calls = []
    for _ in range(110):
        calls.append(asyncio.create_task(call(policy, hung, given)))
        await asyncio.sleep(1)
    for each in calls:
        each.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    return hung.most


@pytest.mark.parametrize("call", [_call, _block, _stream])
@pytest.mark.parametrize(
    ("limits", "given"),
    [
        ({"attempt_timeout": 120}, None),
        ({"timeout": 120}, None),
        ({"timeout": 300, "attempt_timeout": 120}, None),
        ({}, 120),
        ({"timeout": 5}, 120),
        ({"attempt_timeout": 120}, 300),
    ],
)
def test_no_second_probe_goes_while_the_first_may_still_answer(call, limits, given):
    assert run(_most_at_once(call, given, limits)) == 1


def test_an_attempt_that_only_an_inherited_deadline_ends_is_waited_for():
    assert run(_most_at_once(_inherited, 120)) == 1


def test_an_attempt_without_any_end_is_waited_for_until_the_recovery_timeout():
    assert run(_most_at_once(_call, None)) == 11


def test_a_breaker_that_policies_share_waits_for_the_longest_attempt_of_them():
    async def calls():
        clock = running_clock()
        config = BreakerConfig(recovery_timeout=RECOVERY)
        gate = CircuitBreaker("dep", config, clock=clock, random=lambda: 0.0)
        for seconds in (20, 40, 30):
            Policy("dep", gates=[gate], attempt_timeout=seconds, clock=clock)
        gate.open_until(RECOVERY, "dead")
        await asyncio.sleep(RECOVERY)
        hung = Hung()
        policy = Policy("dep", gates=[gate], clock=clock)
        task = asyncio.create_task(policy.run(hung))
        await asyncio.sleep(39)
        assert (await policy.outcome(hung)).error.gate == "dep"
        await asyncio.sleep(1)
        next_probe = gate.admit(ONE_REQUEST)
        assert isinstance(next_probe, Permit)
        next_probe.cancel()
        task.cancel()

    run(calls())


def test_gates_that_come_from_a_generator_hear_how_long_an_attempt_may_take():
    async def calls():
        clock = running_clock()
        config = BreakerConfig(recovery_timeout=RECOVERY)
        gate = CircuitBreaker("dep", config, clock=clock, random=lambda: 0.0)
        Policy("dep", gates=(each for each in [gate]), attempt_timeout=40, clock=clock)
        gate.open_until(RECOVERY, "dead")
        await asyncio.sleep(RECOVERY)
        probe = gate.admit(ONE_REQUEST)
        assert gate.stats().retry_after == 40
        probe.cancel()

    run(calls())
