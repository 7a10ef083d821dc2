"""One connection's life in the pool, where it comes from, and one who waits for one."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy.engine import Dialect
from sqlalchemy.pool import ConnectionPoolEntry, ManagesConnection, PoolProxiedConnection

from ...resilience import Holder
from ..callers import CallingLine, present_line
from ..drivers import abort
from ..drivers.liveness import alarm_of, is_dead, unfinished_of

if TYPE_CHECKING:
    from ..scope import Scope

__all__ = [
    "HOLDING",
    "HOT",
    "NEVER",
    "OUTDATED",
    "Slot",
    "Source",
    "Waiter",
    "photograph_lent",
    "slot_if_any",
    "slot_of",
]

#: The key under which SQLAlchemy's record remembers its slot.
HOLDING: Final = "koo.holding"
#: The key under which a record of a new connection has what tells whether others log in by now.
OUTDATED: Final = "koo.outdated"

#: How long after the server was last heard a connection is lent without asking (seconds).
HOT: Final = 1.0

#: The moment of what does not happen.
NEVER: Final = float("inf")


class Source(Protocol):
    """Where connections come from, and what they are spoken to with."""

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect."""
        ...

    def open_record(self) -> ConnectionPoolEntry:
        """A new connection, in SQLAlchemy's record of it; called inside of a greenlet."""
        ...


class Slot:
    """One connection: when it was heard last, and, while it is lent, who has it.

    *scope* is the transaction that has it, None for a borrower without one, whose line *where* is.
    *condemned* says why it is closed instead of being lent again; one that
    *is_doubtful* is asked before, and one that *is_unfinished* when it comes back is torn off.
    *heard* is when the server answered last, *asked* since when another answer is waited for.
    *is_taken_back*: the pool tore it off under its borrower.
    *quickest* is how soon the server has answered at best.
    """

    __slots__ = (
        "alarm",
        "asked",
        "born",
        "condemned",
        "connection",
        "driver",
        "expires",
        "heard",
        "idle_since",
        "is_doubtful",
        "is_reported",
        "is_taken_back",
        "is_unfinished",
        "quickest",
        "record",
        "scope",
        "since",
        "task",
        "where",
    )

    def __init__(self, record: ConnectionPoolEntry, now: float) -> None:
        self.record = record
        self.born = self.heard = self.idle_since = now
        self.expires = self.asked = NEVER
        self.since: float | None = None
        self.task: asyncio.Task[Any] | None = None
        self.scope: Scope | None = None
        self.where: CallingLine | None = None
        self.condemned: str | None = None
        self.quickest = float("inf")
        self.is_doubtful = self.is_reported = self.is_taken_back = False
        self.connection = record.dbapi_connection
        self.driver = record.driver_connection
        self.alarm = alarm_of(self.driver)
        self.is_unfinished = unfinished_of(self.connection, self.driver)
        record.record_info[HOLDING] = self  # type: ignore[index]

    def lend(
        self, task: asyncio.Task[Any] | None, now: float, where: CallingLine | None = None
    ) -> None:
        """*task* has it now, and asked for it at *where*, as far as is known."""
        self.task = task
        self.where = where
        self.since = now

    def hear(self, now: float, taken: float) -> None:
        """The server has answered, after *taken* seconds."""
        self.heard = now
        self.quickest = min(self.quickest, taken)

    def come_back(self, now: float) -> float:
        """Nobody has it now; how long it was held."""
        used = 0.0 if self.since is None else now - self.since
        if self.is_doubtful:
            self.heard = min(self.heard, now - 2 * HOT)
            self.is_doubtful = False
        self.idle_since = now
        self.since = self.task = self.where = self.scope = None
        self.is_reported = False
        return used

    def take_back(self, cause: str) -> None:
        """Tear it off under whoever has it."""
        self.condemned = cause
        self.is_taken_back = True
        abort(self.driver)

    def is_hot(self, now: float) -> bool:
        """Whether it can be lent without asking the server."""
        return now - self.heard < HOT and not self.alarm()

    def is_dead(self) -> bool:
        """Whether it is known to be gone, without asking."""
        return is_dead(self.alarm)

    def may_come_back(self, now: float, *, within: float, silence: float) -> bool:
        """Whether who has it may give it back for others to use.

        Nobody does who has had it for longer than *within*, or has waited for an answer on it for
        longer than *silence*, or whose socket was closed.
        """
        return (
            self.since is not None
            and self.condemned is None
            and now - self.since < within
            and now - self.asked < silence
            and not self.is_dead()
        )

    def photograph(self, now: float) -> Holder:
        """Who has it, as others may see it."""
        # Read once: another thread may look while it comes back.
        task = self.task
        where = self._taken_at or (task and present_line(task)) or "?"
        return Holder(task.get_name() if task else "?", str(where), self.age(now))

    def place_of(self, holder: Holder) -> str:
        """Where *holder*, a photograph of this, took it; else, where it was when that was made."""
        return f"{'at' if self._taken_at else 'and is now at'} {holder.where}"

    @property
    def _taken_at(self) -> CallingLine | str | None:
        scope = self.scope
        return (scope and scope.where) or self.where

    def age(self, now: float) -> float:
        """For how long it has been lent; 0 when it is not."""
        since = self.since
        return 0.0 if since is None else now - since


class Waiter:
    """Somebody in line, from *since* until *deadline*; *answer* gets a slot or an error.

    *where* is the line that asked, as far as is known.
    """

    __slots__ = ("answer", "deadline", "since", "task", "where")

    def __init__(
        self,
        answer: asyncio.Future[Slot | BaseException],
        task: asyncio.Task[Any] | None,
        since: float,
        deadline: float,
    ) -> None:
        self.answer = answer
        self.task = task
        self.since = since
        self.deadline = deadline
        self.where: CallingLine | None = None


def photograph_lent(slots: set[Slot], now: float) -> tuple[Holder, ...]:
    """Who holds one of *slots*, the oldest first."""
    # A copy, because monitoring may ask from another thread.
    held = [(since, slot) for slot in slots.copy() if (since := slot.since) is not None]
    held.sort(key=itemgetter(0))
    return tuple(slot.photograph(now) for _, slot in held)


def slot_of(found: ManagesConnection) -> Slot:
    """The slot of SQLAlchemy's record of a connection, or of what stands for it while lent."""
    return found.record_info[HOLDING]  # type: ignore[index, no-any-return]


def slot_if_any(connection: PoolProxiedConnection) -> Slot | None:
    """The slot of *connection*; one that is being opened or was detached has none."""
    return (connection.record_info or {}).get(HOLDING)
