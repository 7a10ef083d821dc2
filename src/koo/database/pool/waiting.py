"""The line before the pool: who may join it, and how each who joined leaves it.

    enqueue --server down, dial under way or in back-off--> DatabaseUnavailable
       +------line full-----------------------------------> PoolExhausted
       +------joined--> a slot
                  +---> the deadline: PoolExhausted, or why no connection can be made
                  +---> a dial failed and no loan is worth waiting for: the first gets the error
                  |     itself, which trips; the others DatabaseUnavailable, which does not count
                  +---> cancelled, its time over: withdraw; what it waited for is the cause of that

While somebody waits, a timer looks every few milliseconds: it ends what is late, lets
growth be priced again, and names tasks that wait for a second connection.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from sqlalchemy import exc

from ... import errors
from ...resilience import Holder
from ..callers import borrowing_line
from ..verdicts import Kind, as_database_error, judge, mark_source
from .counts import COMPONENT, Terms
from .growth import Growth
from .places import Places
from .slots import HOT, Slot, Waiter

__all__ = ["PoolExhausted", "Queue"]

_NAMED_HOLDERS: Final = 5
_QUICKEST_LOOK: Final = 0.005
_SLOWEST_LOOK: Final = 0.05
_STAYS_RECENT: Final = 2 * _SLOWEST_LOOK
_SHORTEST_WAIT: Final = 0.001
_SAYS_NOTHING: Final = {Kind.CONNECTION, Kind.TIMEOUT}


class PoolExhausted(errors.PoolExhausted, exc.TimeoutError):
    """Every connection is taken and none came back in time; *holders* has them.

    *timeout* is how long the caller has waited in seconds: 0 when the line was full.
    """

    def __init__(self, gate: str, timeout: float, holders: tuple[Holder, ...]) -> None:
        super().__init__(gate, None, _who(holders))
        self.timeout = timeout
        self.holders = holders

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.gate, self.timeout, self.holders)

    def _when(self) -> str:
        waited = f"none came back in {self.timeout:g} s" if self.timeout else "the line is full"
        return f"{waited}: hold them shorter, or raise the pool's size"


class PoolPaused(PoolExhausted):
    """The pool was paused for longer than the caller could wait."""

    def _when(self) -> str:
        return "the pool is paused: resume() hands connections out again"


def _who(holders: tuple[Holder, ...]) -> str:
    oldest = holders[:_NAMED_HOLDERS]
    named = ", ".join(f"{item.task} at {item.where} for {item.age:.1f} s" for item in oldest)
    rest = len(holders) - len(oldest)
    more = f" and {rest} more" if rest else ""
    in_use = f"{len(holders)} in use"
    return f"{in_use}: {named}{more}" if named else in_use


class Supplier(Protocol):
    """Who sees to it that those in line get what they wait for."""

    terms: Terms
    loop: asyncio.AbstractEventLoop
    places: Places[Slot, Waiter]
    growth: Growth
    slots: set[Slot]

    @property
    def dialing_since(self) -> float:
        """Since when the oldest dial has been under way; infinity without one."""
        ...

    def supply(self, now: float) -> None:
        """See that a connection is under way to everybody who is worth one."""
        ...

    def give_on(self, slot: Slot, now: float) -> None:
        """*slot* has come back."""
        ...

    def holders(self) -> tuple[Holder, ...]:
        """Who holds a connection, the oldest first."""
        ...

    def tell(self, what: str, cause: str) -> None:
        """Tell the listener."""
        ...


class Queue:
    """Those who wait for one pool."""

    def __init__(self, keeper: Supplier) -> None:
        self._keeper = keeper
        self._places = keeper.places
        self._growth = keeper.growth
        self._counts = keeper.terms.counts
        self._now = keeper.terms.clock.monotonic
        self._timeout = keeper.terms.config.pool_timeout
        self._timer: asyncio.TimerHandle | None = None
        self._newcomers: list[Waiter] = []
        self._cause = ""
        self._silence = float("inf")
        self._untold: BaseException | None = None
        self._failed_at = float("-inf")
        self._photographed = float("-inf")
        self._holders: tuple[Holder, ...] = ()
        self._was_shown = False
        self.is_closed = False
        self.openings = 0

    def enqueue(self, since: float) -> Waiter:
        """A place at the end of the line. Raises DatabaseUnavailable or PoolExhausted at once."""
        self._refuse_if_useless(since)
        future = self._keeper.loop.create_future()
        waiter = Waiter(
            future, asyncio.current_task(self._keeper.loop), since, since + self._timeout
        )
        if not self._places.join(waiter):
            self._counts.refused.add()
            raise self._exhausted(0, self._recent_holders(since))
        waiter.where = borrowing_line()
        self._keeper.supply(since)
        if not waiter.answer.done():
            self._newcomers.append(waiter)
            self._arm(since)
        return waiter

    def withdraw(self, waiter: Waiter, ended: BaseException) -> None:
        """*waiter* was ended by *ended*; what it was given in the same instant goes to the next.

        If all were taken until then, *ended* has that as its cause: whoever judges it knows that
        it was not the server.
        """
        self._places.leave(waiter)
        answer, now = waiter.answer, self._now()
        if answer.done() and not answer.cancelled():
            given = answer.result()
            if isinstance(given, Slot):
                given.come_back(now)
                self._keeper.give_on(given, now)
        elif self._is_held_up(waiter, now):
            self._counts.timeouts.add()
            waited = max(round(now - waiter.since, 3), _SHORTEST_WAIT)
            ended.__cause__ = self._exhausted(waited, self._recent_holders(now))

    def disappoint(self, error: BaseException, now: float) -> None:
        """A dial ended in *error*."""
        places = self._places
        verdict = judge(as_database_error(error) if isinstance(error, Exception) else error)
        self._cause = verdict.failure.cause or "the server cannot be reached"
        self._silence = HOT if verdict.kind in _SAYS_NOTHING else float("inf")
        self._failed_at = now
        if not places.line or self._has_hope(now):
            # One of those that are lent may come back sooner than the server lets us in.
            self._untold = error
            return
        for waiter in list(places.line):
            if self._answer(waiter, error):
                self._growth.told()
                if places.dialing:
                    return
                error = self._unavailable(now)

    def take_heart(self) -> None:
        """A dial succeeded: what the last one failed of no longer matters."""
        self._untold, self._failed_at = None, float("-inf")

    def open(self) -> None:
        """Let everybody in, and hand connections out, again."""
        self.is_closed = self._places.is_paused = False
        self.openings += 1

    def close(self) -> None:
        """Send everybody home, and refuse whoever comes: the pool is being closed."""
        self.is_closed = self._places.is_paused = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiter in list(self._places.line):
            self._answer(waiter, _closing())

    def _recent_holders(self, now: float) -> tuple[Holder, ...]:
        # A refusal must be cheap, above all when there are thousands: the next photograph is made
        # by who looks at the line.
        if now - self._photographed >= _STAYS_RECENT:
            self._photograph(now)
        self._was_shown = True
        return self._holders

    def _photograph(self, now: float) -> None:
        self._photographed, self._holders, self._was_shown = now, self._keeper.holders(), False

    def _refuse_if_useless(self, now: float) -> None:
        if self.is_closed:
            raise _closing()
        growth = self._growth
        # What nobody has heard of may have happened to a dial that was under way when the server
        # was restarted: it has counted for nothing, so whoever comes now waits for the next one.
        if not growth.is_known or not (self._places.dialing or growth.blocked_for(now)):
            return
        if not self._has_hope(now):
            raise self._unavailable(now)

    def _has_hope(self, now: float) -> bool:
        """Whether a connection may come free although the server lets nobody in.

        No loan does that has outlasted what anybody waits. A server that says itself why it lets
        nobody in is there, and may take its time for those who are in; of one that says nothing,
        they wait in vain, too.
        """
        places = self._places
        return bool(places.idle or places.checking) or any(
            slot.may_come_back(now, within=self._timeout, silence=self._silence)
            for slot in self._keeper.slots
        )

    def _unavailable(self, now: float) -> errors.DatabaseUnavailable:
        growth = self._growth
        after = growth.blocked_for(now) or growth.backoff
        return errors.DatabaseUnavailable(COMPONENT, after, self._cause)

    # -- looking at the line ----------------------------------------------------------

    def _arm(self, now: float) -> None:
        if self._timer is not None or not self._places.line:
            return
        pause = min(max(self._growth.youth, _QUICKEST_LOOK), _SLOWEST_LOOK)
        first = next(iter(self._places.line))
        pause = min(pause, max(0.0, first.deadline - now))
        self._timer = self._keeper.loop.call_later(pause, self._look)

    def _look(self) -> None:
        self._timer, now = None, self._now()
        while (first := next(iter(self._places.line), None)) and first.deadline <= now:
            self._end_wait(first, now)
        self._notice_nested(now)
        if self._was_shown:
            self._photograph(now)
        if self._places.line:
            self._keeper.supply(now)
            self._arm(now)

    def _end_wait(self, waiter: Waiter, now: float) -> None:
        if self._is_held_up(waiter, now):
            self._counts.timeouts.add()
            error: BaseException = self._exhausted(self._timeout, self._keeper.holders())
        elif self._untold is not None:
            error, self._untold = self._untold, None
            self._growth.told()
        elif self._failed_at >= waiter.since:
            error = self._unavailable(now)
        else:
            error = as_database_error(TimeoutError(f"no connection in {self._timeout:g} s"))
        self._answer(waiter, error)

    def _is_held_up(self, waiter: Waiter, now: float) -> bool:
        """Whether *waiter* waits for those who hold the connections, or for the end of a pause.

        Else for the server, which lets nobody in though there is a place: a dial has failed since
        *waiter* came, or has been under way for most of the wait.
        """
        places = self._places
        if places.is_paused:
            return True
        if not places.lent or places.room or self._failed_at >= waiter.since:
            return False
        # What was torn off and is replaced just now is not what the whole wait was for.
        return now - self._keeper.dialing_since < (now - waiter.since) / 2

    def _exhausted(self, waited: float, holders: tuple[Holder, ...]) -> PoolExhausted:
        kind = PoolPaused if self._places.is_paused else PoolExhausted
        error = kind(self._keeper.terms.component, waited, holders)
        mark_source(error, self._counts)
        return error

    def _answer(self, waiter: Waiter, error: BaseException) -> bool:
        """Give *waiter* its *error*; False if its caller has already gone."""
        self._places.leave(waiter)
        if waiter.answer.done():
            return False
        mark_source(error, self._counts)
        waiter.answer.set_result(error)
        return True

    def _notice_nested(self, now: float) -> None:
        """Name whoever waits for a second connection while holding one: enough of them deadlock."""
        newcomers, self._newcomers = self._newcomers, []
        held = {slot.task: slot for slot in self._keeper.slots if slot.task is not None}
        for waiter in newcomers:
            if waiter.task in held and waiter in self._places.line:
                self._counts.nested.add()
                slot = held[waiter.task]
                holder = slot.photograph(now)
                told = f"{holder.task} wants another beside the one it took {slot.place_of(holder)}"
                self._keeper.tell("nested", told)


def _closing() -> errors.DatabaseUnavailable:
    return errors.DatabaseUnavailable(COMPONENT, None, "the pool is being closed")
