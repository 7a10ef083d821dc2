"""Cancelled at every place where a call can be cancelled, it loses no permit and no money.

Each journey is run once for every suspension and for both moments of it (while it waits, and when
its wait has just been fulfilled), under the order of arrival and under seeded permutations of it.
Afterwards nothing is held, nobody is in line, and exactly what was sent has been counted.
"""

import asyncio
import contextlib

import pytest

from koo.errors import Rejected
from koo.resilience import State
from koo.testing import cancel_at_every_await

from ..tools import trip
from .world import ASK, COST, NO_COST, RETRY, Broken, World

pytestmark = pytest.mark.properties


LONGEST_HOLD = 5.0


def occupied(world, seconds):
    """Everything that the room holds, taken for so many *seconds*."""
    held = [world.room.admit(ASK) for _ in range(world.room.stats().max_concurrent)]
    for permit in held:
        asyncio.get_running_loop().call_later(seconds, permit.cancel)


async def a_call(world):
    await world.policy(timeout=10).run(world.send, ASK)


async def a_call_that_is_retried(world):
    script = [Broken(), Broken(), None]
    await world.policy(retry=RETRY).run(lambda: world.send(1.0, script.pop(0)), ASK)


async def an_attempt_that_times_out_and_is_retried(world):
    script = [9.0, 9.0, 0.5]
    through = world.policy(retry=RETRY, attempt_timeout=2, timeout=30)
    await through.run(lambda: world.send(script.pop(0)), ASK)


async def a_call_with_an_outcome(world):
    through = world.policy(retry=RETRY, attempt_timeout=2, timeout=30)
    await through.outcome(lambda: world.send(9.0), ASK)


async def a_wait_for_room(world):
    occupied(world, 1.0)
    await world.policy(timeout=10).run(world.send, ASK)


async def a_wait_in_vain(world):
    occupied(world, LONGEST_HOLD)
    with contextlib.suppress(Rejected):
        await world.policy(timeout=10, patience=2).run(world.send, ASK)


async def a_wait_for_a_window(world):
    through = world.policy(timeout=100)
    for _ in range(3):
        await through.run(world.send, ASK)


async def a_wait_for_money(world, gates=None):
    through = world.policy(timeout=100, gates=gates or world.gates)
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(through.run(world.send, ASK))


async def a_wait_in_one_line_after_the_other(world):
    """When there is room, the window is full."""
    occupied(world, 1.0)
    through = world.policy(timeout=100)
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(through.run(world.send, ASK))


async def a_wait_for_money_and_then_for_a_window(world):
    """When there is money, the window is full; the money goes back meanwhile."""
    await a_wait_for_money(world, [world.money, world.limiter])


async def a_caller_who_leaves_as_the_money_comes_back(world):
    held = world.money.admit(ASK)
    leaving = asyncio.create_task(world.policy(timeout=10).run(world.send, ASK))
    try:
        await asyncio.sleep(1.0)
    finally:
        leaving.cancel()
        held.cancel()
    await asyncio.wait([leaving])


async def a_crowd_in_a_small_room(world):
    through = world.policy(timeout=20, retry=RETRY, attempt_timeout=2)
    seconds = iter([1.0, 0.5, 3.0, 1.0, 1.0, 3.0, 0.5, 1.0])
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(through.outcome(lambda: world.send(next(seconds, 0.1)), ASK))


async def a_block(world):
    async with world.policy(timeout=10).permit(ASK) as attempt:
        await world.send()
        attempt.settle(world.bill("answer"))


async def a_block_that_waits(world):
    occupied(world, 1.0)
    await a_block(world)


async def a_loop(world):
    script = [Broken(), Broken(), None]
    async for attempt in world.policy(retry=RETRY, timeout=50).asking(ASK):
        async with attempt:
            attempt.settle(world.bill(await world.send(1.0, script.pop(0))))


async def a_loop_that_is_left_early(world):
    script = [Broken(), None]
    async for attempt in world.policy(retry=RETRY, timeout=50).asking(ASK):
        async with attempt:
            attempt.settle(world.bill(await world.send(1.0, script.pop(0))))
            break


async def a_loop_that_waits(world):
    occupied(world, 1.0)
    await a_loop(world)


