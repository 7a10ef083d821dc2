"""Streams that were called slow because of who read them, or because they were long."""

import asyncio

import pytest

from koo.resilience import BreakerConfig, CircuitBreaker, Policy, State
from koo.testing import run, running_clock


def source(first=0.1, items=3, gap=0.0):
    """A function that makes a stream: its first item after *first* seconds, *gap* between them."""

    async def stream():
        await asyncio.sleep(first)
        for number in range(items):
            yield number
            await asyncio.sleep(gap)

    return stream


async def read(policy, make, pause):
    async for _ in policy.stream(make):
        await asyncio.sleep(pause)


def before(seconds, **config):
    """A breaker that calls slow what takes longer, and a policy through it."""
    clock = running_clock()
    config = BreakerConfig(slow_threshold=seconds, recovery_timeout=10, **config)
    gate = CircuitBreaker("dep", config, clock=clock, random=lambda: 0.0)
    return gate, Policy("dep", gates=[gate], clock=clock)


def test_a_slow_consumer_makes_no_stream_slow():
    async def calls():
        gate, policy = before(2.0)
        for _ in range(10):
            await read(policy, source(), pause=9)
        assert (gate.stats().state, gate.stats().slow) == (State.CLOSED, 0)
        assert gate.stats().outcomes == 10
        assert policy.stats().latency.total == pytest.approx(1.0)

    run(calls())


def test_a_long_stream_that_begins_soon_is_not_slow():
    async def calls():
        gate, policy = before(2.0)
        for _ in range(10):
            await read(policy, source(items=30, gap=1.0), pause=0)
        assert (gate.stats().state, gate.stats().slow) == (State.CLOSED, 0)

    run(calls())


def test_consumers_that_hold_an_item_are_nothing_that_hangs():
    """In flight longer than the threshold, and yet nobody waits for the dependency."""

    async def calls():
        gate, policy = before(2.0)
        held = [asyncio.create_task(read(policy, source(), pause=100)) for _ in range(10)]
        await asyncio.sleep(50)
        await policy.run(lambda: asyncio.sleep(0))
        assert gate.stats().state is State.CLOSED
        await asyncio.gather(*held)

    run(calls())


def test_a_stream_that_is_late_with_its_first_item_is_slow():
    async def calls():
        gate, policy = before(2.0)
        for _ in range(4):
            await read(policy, source(first=2.5), pause=0)
        assert gate.stats().slow == 4
        await read(policy, source(first=2.5), pause=0)
        assert gate.stats().state is State.OPEN

    run(calls())


def test_streams_that_never_begin_are_seen_before_they_end():
    async def calls():
        _, policy = before(2.0)
        hung = [asyncio.create_task(read(policy, source(first=1e6), pause=0)) for _ in range(5)]
        await asyncio.sleep(3)
        assert (await policy.outcome(lambda: asyncio.sleep(0))).error.gate == "dep"
        for each in hung:
            each.cancel()
        await asyncio.gather(*hung, return_exceptions=True)

    run(calls())


@pytest.mark.parametrize(
    ("first", "after"), [(0.1, State.CLOSED), (2.5, State.OPEN)], ids=["in time", "late"]
)
def test_a_probe_that_streams_is_judged_by_its_first_item(first, after):
    async def calls():
        gate, policy = before(2.0, success_threshold=1)
        gate.open_until(10, "dead")
        await asyncio.sleep(10)
        await read(policy, source(first=first), pause=100)
        assert gate.stats().state is after
        if after is State.OPEN:
            assert gate.stats().cause == "a probe took 2.5 s, longer than 2 s"

    run(calls())


def test_a_stream_that_answers_after_a_trip_is_of_an_older_generation():
    async def calls():
        gate, policy = before(2.0)
        stale = policy.stream(source())
        first = asyncio.ensure_future(anext(stale))
        await asyncio.sleep(0.05)
        gate.reset()
        assert await first == 0
        await stale.aclose()
        assert gate.stats().outcomes == 0

    run(calls())
