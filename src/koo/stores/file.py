"""One SQLite file, one connection, one transaction at a time.

    closed --begin()--> opened: schema, owner, clock --> [BEGIN IMMEDIATE] --read(), write()
      ^                                                    +-- commit() or rollback()
      +-- close(), or a fork                      any failure: rolled back, StoreError, a rest

After a failure the file rests for a moment, in which everything is refused at once: who
waits for a lock waits with the whole event loop, 50 ms at most, and not for every call.

WAL and synchronous=NORMAL: whatever happens to a process, a committed transaction is
there. A loss of power leaves the file whole, but may take the transactions since the last
checkpoint.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Lock, get_ident
from typing import Final, Protocol, TypeAlias

from ..resilience import Clock
from .failures import DAMAGED, StoreError, explain
from .owners import Owners
from .schema import check_schema, make_file, offset_of_clock

__all__ = ["Debtor", "Row", "StateFile"]

#: What a gate remembers: what changes with each call, and what changes rarely.
Row: TypeAlias = tuple[str, str]

_BUSY_TIMEOUT: Final = 0.05
_REST: Final = 0.25
_LOOK_EVERY: Final = 0.05
_CHECKPOINT_PAGES: Final = 4000
_READ: Final = "SELECT head, body FROM states WHERE name = ?"
_WRITE: Final = (
    "INSERT INTO states (name, moment, head, body) VALUES (?, ?, ?, ?) ON CONFLICT (name)"
    " DO UPDATE SET moment = excluded.moment, head = excluded.head, body = excluded.body"
)
_FAILURES: Final = (sqlite3.Error, OSError, StoreError)
#: Connections of a parent process; closing one here would disturb it there.
_INHERITED: Final[list[sqlite3.Connection]] = []


class Debtor(Protocol):
    """Who still has to write something."""

    def repeat(self) -> None:
        """Try again."""
        ...


class StateFile:
    """The file at *path*. Safe to use from several threads and after a fork.

    *bury* makes, from a row and the owners that died, the row in which they hold nothing;
    *boot* tells one start of the machine from another.
    """

    def __init__(
        self, path: Path, clock: Clock, boot: str, *, bury: Callable[[str, set[str]], str]
    ) -> None:
        self.owners = Owners(path)
        self.debtors: set[Debtor] = set()
        self.serials = count()
        self._path = path
        self._clock = clock
        self._monotonic = clock.monotonic
        self._boot = boot
        self._bury = bury
        self._connection: sqlite3.Connection | None = None
        #: That of the connection, as long as there is one.
        self._cursor: sqlite3.Cursor
        self._inode = 0
        self._look_at = 0.0
        self._offset = 0.0
        self._rests_until = 0.0
        self._cause = ""
        self._lock, self._holder = Lock(), 0
        #: How often it was opened: what was read before the last time says nothing now.
        self.openings_total = 0
        os.register_at_fork(after_in_child=_forgetter(weakref.ref(self)))

    @property
    def retry_after(self) -> float:
        """The seconds until a refused call may find the file in order."""
        left = self._rests_until - self._monotonic()
        return left if left > 0 else _REST

    def now(self) -> float:
        """The store's own time: never runs back, and is the same for all its processes."""
        return self._monotonic() + self._offset

    # -- one at a time ------------------------------------------------------------------------

    def enter(self) -> None:
        """Have the file alone, until :meth:`leave`. StoreError: it is in use, or at rest."""
        if not self._lock.acquire(blocking=False):
            # A finalizer that runs in the midst of a transaction of its own thread must not wait.
            mine = self._holder == get_ident()
            if mine or not self._lock.acquire(timeout=_BUSY_TIMEOUT):
                raise StoreError(f"{self._path.name} is in use")
        self._holder = get_ident()
        if self._rests_until and self._monotonic() < self._rests_until:
            self.leave()
            raise StoreError(self._cause)

    def leave(self) -> None:
        """Let others have it."""
        self._holder = 0
        self._lock.release()

    # -- one transaction ----------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a transaction."""
        try:
            if self._connection is None:
                self._open()
            self._cursor.execute("BEGIN IMMEDIATE")
            if self._monotonic() >= self._look_at:
                self._look_for_file()
        except _FAILURES as error:
            raise self._failed(error) from error

    def read(self, name: str) -> Row | None:
        """The row *name*, in the transaction that has begun."""
        try:
            row: Row | None = self._cursor.execute(_READ, (name,)).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return row

    def peek(self, name: str) -> Row | None:
        """The row *name*, without a transaction."""
        try:
            if self._connection is None:
                self._open()
            self._look_for_file()
        except _FAILURES as error:
            raise self._failed(error) from error
        return self.read(name)

    def write(self, name: str, row: Row) -> None:
        """Write *row* under *name*."""
        try:
            self._cursor.execute(_WRITE, (name, self.now(), *row))
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def commit(self) -> None:
        """End the transaction: what was written is there, whatever happens to the process."""
        try:
            self._cursor.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def rollback(self) -> None:
        """End the transaction, if there is one, as if it had never been."""
        connection = self._connection
        if connection is not None and connection.in_transaction:
            # What can't be rolled back now is rolled back by whoever opens the file next.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    def damaged(self) -> StoreError:
        """What to raise for a row that makes no sense."""
        return self._failed(StoreError(DAMAGED.format(file=self._path.name)))

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.owners.leave()

    def _failed(self, error: sqlite3.Error | OSError | StoreError) -> StoreError:
        failure = explain(error, self._path.name)
        self._cause = failure.cause
        self._rests_until = self._monotonic() + _REST
        return failure

    # -- opening ------------------------------------------------------------------------------

    def _look_for_file(self) -> None:
        """Refuse to write into a file that nobody will find again."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            inode = 0
        if inode != self._inode:
            what = "replaced" if inode else "deleted"
            raise StoreError(f"{self._path.name} was {what}, restart to begin with what is there")
        self._look_at = self._monotonic() + _LOOK_EVERY

    def _open(self) -> None:
        make_file(self._path)
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            check_schema(connection, self._path.name)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._settle_in(connection)
        except BaseException:
            connection.close()
            self.owners.leave()
            raise
        self._inode = self._path.stat().st_ino
        self._connection, self._cursor = connection, connection.cursor()
        self.openings_total += 1

    def _settle_in(self, connection: sqlite3.Connection) -> None:
        """In one transaction, so that nobody sees an owner that holds no lock yet."""
        connection.execute("BEGIN IMMEDIATE")
        dead = set(self.owners.dead())
        self.owners.enter()
        if dead:
            for name, head in connection.execute("SELECT name, head FROM states").fetchall():
                buried = self._bury(head, dead)
                connection.execute("UPDATE states SET head = ? WHERE name = ?", (buried, name))
        self._offset = offset_of_clock(connection, self._clock, self._boot)
        connection.execute("COMMIT")
        for owner in dead:
            self.owners.forget(owner)

    def _forget(self) -> None:
        """In the child after a fork: the connection and the lock are the parent's."""
        if self._connection is not None:
            _INHERITED.append(self._connection)
            self._connection = None
        self.owners.leave()
        self._lock, self._holder = Lock(), 0


def _forgetter(reference: weakref.ref[StateFile]) -> Callable[[], None]:
    def forget() -> None:
        file = reference()
        if file is not None:
            file._forget()  # noqa: SLF001 - its own module

    return forget
