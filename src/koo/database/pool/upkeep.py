"""What a pool does at every beat, whether anybody calls or not.

    idle beyond what is kept, for 30 s ----------> retired
    older than its lifetime --room--> another is dialed first, then this one goes
                            +-none--> this one goes, then another is dialed
    idle and dead -------------------------------> dropped
    idle and unheard for 2 min ------------------> pinged
    lent for longer than leak_after -------------> reported, once
    lent for longer than reclaim_after ----------> torn off, its place is free

The beat is a timer and not a task, and stops while nothing is open. Lifetimes are
drawn from the last quarter before ``pool_recycle``, so that connections that were
opened together do not all go together.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from ..drivers.liveness import has_pings
from .counts import Terms
from .growth import Growth
from .places import Places
from .slots import OUTDATED, Slot, Waiter

__all__ = ["AGED", "Upkeep"]

#: Why a connection is closed that has reached its lifetime.
AGED: Final = "it had reached its age"

_TOO_LONG: Final = "it was held for too long"
_BEAT: Final = 1.0
_BEATS_PER_LIFETIME: Final = 16
_IDLE: Final = 30.0
_UNHEARD: Final = 120.0
_PINGS_PER_BEAT: Final = 2
_JITTER: Final = 0.25
_SHARE_AT_ONCE: Final = 4


class Kept(Protocol):
    """What the beat finds, and what it can do about it."""

    terms: Terms
    loop: asyncio.AbstractEventLoop
    places: Places[Slot, Waiter]
    growth: Growth
    slots: set[Slot]

    def dial(self, cause: str, *, replaces: Slot | None = None) -> None:
        """Open one more connection; *replaces* goes when it is there."""
        ...

    def close_idle(self, slot: Slot, cause: str) -> None:
        """Close an idle connection."""
        ...

    def look_at(self, slot: Slot, now: float) -> None:
        """Check an idle connection."""
        ...

    def lost(self, slot: Slot) -> None:
        """A lent connection is not going to be given back."""
        ...

    def tell(self, what: str, cause: str) -> None:
        """Tell the listener."""
        ...


class Upkeep:
    """The beat of one pool."""

    def __init__(self, keeper: Kept) -> None:
        config = keeper.terms.config
        self._keeper = keeper
        self._config = config
        self._random = keeper.terms.random
        self._lifetime = config.pool_recycle
        if config.is_memory or self._lifetime < 0:
            self._lifetime = float("inf")
        self._pause = min(_BEAT, self._lifetime / _BEATS_PER_LIFETIME)
        self._timer: asyncio.TimerHandle | None = None
        self._replaced: set[Slot] = set()

    def begin(self, slot: Slot) -> None:
        """Look after *slot* too."""
        slot.expires = slot.born + self._lifetime * (1 - _JITTER * self._random())
        if slot.record.info.get(OUTDATED, bool)():
            # It was still dialed when all that were open were retired.
            slot.expires = slot.born
        if self._timer is None:
            self._timer = self._keeper.loop.call_later(self._pause, self._beat)

    def stop(self) -> None:
        """No further beat, until there is a connection again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._timer = None
        keeper = self._keeper
        if not keeper.slots:
            return
        # First, so that there is a next beat whatever becomes of this one.
        self._timer = keeper.loop.call_later(self._pause, self._beat)
        now = keeper.terms.clock.monotonic()
        self._retire(now)
        self._replace(now)
        self._keep_alive(now)
        self._find_leaks(now)

    # -- idle ones ------------------------------------------------------------------

    def _retire(self, now: float) -> None:
        places = self._keeper.places
        surplus = places.usable - self._keeper.growth.kept
        if surplus <= 0 or places.line:
            return
        unused = [slot for slot in places.idle if now - slot.idle_since >= _IDLE]
        unused.sort(key=lambda slot: slot.idle_since)
        for slot in unused[:surplus]:
            self._keeper.close_idle(slot, "it was idle, and more than are kept")

    def _keep_alive(self, now: float) -> None:
        idle = self._keeper.places.idle
        for slot in [slot for slot in idle if slot.alarm()]:
            self._keeper.look_at(slot, now)
        silent = [slot for slot in idle if now - slot.heard >= _UNHEARD and has_pings(slot.driver)]
        for slot in silent[:_PINGS_PER_BEAT]:
            self._keeper.look_at(slot, now)

    # -- old ones -------------------------------------------------------------------

    def _replace(self, now: float) -> None:
        keeper = self._keeper
        if keeper.growth.blocked_for(now):
            return
        old = [slot for slot in keeper.slots - self._replaced if slot.expires <= now]
        old = [slot for slot in old if slot.condemned is None]
        old.sort(key=lambda slot: slot.expires)
        most = max(1, len(keeper.slots) // _SHARE_AT_ONCE)
        for slot in old[: max(0, most - len(self._replaced))]:
            self._replace_one(slot)

    def _replace_one(self, slot: Slot) -> None:
        if self._keeper.places.room:
            self._replaced.add(slot)
            self._keeper.dial(AGED, replaces=slot)
        else:
            self.part_with(slot)

    def replaced(self, slot: Slot) -> None:
        """There is another one for *slot* now."""
        self._replaced.discard(slot)
        self.part_with(slot)

    def not_replaced(self, slot: Slot) -> None:
        """Nothing came of it: *slot* stays, and the next beat tries again."""
        self._replaced.discard(slot)

    def part_with(self, slot: Slot) -> None:
        """*slot* is closed: now if it is idle, else when it comes back."""
        keeper = self._keeper
        if slot.condemned is None and slot in keeper.slots:
            slot.condemned = AGED
            keeper.terms.counts.recycled.add()
            keeper.tell("recycled", AGED)
            if slot in keeper.places.idle:
                keeper.close_idle(slot, AGED)

    # -- lent ones ------------------------------------------------------------------

    def _find_leaks(self, now: float) -> None:
        for slot in [slot for slot in self._keeper.slots if slot.since is not None]:
            age = slot.age(now)
            if not slot.is_reported and age >= self._config.leak_after:
                self._report(slot, now)
            if age >= self._config.reclaim_after:
                self._reclaim(slot)

    def _report(self, slot: Slot, now: float) -> None:
        slot.is_reported = True
        self._keeper.terms.counts.leaked.add()
        holder = slot.photograph(now)
        self._keeper.tell(
            "leaked", f"{holder.task} took it {slot.place_of(holder)}, {holder.age:.1f} s ago"
        )

    def _reclaim(self, slot: Slot) -> None:
        self._keeper.tell("reclaimed", _TOO_LONG)
        self._keeper.lost(slot)
        slot.take_back(_TOO_LONG)