def a_decorated_call(world):
    @world.policy(retry=RETRY, timeout=50).asking(ASK)
    async def operation(script):
        return await world.send(1.0, script.pop(0))

    return operation([Broken(), Broken(), None])


async def told(world, *script):
    """The items of a stream that owes all that was reserved until its end has been reached."""
    world.owed.add(ASK)
    await asyncio.sleep(0.5)
    if script:
        world.owed.add(ASK, -1)
        world.owed.add(NO_COST)
        raise script[0]
    try:
        for item in (1, 2, "answer"):
            yield item
            await asyncio.sleep(0.5)
    finally:
        await asyncio.sleep(0.5)
    world.owed.add(ASK, -1)
    world.owed.add(COST)


async def a_stream(world):
    script = [[Broken()], []]
    through = world.policy(retry=RETRY, timeout=50, attempt_timeout=5)
    stream = through.stream(lambda: told(world, *script.pop(0)), ASK)
    async with contextlib.aclosing(stream):
        async for _ in stream:
            await asyncio.sleep(1.0)


async def a_stream_that_waits(world):
    occupied(world, 1.0)
    await a_stream(world)


async def a_decorated_stream_that_is_closed_early(world):
    stream = world.policy(timeout=50).asking(ASK)(told)(world)
    async with contextlib.aclosing(stream):
        async for _ in stream:
            await asyncio.sleep(1.0)
            break


async def a_nest(world):
    script = [Broken(), None]
    inner = world.policy(name="inner", timeout=10, retry=RETRY)
    outer = world.policy(name="outer", gates=[], retry=RETRY, timeout=30)
    await outer.run(lambda: inner.run(lambda: world.send(1.0, script.pop(0)), ASK))


async def a_call_with_timeouts_all_around(world):
    async def hurried():
        async with asyncio.timeout(1.5):
            return await world.send(3.0)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(4.0):
            await world.policy(retry=RETRY, attempt_timeout=1.5, timeout=9).run(hurried, ASK)


async def a_recovery(world):
    """From open through probes to closed, with others asking all the while."""
    trip(world.breaker)
    through = world.policy(timeout=10)

    async def visits():
        for _ in range(4):
            await through.outcome(world.send, ASK)
            await asyncio.sleep(25)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(visits())
    assert world.breaker.stats().state is State.CLOSED


# What makes a line: two requests a minute, money for two, a short open wait.
PARTS = {
    a_wait_for_a_window: {"requests": 2},
    a_wait_in_one_line_after_the_other: {"requests": 2},
    a_wait_for_money: {"money": 250, "places": 9},
    a_wait_for_money_and_then_for_a_window: {"money": 250, "places": 9, "requests": 2},
    a_caller_who_leaves_as_the_money_comes_back: {"money": 100},
    a_recovery: {"recovery_timeout": 20.0},
}
JOURNEYS = [
    *(a_call, a_call_that_is_retried, an_attempt_that_times_out_and_is_retried),
    *(a_call_with_an_outcome, a_wait_for_room, a_wait_for_a_window),
    *(a_wait_for_money, a_wait_for_money_and_then_for_a_window),
    *(a_caller_who_leaves_as_the_money_comes_back, a_wait_in_one_line_after_the_other),
    *(a_crowd_in_a_small_room, a_wait_in_vain),
    *(a_block, a_block_that_waits, a_nest, a_call_with_timeouts_all_around, a_recovery),
    *(a_loop, a_loop_that_is_left_early, a_loop_that_waits, a_decorated_call),
    *(a_stream, a_stream_that_waits, a_decorated_stream_that_is_closed_early),
]


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.__name__)
def test_a_journey_cut_anywhere_loses_nothing(journey, scale, seed):
    worlds = []

    async def operation():
        worlds[:] = [World(**PARTS.get(journey, {}))]
        await journey(worlds[0])

    async def check(_):
        (world,) = worlds
        await asyncio.sleep(LONGEST_HOLD + 1)
        world.is_even()

    for permutation in (None, *range(seed, seed + round(50 * scale))):
        cuts = cancel_at_every_await(operation, check, seed=permutation)
        assert cuts.suspensions > 0
        # Permuted, the end of the wait may overtake the cancellation, which then finds nothing.
        assert permutation is not None or cuts.swallowed == ()
