"""The pool, and who has what from it.

    connect() --a place free?--> SQLAlchemy's pool: idle, or dial --> lent (task, line, since)
        |  no                                                          |
        +--> the line, FIFO, at most pool_timeout <---- a place -------+  checkin or detach
                |
                +--> PoolExhausted, which names the holders

The line stands before SQLAlchemy's own queue, which therefore never waits: there
a failed connect frees a place and wakes nobody, and the next in line would sleep
out the whole timeout.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import exc
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection
from sqlalchemy.util import await_

from ... import errors
from ...resilience import Clock, Counter, Histogram, HistogramStats, Holder, RollingCount
from ..config import DatabaseConfig

if TYPE_CHECKING:
    from types import FrameType

__all__ = [
    "HOLDING",
    "Holding",
    "PoolCounts",
    "PoolExhausted",
    "PoolStats",
    "Roster",
    "WatchedPool",
    "calling_line",
]

#: The key under which a connection's slot remembers who holds it.
HOLDING: Final = "koo.holding"

_MINUTE: Final = 60.0
_NAMED_HOLDERS: Final = 5
_SHOWN_PARTS: Final = 3
_OUR_OWN: Final = ("koo.", "sqlalchemy.", "contextlib.", "asyncio.")
_LOOPS: Final = {"asyncio.events", "asyncio.runners"}


class PoolExhausted(errors.PoolExhausted, exc.TimeoutError):
    """Every connection is taken and none came back in time; *holders* has them."""

    def __init__(self, gate: str, timeout: float, holders: tuple[Holder, ...]) -> None:
        super().__init__(gate, None, _who(holders))
        self.timeout = timeout
        self.holders = holders

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.gate, self.timeout, self.holders)

    def _when(self) -> str:
        return f"none came back in {self.timeout:g} s: hold them shorter, or raise the pool's size"


def _who(holders: tuple[Holder, ...]) -> str:
    named = [f"{item.task} at {item.where} for {item.age:.1f} s" for item in holders]
    rest = len(named) - _NAMED_HOLDERS
    more = f" and {rest} more" if rest > 0 else ""
    return f"{len(named)} in use: {', '.join(named[:_NAMED_HOLDERS])}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """A photograph of the pool and of what it has counted; times in seconds."""

    size: int
    max_overflow: int
    total: int
    active: int
    idle: int
    overflow: int
    waiting: int
    holders: tuple[Holder, ...]
    checkouts_total: int
    checkouts_per_second: float
    checkins_total: int
    checkins_per_second: float
    created_total: int
    closed_total: int
    invalidated_total: int
    recycled_total: int
    timeouts_total: int
    response_time: HistogramStats
    wait_time: HistogramStats
    use_time: HistogramStats


class PoolCounts:
    """What the manager's pools have counted, from its birth and over all event loops."""

    def __init__(self) -> None:
        self.created = Counter()
        self.closed = Counter()
        self.invalidated = Counter()
        self.recycled = Counter()
        self.timeouts = Counter()
        self.checkouts = Counter()
        self.checkins = Counter()
        self.recent_checkouts = RollingCount(_MINUTE)
        self.recent_checkins = RollingCount(_MINUTE)
        self.response_time = Histogram()
        self.wait_time = Histogram()
        self.use_time = Histogram()

    def photograph(
        self, rosters: Iterable[Roster], config: DatabaseConfig, now: float
    ) -> PoolStats:
        """What is counted, and what is true of all *rosters* together."""
        rosters = list(rosters)
        total = sum(len(roster.drivers) for roster in rosters)
        holders = tuple(holder for roster in rosters for holder in roster.holders())
        return PoolStats(
            size=config.kept,
            max_overflow=config.overflow,
            total=total,
            active=len(holders),
            idle=max(0, total - len(holders)),
            overflow=max(0, total - config.kept),
            waiting=sum(roster.waiting for roster in rosters),
            holders=holders,
            checkouts_total=self.checkouts.value,
            checkouts_per_second=self.recent_checkouts.per_second(now),
            checkins_total=self.checkins.value,
            checkins_per_second=self.recent_checkins.per_second(now),
            created_total=self.created.value,
            closed_total=self.closed.value,
            invalidated_total=self.invalidated.value,
            recycled_total=self.recycled.value,
            timeouts_total=self.timeouts.value,
            response_time=self.response_time.stats(),
            wait_time=self.wait_time.stats(),
            use_time=self.use_time.stats(),
        )


