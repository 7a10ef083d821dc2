"""How a test waits for what happens beside it, however slow the machine is."""

import asyncio


async def until(condition):
    """Return when *condition* holds."""
    async with asyncio.timeout(30.0):
        while not condition():
            await asyncio.sleep(0.005)


async def a_while():
    """Time in which the loop turns so often that what can happen has happened."""
    for _ in range(50):
        await asyncio.sleep(0.01)
