"""A stream with a timeout of its own, longer than the policy's, was cut at the policy's."""

import asyncio

from koo.resilience import Pace, Policy
from koo.testing import running_clock


async def slow():
    await asyncio.sleep(10)
    yield "late"


async def test_a_stream_may_take_longer_than_its_policy_allows_the_others():
    policy = Policy("dep", timeout=4, clock=running_clock())
    assert [item async for item in policy.stream(slow, timeout=25)] == ["late"]


async def test_so_may_one_with_a_pace():
    policy = Policy("dep", timeout=4, clock=running_clock())
    items = policy.stream(slow, timeout=25, pace=Pace(gap=1))
    assert [item async for item in items] == ["late"]
