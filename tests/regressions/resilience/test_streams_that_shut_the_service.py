"""A healthy stream that probed kept everybody else out for its whole length."""

import asyncio

import pytest

from koo.errors import Rejected
from koo.resilience import BreakerConfig, CircuitBreaker, Pace, Policy, State
from koo.testing import run, running_clock

RECOVERY = 10.0
LENGTH = 300


class Stream:
    """*length* items, one a second; the first after *first* seconds, and perhaps a bad end."""

    def __init__(self, *, first=0.0, length=LENGTH, error=None):
        self._first, self._length, self._error = first, length, error

    async def __call__(self):
        await asyncio.sleep(self._first)
        for number in range(self._length):
            yield number
            await asyncio.sleep(1)
        if self._error:
            raise self._error


async def _well():
    return "well"


async def _probing(stream, pace, **config):
    """A half-open breaker, its policy, and the task of a stream that has become its probe."""
    clock = running_clock()
    config = BreakerConfig(recovery_timeout=RECOVERY, **config)
    gate = CircuitBreaker("dep", config, clock=clock, random=lambda: 0.0)
    policy = Policy("dep", gates=[gate], attempt_timeout=5 if pace else 600, clock=clock)
    gate.open_until(RECOVERY, "dead")
    await asyncio.sleep(RECOVERY)

    async def read():
        async for _ in policy.stream(stream, pace=pace):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.1)
    return gate, policy, task


@pytest.mark.parametrize("pace", [Pace(gap=2), None], ids=["pace", "no pace"])
def test_a_probe_that_streams_keeps_nobody_out_after_its_first_item(pace):
    async def calls():
        gate, policy, stream = await _probing(Stream(), pace)
        refused = 0
        while not stream.done():
            refused += isinstance((await policy.outcome(_well)).error, Rejected)
            await asyncio.sleep(1)
        await stream
        assert refused == 0
        assert gate.stats().state is State.CLOSED

    run(calls())


@pytest.mark.parametrize("pace", [Pace(gap=2), None], ids=["pace", "no pace"])
def test_a_probe_that_streams_keeps_others_out_until_its_first_item(pace):
    async def calls():
        gate, policy, stream = await _probing(Stream(first=3), pace)
        await asyncio.sleep(2)
        assert (await policy.outcome(_well)).error.gate == "dep"
        assert gate.stats().probes == 1
        await asyncio.sleep(1)
        assert gate.stats().probes == 0
        assert (await policy.outcome(_well)).ok
        stream.cancel()

    run(calls())


def test_a_probe_that_breaks_off_after_its_first_item_opens_the_breaker_again():
    async def calls():
        gate, _, stream = await _probing(Stream(length=5, error=OSError("cut")), Pace(gap=2))
        await asyncio.wait([stream])
        assert isinstance(stream.exception(), OSError)
        assert gate.stats().state is State.OPEN

    run(calls())


def test_a_probe_that_streams_to_its_end_is_one_success():
    async def calls():
        gate, _, stream = await _probing(Stream(length=5), Pace(gap=2), success_threshold=2)
        assert gate.stats().successes == 0
        await stream
        assert gate.stats().successes == 1
        assert gate.stats().state is State.HALF_OPEN

    run(calls())
