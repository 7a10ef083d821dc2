"""Each timeout that a policy had once had was kept, with a timer, as long as the loop ran."""

import asyncio
import gc

from koo.resilience import Policy
from koo.resilience.timers import Lane
from koo.testing import running_clock

POLICIES = 50


def _lanes():
    """How many there are of the running loop; those of others may go at any time."""
    gc.collect()
    lanes = [one for one in gc.get_objects() if isinstance(one, Lane)]
    return sum(lane.loop is asyncio.get_running_loop() for lane in lanes)


async def _well():
    return "well"


async def test_a_lane_goes_with_its_last_policy_when_its_alarm_has_rung():
    before, clock = _lanes(), running_clock()
    for number in range(POLICIES):
        await Policy("dep", timeout=1 + number / 100, clock=clock).run(_well)
    await asyncio.sleep(2)
    assert _lanes() == before


async def test_a_lane_stays_with_a_policy_that_is_still_there():
    before, clock = _lanes(), running_clock()
    through = Policy("dep", timeout=1, clock=clock)
    for _ in range(3):
        await through.run(_well)
        await asyncio.sleep(2)
        assert _lanes() == before + 1
    await Policy("another", timeout=1, clock=clock).run(_well)
    assert _lanes() == before + 1


async def test_a_call_in_flight_is_kept_in_time_though_its_policy_is_gone():
    ending = asyncio.create_task(
        Policy("dep", timeout=1, clock=running_clock()).outcome(asyncio.Event().wait)
    )
    await asyncio.sleep(0)
    gc.collect()
    assert "no answer after 1.00 s" in str((await ending).error)
