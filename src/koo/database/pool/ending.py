"""A pool's size and end, changed while it works.

open --pause--> paused: everybody waits in line --resume--> open
  +----drain--> closed: everybody is refused; the lent come back and are closed
                  |      or, at the deadline, are torn off under those who have them
                  +--resume--> open; those who still have one keep it to their end
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from .keeper import SMALLER, Keeper

__all__ = ["drain", "pause", "resize", "resume", "retire", "tear_off"]

_CLOSED: Final = "the pool was closed"
_DRAINED: Final = "it was still held when the pool was drained"


def pause(keeper: Keeper) -> None:
    """Hand out no connection; who asks for one waits, for as long as it would anyway."""
    keeper.places.is_paused = True


def resume(keeper: Keeper) -> None:
    """Hand out connections again, first to those who wait."""
    keeper.queue.open()
    keeper.supply(keeper.terms.clock.monotonic())


def resize(keeper: Keeper, kept: int, overflow: int) -> None:
    """Keep *kept* connections from now on, and open at most *overflow* more."""
    keeper.growth.kept = kept
    keeper.places.most = kept + overflow
    for slot in keeper.slots:
        if slot.condemned == SMALLER and slot.since is not None:
            slot.condemned = None
    keeper.trim()
    keeper.supply(keeper.terms.clock.monotonic())


def retire(keeper: Keeper) -> None:
    """Replace what is open now, a few at a time and each before it goes, as if it were old."""
    now = keeper.terms.clock.monotonic()
    for slot in keeper.slots:
        slot.expires = min(slot.expires, now)


async def drain(keeper: Keeper, seconds: float) -> int:
    """Refuse whoever comes, wait for the lent at most *seconds*; how many had to be torn off.

    Nobody is torn off when the pool was resumed meanwhile.
    """
    openings = keeper.queue.openings
    keeper.queue.close()
    keeper.stop_dialing()
    keeper.condemn_all("the pool was drained")
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await keeper.quiet()
            if keeper.slots:
                await keeper.is_empty.wait()
    if keeper.queue.openings != openings:
        return 0
    late = [slot for slot in keeper.slots if slot.since is not None]
    for slot in late:
        keeper.tell("aborted", _DRAINED)
        keeper.lost(slot)
        slot.take_back(_DRAINED)
    return len(late)


def tear_off(keeper: Keeper) -> None:
    """Drop every connection at once, without a word; the loop may be closed."""
    keeper.upkeep.stop()
    with suppress(RuntimeError):
        keeper.queue.close()
        keeper.stop_dialing()
    for slot in keeper.slots:
        with suppress(RuntimeError):
            slot.take_back(_CLOSED)
        keeper.terms.counts.closed.add()
        keeper.tell("closed", _CLOSED)
    keeper.slots.clear()
    with suppress(RuntimeError):
        keeper.is_empty.set()
