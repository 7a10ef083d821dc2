"""Tables of their own in the state file, for what is written rarely and read by people.

    gates     one connection, on the event loop, microseconds: file.py
    records   opened anew for every use, in a thread of their own, may block: here

The file is the same, so there is one to keep and one to copy. What is written here is
small and is committed without waiting for the disk, so that the gates, which wait for 50 ms
at most, never find it locked for that long.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from ..resilience import SYSTEM_CLOCK, Clock
from .failures import StoreError, explain
from .schema import check_schema, make_file

__all__ = ["Archive", "MemoryArchive"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_PATIENCE: Final = 5.0
#: How long who ends waits for another program's lock, and how often everybody looks up from it.
_HASTE: Final = 0.1
_THREADS: Final = 4
#: For how long a failure is worth a word, if nothing of its kind was tried again.
_RECENT: Final = 60.0
_FAILURES: Final = (sqlite3.Error, OSError, StoreError)


class Archive:
    """Records in the state file at *path*, made if it is missing; several processes may share it.

    Every use may block: call from a thread, best by :meth:`aside`. Raises StoreError, with a
    sentence.
    """

    def __init__(self, path: Path, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._path = path
        self._clock = clock
        self._threads = ThreadPoolExecutor(_THREADS, "koo-archive")
        self._hurries = False
        self._schemas: dict[str, None] = {}
        self._failures: dict[str, tuple[float, str]] = {}
        self._made = 0

    def __repr__(self) -> str:
        return f"Archive({str(self._path)!r})"

    @property
    def trouble(self) -> str | None:
        """Why reading or writing failed in the last minute, if it has not gone well since."""
        since = self._clock.monotonic() - _RECENT
        causes = [cause for at, cause in tuple(self._failures.values()) if at > since]
        return causes[-1] if causes else None

    def prepare(self, schema: str) -> None:
        """Have the tables of *schema* made where they are missing, before the next use."""
        self._schemas[schema] = None

    async def aside(self, work: Callable[_P, _T], /, *terms: _P.args, **options: _P.kwargs) -> _T:
        """What *work* gives, done in a thread of the archive.

        A locked file must not keep the loop's own threads from looking up names, nor they it.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *terms, **options))

    def hurry(self) -> None:
        """From now on hardly wait for a lock of another program: the process is about to end."""
        self._hurries = True

    def take_time(self) -> None:
        """From now on wait as long as ever: the process begins, or begins once more."""
        self._hurries = False

    def read(self, statement: str, *terms: object) -> list[tuple[Any, ...]]:
        """The rows that *statement* finds."""
        with self._noted("read"), self._connected() as connection:
            return self._patiently(lambda: connection.execute(statement, terms).fetchall())

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction: all that is done inside, or nothing if it raises."""
        with self._noted("write"), self._connected() as connection:
            self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
            yield Transaction(connection)
            connection.execute("COMMIT")

    def change(self, statement: str, *terms: object) -> int:
        """Do one *statement*; how many rows it changed."""
        with self.write() as transaction:
            return transaction.change(statement, *terms)

    @contextmanager
    def _noted(self, use: str) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self._failures[use] = (self._clock.monotonic(), error.cause)
            raise
        self._failures.pop(use, None)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            make_file(self._path)
            with closing(
                sqlite3.connect(self._path, timeout=_HASTE, isolation_level=None)
            ) as connection:
                self._patiently(lambda: self._make_ready(connection))
                yield connection
        except _FAILURES as error:
            # It may be another file by now: deleted, or brought back from a copy.
            self._made = 0
            raise explain(error, self._path.name) from error

    def _make_ready(self, connection: sqlite3.Connection) -> None:
        connection.rollback()  # What an attempt began that met a lock.
        connection.execute("PRAGMA synchronous = NORMAL")
        self._make_tables(connection)

    def _patiently(self, work: Callable[[], _T]) -> _T:
        until = self._clock.monotonic() + _PATIENCE
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                if not _is_locked(error) or self._hurries or self._clock.monotonic() >= until:
                    raise

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        if self._made == len(self._schemas):
            return
        schemas = tuple(self._schemas)
        check_schema(connection, self._path.name)
        for schema in schemas:
            connection.executescript(schema)
        self._made = len(schemas)


class MemoryArchive(Archive):
    """An archive that ends with its process, for while the file can't be had."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )
        weakref.finalize(self, self._connection.close)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._make_tables(self._connection)
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


class Transaction:
    """What can be done in one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, statement: str, *terms: object) -> list[tuple[Any, ...]]:
        """The rows that *statement* finds."""
        return self._connection.execute(statement, terms).fetchall()

    def change(self, statement: str, *terms: object) -> int:
        """Do *statement*; how many rows it changed."""
        return self._connection.execute(statement, terms).rowcount

    def change_all(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Do *statement* once for each of *rows*."""
        self._connection.executemany(statement, rows)
