"""Whatever a pool does while nobody is looking: dial, check, close; and who gets the result.

    somebody is in line --supply--> an idle one: dead -> dropped, silent for long -> pinged
                             +----> the price says so: dialed --in vain--> all idle are checked
    a connection is there --freed--> the first in line whose caller still waits, or idle

No caller dials, pings or closes, so a caller's cancellation cuts nothing in half.
Background work runs in tasks with an empty context; its end is booked by a
callback, which also runs for a task that was cancelled before its first step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy.util import greenlet_spawn

from ...resilience import ConnectionEvent, Holder, detached, tell
from ..drivers import abort
from ..drivers.liveness import has_pings, ping
from ..verdicts import as_database_error
from .counts import Terms
from .growth import Growth
from .places import Places
from .slots import Slot, Source, Waiter, photograph_lent
from .upkeep import AGED, Upkeep
from .waiting import Queue

__all__ = ["SMALLER", "Keeper"]

T = TypeVar("T")

#: Why a connection is closed for which there is no place any more.
SMALLER: Final = "the pool was made smaller"

_GOODBYE: Final = 2.0


class Keeper:
    """One pool's places and line, and the tasks that keep them supplied."""

    def __init__(self, source: Source, terms: Terms) -> None:
        config = terms.config
        self.terms = terms
        self.loop = asyncio.get_running_loop()
        self.places: Places[Slot, Waiter] = Places(
            config.kept + config.overflow, config.max_waiting
        )
        self.growth = Growth(config.kept)
        self.slots: set[Slot] = set()
        self.is_empty = asyncio.Event()
        self._source = source
        self._now = terms.clock.monotonic
        self._tasks: set[asyncio.Task[Any]] = set()
        self._dials: dict[asyncio.Task[Any], float] = {}
        self.queue = Queue(self)
        self.upkeep = Upkeep(self)

    @property
    def total(self) -> int:
        """How many connections are open."""
        return len(self.slots)

    @property
    def dialing_since(self) -> float:
        """Since when the oldest dial has been under way; infinity without one."""
        return next(iter(self._dials.values()), float("inf"))

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return self.places.waiting

    @property
    def is_paused(self) -> bool:
        """Whether connections are handed out to nobody."""
        return self.places.is_paused

    @property
    def state(self) -> str:
        """Open, paused or drained, in a word."""
        if self.queue.is_closed:
            return "drained"
        return "paused" if self.is_paused else "open"

    def holders(self) -> tuple[Holder, ...]:
        """Who holds a connection, the oldest first."""
        return photograph_lent(self.slots, self._now())

    def tell(self, what: str, cause: str) -> None:
        """Tell the listener what has happened to a connection."""
        tell(self.terms.on_event, ConnectionEvent(self.terms.component, what, cause))

    # -- who gets what ----------------------------------------------------------------

    def freed(self, waiter: Waiter | None, slot: Slot) -> None:
        """Hand *slot* to *waiter*, or to the next whose caller still waits."""
        while waiter is not None:
            if not waiter.answer.done():
                slot.lend(waiter.task, self._now(), waiter.where)
                waiter.answer.set_result(slot)
                return
            waiter = self.places.come_back(slot)

    def give_on(self, slot: Slot, now: float) -> None:
        """*slot* has come back: the next in line gets it, at once if it was heard just now."""
        if slot.condemned is not None:
            self.close_lent(slot)
        elif self.places.line and not slot.is_hot(now):
            self.doubt(slot, now)
        elif (waiter := self.places.come_back(slot)) is not None:
            self.freed(waiter, slot)

    def supply(self, now: float) -> None:
        """See that a connection is under way to everybody in line who is worth one."""
        places, growth = self.places, self.growth
        if places.is_paused:
            return
        while (slot := places.spare()) is not None:
            self._check(slot, now)
        if not places.unserved or not places.room or growth.blocked_for(now):
            return
        for _ in range(
            growth.dials(
                now,
                unserved=places.unserved,
                waiting=places.waiting,
                waited=now - next(iter(places.line)).since,
                dialing=places.dialing,
                lent=places.lent,
                age=self._mean_age(now),
                room=places.room,
            )
        ):
            self.dial("demand")

    def _mean_age(self, now: float) -> float:
        ages = [now - slot.since for slot in self.slots if slot.since is not None]
        return sum(ages) / len(ages) if ages else 0.0

    # -- dialing --------------------------------------------------------------------

    def dial(self, cause: str, *, replaces: Slot | None = None) -> None:
        """Open one more connection, in the background; *replaces* goes when it is there."""
        self.places.dialing += 1
        began = self._now()
        task = self._spawn(self._connect(), partial(self._dialed, began, cause, replaces))
        self._dials[task] = began
        task.add_done_callback(self._dials.pop)

    async def _connect(self) -> Slot:
        # Connecting has a bound of its own; this one is for what prepares the connection.
        limit = 2 * self.terms.config.check_timeout
        try:
            async with asyncio.timeout(limit):
                record = await greenlet_spawn(self._source.open_record)
        except TimeoutError as error:
            late = TimeoutError(f"no connection in {limit:g} s")
            raise as_database_error(late) from error
        self.terms.counts.created.add()
        try:
            return Slot(record, self._now())
        except Exception as error:
            # The server has closed it already, and the driver does not want to hear of it.
            self.terms.counts.closed.add()
            await greenlet_spawn(record.close)
            raise as_database_error(error) from error

    def _dialed(
        self,
        began: float,
        cause: str,
        replaces: Slot | None,
        task: asyncio.Task[Slot],
    ) -> None:
        arrived = not task.cancelled() and task.exception() is None
        if replaces is not None:
            (self.upkeep.replaced if arrived else self.upkeep.not_replaced)(replaces)
        if task.cancelled():
            self.places.dialing -= 1
        elif (error := task.exception()) is None:
            self._connected(task.result(), began, cause)
        else:
            self._not_connected(error)

    def _connected(self, slot: Slot, began: float, cause: str) -> None:
        now = self._now()
        self.growth.connected(now - began)
        self.queue.take_heart()
        self.terms.counts.create_time.record(now - began)
        self.slots.add(slot)
        self.is_empty.clear()
        self.upkeep.begin(slot)
        self.tell("opened", cause)
        self.freed(self.places.arrive(slot), slot)
        if self.queue.is_closed:
            self.condemn_all("the pool was closed while it was dialed")
        self.trim()
        self.supply(now)

    def _not_connected(self, error: BaseException) -> None:
        now = self._now()
        self.places.dialing -= 1
        self.growth.failed(now)
        if self.places.line:
            self._look_at_all(now)
        self.queue.disappoint(error, now)

    # -- checking -------------------------------------------------------------------

    def doubt(self, slot: Slot, now: float) -> None:
        """*slot* was borrowed, but must be checked before anybody gets it."""
        self.places.doubt()
        self._check(slot, now)

    def look_at(self, slot: Slot, now: float) -> None:
        """Check an idle connection for nobody in particular."""
        self.places.look_at(slot)
        self._check(slot, now)

    def _look_at_all(self, now: float) -> None:
        """Check all that are idle at once: if they went with the server, who waits shall know."""
        for slot in list(self.places.idle):
            # What is found dead makes way for the next, which may then be looked at already.
            if slot in self.places.idle:
                self.look_at(slot, now)

    def doubt_all(self) -> None:
        """The server may be gone: ask it before an idle connection is lent, or several dialed."""
        self.growth.is_in_doubt = True
        for slot in self.places.idle:
            slot.heard = float("-inf")

    def _check(self, slot: Slot, now: float) -> None:
        if slot.is_dead():
            self._drop(slot, ConnectionError("the server has closed it"))
            self.supply(now)
        elif slot.is_hot(now) or not has_pings(slot.driver):
            self._passed(slot)
        else:
            self._spawn(self._ping(slot), partial(self._pinged, slot))

    async def _ping(self, slot: Slot) -> Exception | None:
        assert slot.connection is not None  # noqa: S101 - for the type checker
        patience = min(self.growth.patience(slot.quickest), self.terms.config.check_timeout)
        return await ping(slot.connection, slot.driver, self._source.dialect, patience)

    def _pinged(self, slot: Slot, task: asyncio.Task[Exception | None]) -> None:
        error = ConnectionError("the check was cut off") if task.cancelled() else task.result()
        if error is not None:
            self._drop(slot, error)
            self._stand_in(self._now())
            return
        slot.heard = self._now()
        self._passed(slot)

    def _passed(self, slot: Slot) -> None:
        if slot.condemned is None:
            self.freed(self.places.pass_on(slot), slot)
        else:
            self.places.reject()
            self._close(slot, slot.condemned)

    def _drop(self, slot: Slot, error: Exception) -> None:
        """A checked connection is dead: its place is free at once, nobody waits for its end."""
        self.places.checking -= 1
        self._forget(slot)
        self._end(slot, error)
        abort(slot.driver)

    def _stand_in(self, now: float) -> None:
        """Dial for whoever waited for a check in vain: the next one may be as silent."""
        places = self.places
        may_dial = places.room and not places.is_paused and not self.growth.blocked_for(now)
        if places.unserved and may_dial:
            self.dial("demand")
        self.supply(now)

    # -- closing --------------------------------------------------------------------

    def close_idle(self, slot: Slot, cause: str) -> None:
        """Close an idle connection."""
        self.places.retire(slot)
        self._close(slot, cause)

    def close_lent(self, slot: Slot) -> None:
        """Close a connection that has come back and is not wanted any more."""
        if slot in self.slots:
            self.places.part()
            self._close(slot, slot.condemned or "")
        else:
            # It was reclaimed, and its place given away, while somebody still had it.
            self._end(slot, TimeoutError(slot.condemned))

    def lost(self, slot: Slot) -> None:
        """A lent connection was closed by whoever had it, or is not going to be given back."""
        if slot in self.slots:
            self._forget(slot)
            self.places.lent -= 1
            self.supply(self._now())

    def _close(self, slot: Slot, cause: str) -> None:
        slot.condemned = cause
        self._spawn(self._say_goodbye(slot), partial(self._closed, slot))

    def _end(self, slot: Slot, error: Exception) -> None:
        """Let SQLAlchemy end what nobody can use any more, and tell its own listeners."""
        ended = partial(self._ended, slot, error)
        self._spawn(greenlet_spawn(slot.record.invalidate, error), ended)

    def _ended(self, slot: Slot, error: Exception, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            # Outside of a greenlet it waits for nobody.
            slot.record.invalidate(error)

    async def _say_goodbye(self, slot: Slot) -> None:
        with suppress(Exception):
            async with asyncio.timeout(_GOODBYE):
                await greenlet_spawn(slot.record.close)

    def _closed(self, slot: Slot, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            slot.record.invalidate()
        places = self.places
        places.closing -= 1
        self._forget(slot)
        self.tell("closed", slot.condemned or "")
        missing = self.growth.kept - places.usable - places.dialing
        if slot.condemned == AGED and missing > 0 and not self.queue.is_closed:
            self.dial(AGED)
        self.supply(self._now())

    def _forget(self, slot: Slot) -> None:
        if slot in self.slots:
            self.slots.discard(slot)
            self.terms.counts.closed.add()
        if not self.slots:
            self.is_empty.set()

    def trim(self) -> None:
        """Close what is open beyond the most, idle ones first; the lent when they come back."""
        places = self.places
        while places.idle and places.usable + places.dialing > places.most:
            self.close_idle(places.idle[0], SMALLER)
        staying = [slot for slot in self.slots if slot.condemned is None]
        lent = [slot for slot in staying if slot.since is not None]
        for slot in lent[: max(0, len(staying) + places.dialing - places.most)]:
            slot.condemned = SMALLER

    # -- the end --------------------------------------------------------------------

    def condemn_all(self, cause: str) -> None:
        """Close what is idle, and what is lent as soon as it comes back."""
        for slot in list(self.places.idle):
            self.close_idle(slot, cause)
        for slot in self.slots:
            slot.condemned = slot.condemned or cause

    async def dispose(self) -> None:
        """Close what is idle, and wait for it; what is lent follows when it comes back."""
        self.stop_dialing()
        await self.quiet()
        self.condemn_all("the pool was disposed of")
        await self.quiet()

    def stop_dialing(self) -> None:
        """Give up whatever is being dialed."""
        for task in self._dials:
            task.cancel()

    async def quiet(self) -> None:
        """Whatever is under way now has ended, and its end is booked."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _spawn(
        self, work: Coroutine[Any, Any, T], ended: Callable[[asyncio.Task[T]], None]
    ) -> asyncio.Task[T]:
        task = detached(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(ended)
        return task
