"""A loop that was closed with a timed call in flight kept the call's slot for good."""

import asyncio
import gc

import pytest

from koo.resilience import Bulkhead, BulkheadConfig, Policy
from koo.testing import run, running_clock


@pytest.fixture
def gate():
    return Bulkhead("dep", BulkheadConfig(1))


async def _well():
    return "well"


async def _hang():
    await asyncio.Event().wait()


async def _call(policy):
    await policy.run(_hang)


async def _outcome(policy):
    await policy.outcome(_hang, timeout=30)


async def _block(policy):
    async with policy.permit():
        await _hang()


async def _loop(policy):
    async for attempt in policy:
        async with attempt:
            await _hang()


async def _stream(policy):
    async def items():
        await _hang()
        yield 1

    async for _ in policy.stream(items):
        pass


def _abandon(form, policy):
    """Begin a call of this *form* on a loop of its own, and close the loop while it waits."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # of a task that was destroyed, it would log
    task = loop.create_task(form(policy))
    for _ in range(3):
        loop.run_until_complete(asyncio.sleep(0))
    assert not task.done()
    loop.close()
    del loop, task
    gc.collect()


@pytest.mark.parametrize("form", [_call, _outcome, _block, _loop, _stream])
@pytest.mark.parametrize("timeout", [None, 60])
def test_a_call_of_a_closed_loop_gives_its_slot_back(gate, form, timeout):
    policy = Policy("dep", gates=[gate], timeout=timeout)
    _abandon(form, policy)
    assert gate.stats().in_flight == 0
    assert asyncio.run(policy.run(_well)) == "well"


def test_calls_of_a_loop_that_goes_on_are_kept_in_time(gate):
    """The alarm that rings for the first call is followed by one for the next."""

    async def calls():
        policy = Policy("dep", timeout=5, clock=running_clock())
        results = []
        for _ in range(3):
            results.append(await policy.outcome(_hang))
            gc.collect()
        return [type(one.error).__name__ for one in results]

    assert run(calls()) == ["DeadlineExceeded"] * 3