@dataclass(slots=True)
class Holding:
    """One connection out of the pool: whose, taken where, since when."""

    task: str
    where: str
    since: float
    roster: Roster

    def photograph(self, now: float) -> Holder:
        """The holder as others may see it."""
        return Holder(self.task, self.where, now - self.since)


class Roster:
    """One pool's places: who holds one, who waits in line, which connections are open."""

    def __init__(self, places: int, counts: PoolCounts, clock: Clock) -> None:
        self.counts = counts
        self.clock = clock
        self.free = places
        self.waiting = 0
        self.holdings: dict[int, Holding] = {}
        self.drivers: dict[int, object] = {}
        self._line: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a free place; False if there is none, or others were here before."""
        if self.free and not self._line:
            self.free -= 1
            return True
        return False

    def give(self) -> None:
        """Hand a place to the first in line, or leave it free."""
        while self._line:
            first = self._line.popleft()
            if not first.done():
                first.set_result(None)
                return
        self.free += 1

    async def queue(self, timeout: float) -> None:
        """Wait in line for a place. Raises TimeoutError; holds nothing then."""
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            async with asyncio.timeout(timeout):
                await place
        except BaseException:
            # Given and withdrawn in the same instant: the next in line gets it.
            if place.done() and not place.cancelled():
                self.give()
            raise

    def lend(self, since: float) -> Holding:
        """Write down that the running task has a connection now."""
        task = asyncio.current_task()
        holding = Holding(task.get_name() if task else "?", "?", since, self)
        self.holdings[id(holding)] = holding
        self.counts.checkouts.add()
        self.counts.recent_checkouts.add(since)
        return holding

    def take_back(self, holding: Holding) -> None:
        """Strike *holding* and let the next have the place."""
        now = self.clock.monotonic()
        self.holdings.pop(id(holding), None)
        self.counts.checkins.add()
        self.counts.recent_checkins.add(now)
        self.counts.use_time.record(now - holding.since)
        self.give()

    def holders(self) -> tuple[Holder, ...]:
        """Who holds a connection, the oldest first."""
        now = self.clock.monotonic()
        return tuple(holding.photograph(now) for holding in self.holdings.values())


class WatchedPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's async queue pool with our line before it and a name on every loan."""

    def __init__(
        self,
        creator: Callable[[], Any],
        roster: Roster,
        component: str = "database",
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(creator, **kwargs)
        self.roster = roster
        self.component = component

    def recreate(self) -> WatchedPool:
        """The pool itself: disposed of, it is empty, and its places stay counted."""
        return self

    def connect(self) -> PoolProxiedConnection:
        """Lend a connection that answers. Raises PoolExhausted, or what dialing raised."""
        roster = self.roster
        started = roster.clock.monotonic()
        roster.waiting += 1
        try:
            self._take_place()
            loan = self._filled_place()
        finally:
            roster.waiting -= 1
        now = roster.clock.monotonic()
        roster.counts.wait_time.record(now - started)
        cast("dict[str, Any]", loan.record_info)[HOLDING] = roster.lend(now)
        return loan

    def _take_place(self) -> None:
        if self.roster.take():
            return
        try:
            await_(self.roster.queue(self.timeout()))
        except TimeoutError:
            self.roster.counts.timeouts.add()
            holders = self.roster.holders()
            raise PoolExhausted(self.component, self.timeout(), holders) from None

    def _filled_place(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except BaseException:
            self.roster.give()
            raise


def calling_line(function: object = None) -> str:
    """The file and line that called us: the innermost frame outside koo and SQLAlchemy.

    A task that begins with us has no such frame; the line of *function* says more then.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to look up
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module in _LOOPS:
            break
        if not f"{module}.".startswith(_OUR_OWN):
            return _short(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    code = getattr(function, "__code__", None)
    return _short(code.co_filename, code.co_firstlineno) if code else "?"


def _short(path: str, line: int) -> str:
    return f"{'/'.join(path.split('/')[-_SHOWN_PARTS:])}:{line}"
