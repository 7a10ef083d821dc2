"""An event loop that stood still is no reason to dial, unless it always does."""

import asyncio
import math

import pytest


def stand_still(seconds):
    """The loop is busy with something else for so long."""
    loop = asyncio.get_running_loop()
    loop._now += seconds
    loop._clock_resolution = math.ulp(loop._now)


@pytest.mark.parametrize("begins", [0.001, 0.003, 0.01, 0.02])
@pytest.mark.parametrize("seconds", [0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.2])
async def test_a_loop_that_stood_still_in_a_burst_is_no_reason_to_dial(house, begins, seconds):
    """The loans looked as old, and the line, as the loop had stood; 45 dials, once in a while."""
    home = house(pool_size=5, max_overflow=45)
    await home.warm(5)
    burst = asyncio.gather(*(home.use(0.002) for _ in range(50)))
    await asyncio.sleep(begins)
    stand_still(seconds)
    newcomers = asyncio.gather(*(home.use(0.002) for _ in range(5)))
    await asyncio.gather(burst, newcomers)
    assert home.server.dials <= 7


async def test_a_pool_grows_on_a_loop_that_is_always_late(house):
    home = house(pool_size=5, max_overflow=45)
    await home.warm(5)
    burst = asyncio.gather(*(home.use(2.0) for _ in range(50)))
    for _ in range(4):
        await asyncio.sleep(0.001)
        stand_still(0.1)
    assert home.server.dials == 50
    await burst
