"""What holds in real time holds on a busy machine too, whenever that lets it."""

import contextlib

ATTEMPTS = 5


async def undisturbed(attempt):
    """Attempt it until it goes well, five times at most; the last time its error is raised.

    A machine that stood still has disturbed some attempts; a defect disturbs each.
    """
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(Exception):
            return await attempt()
    return await attempt()
