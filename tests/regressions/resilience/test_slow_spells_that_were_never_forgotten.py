"""Calls that were refused as too late because others had been slow, hours before."""

import asyncio

from koo.resilience import Ask, Backoff, Deadline, Pace, Policy, RetryConfig
from koo.testing import run, running_clock

STREAMS = 120


def test_a_slow_spell_is_forgotten_within_seconds():
    """It was an hour of 3 s a call; for ten hours after it nine of ten were refused."""

    async def calls():
        clock, seconds = running_clock(), 3.0
        policy = Policy("dep", clock=clock)

        async def operation():
            await asyncio.sleep(seconds)

        async def ends_in_time():
            ask = Ask(deadline=Deadline.after(1.0, clock.monotonic()))
            return (await policy.outcome(operation, ask)).ok

        for _ in range(1_200):
            await policy.run(operation)
        assert not await ends_in_time()
        seconds, ends = 0.05, []
        for _ in range(100):
            ends.append(await ends_in_time())
            await asyncio.sleep(0.5)
        assert ends.index(True) <= 10
        assert all(ends[ends.index(True) :])

    run(calls())


def test_a_rare_quick_call_among_slow_ones_is_not_refused_for_ever():
    async def calls():
        clock = running_clock()
        policy = Policy("dep", clock=clock)
        ends = []
        for _ in range(20):
            for _ in range(40):
                await policy.run(lambda: asyncio.sleep(2.0))
            await policy.outcome(lambda: asyncio.sleep(2.0), timeout=1.0)
            for _ in range(6):
                ends.append((await policy.outcome(lambda: asyncio.sleep(0.05), timeout=1.0)).ok)
                await asyncio.sleep(1)
        assert ends == ([False] * 5 + [True]) * 20

    run(calls())


def test_a_stream_that_must_begin_soon_is_begun_again_although_streams_take_long():
    """The time for the first item was compared with how long whole streams take."""

    async def calls():
        clock, begun = running_clock(), 0
        retry = RetryConfig(max_retries=2, backoff=Backoff(base_delay=0.1))
        policy = Policy("dep", retry=retry, clock=clock, random=lambda: 1.0)

        async def items():
            nonlocal begun
            begun += 1
            await asyncio.sleep(0.1)
            if begun == STREAMS:
                raise ConnectionError
            yield 1
            await asyncio.sleep(2.0)
            yield 2

        for _ in range(STREAMS):
            stream = policy.stream(items, pace=Pace(gap=5.0, first=1.0))
            assert [item async for item in stream] == [1, 2]

    run(calls())
