"""What was torn off while `asyncio.run` cancelled everything was said goodbye to by nobody.

The goodbye had begun after the others were cancelled, and its task was destroyed while it waited.
"""

import asyncio
import gc

import pytest

from koo.database.drivers import goodbye

pytestmark = pytest.mark.integration


async def holds_a_connection(farewell):
    try:
        await asyncio.sleep(60)
    finally:
        goodbye.say_in_background(farewell)


async def leave_behind(farewell):
    background = asyncio.create_task(holds_a_connection(farewell))
    await asyncio.sleep(0)
    return background


def test_a_goodbye_begun_at_the_end_is_said():
    said = []

    async def farewell():
        await asyncio.sleep(0.01)
        said.append("goodbye")

    asyncio.run(leave_behind(farewell))
    assert said == ["goodbye"]


def test_one_that_nobody_answers_is_cancelled_with_its_loop(caplog):
    ended = []

    async def farewell():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    # What others have left is told before.
    gc.collect()
    caplog.clear()
    asyncio.run(leave_behind(farewell))
    assert ended == [True]
    gc.collect()
    assert not caplog.records


def test_loops_that_ended_are_not_kept():
    async def farewell():
        """Nothing to say."""

    gc.collect()
    others = set(goodbye._finishing)
    asyncio.run(leave_behind(farewell))
    gc.collect()
    assert not any(loop.is_closed() for loop in set(goodbye._finishing) - others)

    unheard = asyncio.new_event_loop()
    unheard.run_until_complete(leave_nothing(farewell))
    unheard.close()
    asyncio.run(leave_nothing(farewell))
    assert unheard not in goodbye._finishing


async def leave_nothing(farewell):
    goodbye.say_in_background(farewell)
    await goodbye.finish_saying()
