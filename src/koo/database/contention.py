"""Those whose transactions were in each other's way take turns.

    attempt --conflict--> backoff --> line --first in it--> attempt --> the next in line
                                       |
                                       +--a second has passed: attempt all the same

On one hot row of a SERIALIZABLE table n transactions at once mean that one in n commits and
all others were in vain, again and again: backoff alone only spreads that out. Whoever takes
turns competes with nobody but newcomers. Nothing depends on a turn, it is only of use: who
holds one and calls a transaction that needs one goes on after a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

__all__ = ["Contention"]

_PATIENCE: Final = 1.0


class Contention:
    """The line of one event loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A turn, or a second of waiting for one."""
        is_ours = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                is_ours = await self._turn.acquire()
        try:
            yield
        finally:
            if is_ours:
                self._turn.release()
