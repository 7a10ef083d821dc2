"""SQLAlchemy's async queue pool, whose callers wait only for the pool.

    _do_get --hot idle connection--> lent                      nothing awaited, nothing sent
       +----else--> in line --a slot--> lent
                       +------an error--> raised               the place was never taken
    _do_return_conn --sound--> the first in line, or idle
       +--------------silent, or perhaps dead, and somebody in line--> verified first
       +--------------condemned--> closed in the background
       +--------------with a statement or a transaction on it--> torn off
       +--------------without a connection (invalidated, detached, collected)--> a free place

Records come dialed and are never lent without a connection, because SQLAlchemy
would dial in the caller. Each way a record can take ends in exactly one
``_do_return_conn``, which is where its place becomes free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

from sqlalchemy import event
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.pool.base import _ConnectionRecord
from sqlalchemy.util import await_

from ...resilience import following
from ..callers import borrowing_line
from ..drivers import abort
from ..drivers.deadlined import Countdown
from ..verdicts import judge
from .counts import Terms
from .keeper import Keeper
from .slots import HOLDING, HOT, Slot, slot_of

__all__ = ["WatchedPool", "doubt_after"]

_INVALIDATED: Final = "invalidated"
_REPLACED: Final = "it was replaced at checkout"
_NOT_OURS: Final = (
    "database: this engine belongs to another event loop;"
    " ask the manager for its engine on each loop that uses it"
)


class _Record(_ConnectionRecord):
    """A record that comes back whatever happens on its way.

    What was set for one transaction (its isolation level, read-only) is taken back there, by
    statements on some databases. The transaction has ended by then, so that it is no error of
    it if they fail: the connection is torn off. So it is when a listener fails, whose error is
    raised.
    """

    __slots__ = ("_lender",)

    def __init__(self, lender: WatchedPool) -> None:
        self._lender = lender
        super().__init__(lender)

    def checkin(self, _fairy_was_created: bool = True) -> None:  # noqa: FBT001, FBT002 - theirs
        if self.finalize_callback:
            self._take_back_in_time(_fairy_was_created)
            return
        try:
            super().checkin(_fairy_was_created)
        except BaseException:
            slot = slot_of(self)
            if slot.since is not None:
                self._lender.take_back(slot)
            raise

    def invalidate(self, e: BaseException | None = None, soft: bool = False) -> None:  # noqa: FBT001, FBT002
        """End its connection; who is cancelled while that is said goodbye to brings it back."""
        try:
            super().invalidate(e, soft)
        except BaseException:
            if self.in_use:
                self.checkin()
            raise

    def _checkin_failed(self, err: BaseException, _fairy_was_created: bool = True) -> None:  # noqa: FBT001, FBT002 - theirs
        try:
            self.invalidate(err)
        finally:
            # One that `invalidate` has brought back would come back twice.
            if self.in_use or not _fairy_was_created:
                self.checkin(_fairy_was_created)

    def _take_back_in_time(self, _fairy_was_created: bool) -> None:  # noqa: FBT001
        slot, lender = slot_of(self), self._lender
        countdown = Countdown(lender.keeper.terms.config.attempt_timeout, slot.driver)
        try:
            super().checkin(_fairy_was_created)
        except BaseException as error:
            lender.take_back(slot)
            if not isinstance(error, Exception):
                raise
        finally:
            countdown.stop()


class WatchedPool(AsyncAdaptedQueuePool):
    """A pool that is kept by its :class:`Keeper`; of SQLAlchemy's own queue nothing is used."""

    def __init__(
        self,
        creator: Callable[[], Any],
        terms: Terms,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(creator, **kwargs)
        self.keeper = Keeper(self, terms)
        self._counts = terms.counts
        self._places = self.keeper.places
        self._growth = self.keeper.growth
        self._now = terms.clock.monotonic
        self._loop = self.keeper.loop
        _listen(self, self.keeper)

    @property
    def dialect(self) -> Dialect:
        """What the connections are spoken to with."""
        return self._dialect  # type: ignore[return-value]

    def open_record(self) -> ConnectionPoolEntry:
        """A new connection in SQLAlchemy's record of it; inside of a greenlet."""
        return _Record(self)

    # -- what SQLAlchemy calls --------------------------------------------------------

    def _do_get(self) -> ConnectionPoolEntry:
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(_NOT_OURS)
        now = self._now()
        slot = self._places.borrow()
        if slot is None or now - slot.heard >= HOT or slot.alarm():
            return self._from_the_line(slot, now)
        slot.lend(asyncio.current_task(self._loop), now, borrowing_line())
        self._counts.checkouts.add(now)
        return slot.record

    def _from_the_line(self, borrowed: Slot | None, since: float) -> ConnectionPoolEntry:
        keeper = self.keeper
        if borrowed is not None:
            keeper.doubt(borrowed, since)
        waiter = keeper.queue.enqueue(since)
        try:
            with following("checkout", "database"):
                answer = await_(waiter.answer)
        except BaseException as ended:
            keeper.queue.withdraw(waiter, ended)
            self._counts.waited_in_vain(self._now() - since)
            raise
        now = self._now()
        if isinstance(answer, Slot):
            self._counts.waited(now, now - since)
            return answer.record
        self._counts.waited_in_vain(now - since)
        raise answer

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        now = self._now()
        slot = slot_of(record)
        used = slot.come_back(now)
        self._counts.returned(now, used)
        if record.dbapi_connection is not slot.connection:
            self._changed(record, slot)
        elif slot.is_unfinished():
            self._left_behind(slot)
        else:
            self._growth.held(used)
            self.keeper.give_on(slot, now)

    def take_back(self, slot: Slot) -> None:
        """End a loan whose connection can't be brought into order for the next."""
        self._counts.returned(self._now(), slot.come_back(self._now()))
        self._left_behind(slot)

    def _left_behind(self, slot: Slot) -> None:
        # Two tasks had one session, or the server would not begin: the next would suffer for it.
        slot.condemned = slot.condemned or "it came back unfinished"
        abort(slot.driver)
        self.keeper.close_lent(slot)

    def _changed(self, record: ConnectionPoolEntry, slot: Slot) -> None:
        if record.dbapi_connection is not None:
            # A listener of somebody else's found it bad, and SQLAlchemy dialed within the caller.
            slot.connection = record.dbapi_connection
            slot.driver = record.driver_connection
            self._counts.closed.add()
            self._counts.created.add()
            slot.condemned = _REPLACED
            self.keeper.tell("opened", _REPLACED)
            self.keeper.close_lent(slot)
            return
        # Perhaps out of the garbage collection, on whatever thread and in the middle of anything.
        with suppress(RuntimeError):
            self.keeper.loop.call_soon_threadsafe(self._gone, slot)

    def _gone(self, slot: Slot) -> None:
        if slot in self.keeper.slots and slot.condemned != _INVALIDATED:
            self.keeper.tell("closed", slot.condemned or "it was detached, or forgotten")
        self.keeper.lost(slot)

    def _invalidate(
        self,
        connection: PoolProxiedConnection,
        exception: BaseException | None = None,
        _checkin: bool = True,  # noqa: FBT001, FBT002 - SQLAlchemy's own signature
    ) -> None:
        self.keeper.condemn_all(type(exception).__name__ if exception else "invalidated")
        if _checkin and getattr(connection, "is_valid", False):
            connection.invalidate(exception)

    def recreate(self) -> WatchedPool:
        """The pool itself: disposed of, it is empty, and its places stay counted."""
        return self

    def dispose(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        await_(self.keeper.dispose())

    # -- what SQLAlchemy's status() asks ------------------------------------------------

    def size(self) -> int:
        """How many connections are kept."""
        return self._growth.kept

    def checkedin(self) -> int:
        """How many connections are idle."""
        return len(self._places.idle)

    def checkedout(self) -> int:
        """How many connections are lent."""
        return self._places.lent

    def overflow(self) -> int:
        """How many connections are open beyond those that are kept; negative below."""
        return self.keeper.total - self.size()


def doubt_after(context: ExceptionContext) -> None:
    """Ask a connection before it is lent again when its server may be going; a listener.

    A server that shuts down says so in an error, a moment before it closes the socket.
    """
    error, connection = context.sqlalchemy_exception, context.connection
    if error is None or connection is None or connection.closed or connection.invalidated:
        return
    # One that is still being prepared has no slot yet, and is not lent if that fails.
    slot = cast("dict[str, Any]", connection.connection.record_info).get(HOLDING)
    if slot is not None and judge(error).failure.trips:
        slot.is_doubtful = True


def _listen(pool: WatchedPool, keeper: Keeper) -> None:
    counts = keeper.terms.counts

    def invalidated(
        _connection: object, record: ConnectionPoolEntry, error: BaseException | None
    ) -> None:
        counts.invalidated.add()
        condemned(_connection, record, error)
        if slot_of(record).is_taken_back:
            # It was told when the pool tore it off itself, which says nothing of the server.
            return
        keeper.tell("invalidated", type(error).__name__ if error else "by hand")
        if error is None or isinstance(error, Exception):
            # Who was cancelled has gone by itself.
            keeper.doubt_all()

    def condemned(_connection: object, record: ConnectionPoolEntry, _error: object) -> None:
        slot_of(record).condemned = _INVALIDATED

    event.listen(pool, "invalidate", invalidated)
    event.listen(pool, "soft_invalidate", condemned)
