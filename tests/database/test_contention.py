"""Those who were in each other's way take turns, and nobody is held up by it for long."""

import asyncio

import pytest

from koo.database.contention import Contention
from koo.testing import cancel_at_every_await


async def test_turns_go_in_the_order_of_arrival_one_at_a_time():
    contention, order = Contention(), []

    async def take(name):
        async with contention.turn():
            order.append(f"{name} in")
            await asyncio.sleep(0.1)
            order.append(f"{name} out")

    await asyncio.gather(take("a"), take("b"), take("c"))
    assert order == ["a in", "a out", "b in", "b out", "c in", "c out"]


async def test_who_needs_a_turn_inside_a_turn_goes_on_after_a_second():
    contention, loop = Contention(), asyncio.get_running_loop()
    async with contention.turn():
        began = loop.time()
        async with contention.turn():
            assert loop.time() - began == pytest.approx(1)
        # The one inside has given back what it never had.
        waiting = asyncio.create_task(_taken_at(contention))
        await asyncio.sleep(0.5)
        assert not waiting.done()
    assert await waiting == pytest.approx(began + 1.5)


async def _taken_at(contention):
    async with contention.turn():
        return asyncio.get_running_loop().time()


def test_who_is_cancelled_keeps_no_turn():
    contention = None

    async def take():
        nonlocal contention
        contention = Contention()
        others = [asyncio.create_task(_taken_at(contention)) for _ in range(2)]
        await asyncio.sleep(0)
        try:
            async with contention.turn():
                await asyncio.sleep(0.1)
        finally:
            await asyncio.gather(*others)

    async def check(_):
        now = asyncio.get_running_loop().time()
        assert await _taken_at(contention) == now

    assert cancel_at_every_await(take, check).suspensions > 2
