"""A stream that answered its timeout with an item left its consumer half cancelled.

The consumer's own `asyncio.timeout` then ended as a bare CancelledError, because Python saw a
cancellation under way that was not its own.
"""

import asyncio

import pytest

from koo.resilience import Policy
from koo.testing import running_clock


def answer_to_a_timeout():
    @Policy("dep", attempt_timeout=1, clock=running_clock())
    async def items():
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            yield "what there is so far"
        yield "and no more"

    return items()


async def test_the_consumer_of_such_an_item_is_not_half_cancelled():
    seen = [(item, asyncio.current_task().cancelling()) async for item in answer_to_a_timeout()]
    assert seen == [("what there is so far", 0), ("and no more", 0)]


async def test_the_consumers_own_timeout_is_still_a_timeout():
    async def read_slowly():
        async with asyncio.timeout(3):
            async for _ in answer_to_a_timeout():
                await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        await read_slowly()
