"""A call that had ended was still the context's current one: its deadline cut what came later."""

import asyncio
import gc

import pytest

from koo.resilience import (
    Backoff,
    Bulkhead,
    BulkheadConfig,
    Policy,
    RetryConfig,
    current_attempt,
    current_deadline,
    current_permit,
)
from koo.testing import running_clock


def policy(name="dep", **parts):
    return Policy(name, clock=running_clock(), **parts)


async def answer():
    return "fine"


async def block_that_yields(through):
    async with through.permit():
        yield 1
        yield 2


async def loop_that_yields(through):
    async for attempt in through:
        async with attempt:
            yield 1
            yield 2


ways = pytest.mark.parametrize("items", [block_that_yields, loop_that_yields])


@ways
async def test_a_generator_that_is_left_early_leaves_no_deadline_behind(items):
    through = policy(timeout=1)
    async for _ in items(through):
        break
    gc.collect()
    await asyncio.sleep(2)
    assert (current_deadline(), current_attempt()) == (None, 0)
    assert await policy("later").run(answer) == "fine"


@ways
async def test_generators_that_end_in_another_order_leave_no_deadline_behind(items):
    through = policy(timeout=1)
    first, second = items(through), items(through)
    assert (await anext(first), await anext(second)) == (1, 1)
    await first.aclose()
    await second.aclose()
    await asyncio.sleep(2)
    assert current_deadline() is None
    assert await policy("later").run(answer) == "fine"


async def test_blocks_that_are_left_in_another_order_leave_no_deadline_behind():
    blocks = [policy(timeout=1).permit() for _ in range(3)]
    for block in blocks:
        await block.__aenter__()
    for block in blocks:
        await block.__aexit__(None, None, None)
    await asyncio.sleep(2)
    assert await policy("later").run(answer) == "fine"


async def test_the_call_around_one_that_has_ended_counts():
    room = Bulkhead("room", BulkheadConfig(1), clock=running_clock())
    seen = []

    async def work():
        async for _ in block_that_yields(policy(timeout=1)):
            break
        gc.collect()
        await asyncio.sleep(2)
        seen.extend([current_deadline().at, current_attempt(), current_permit(room).done])

    await policy("outer", gates=[room], timeout=9).run(work)
    assert seen == [9, 1, False]


async def test_the_call_around_one_that_has_ended_judges_for_itself():
    """What an inner call gives up on is marked for the call that lasts, not for the ended one."""
    calls = []

    async def broken():
        calls.append(1)
        raise ConnectionResetError

    once = RetryConfig(max_retries=1, backoff=Backoff(base_delay=0.1))
    inner = policy("inner", retry=once)

    async def work():
        async for _ in block_that_yields(policy(timeout=1)):
            break
        gc.collect()
        await asyncio.sleep(0.5)
        await inner.run(broken)

    with pytest.raises(ConnectionResetError):
        await policy("outer", retry=once).run(work)
    assert len(calls) == 2


async def test_a_block_that_is_not_over_counts_between_two_items():
    items = block_that_yields(policy(timeout=1))
    await anext(items)
    assert current_deadline().at == 1
    await items.aclose()
