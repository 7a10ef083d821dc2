"""Tables of their own in the state file, for what is written rarely and read by people.

    gates     one connection, on the event loop, microseconds: file.py
    records   opened anew for every use, in a thread, may block: here

The file is the same, so there is one to keep and one to copy. What is written here is
small and is committed without waiting for the disk, so that the gates, which wait for 50 ms
at most, never find it locked for that long.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from .failures import StoreError, explain
from .schema import check_schema, make_file

__all__ = ["Archive"]

_PATIENCE: Final = 5.0
_FAILURES: Final = (sqlite3.Error, OSError, StoreError)


class Archive:
    """Records in the state file at *path*, made if it is missing; several processes may share it.

    Every use may block: call from a thread. Raises StoreError, with a sentence.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._schemas: dict[str, None] = {}
        self._made = 0

    def __repr__(self) -> str:
        return f"Archive({str(self._path)!r})"

    def prepare(self, schema: str) -> None:
        """Have the tables of *schema* made where they are missing, before the next use."""
        self._schemas[schema] = None

    def read(self, statement: str, *terms: object) -> list[tuple[Any, ...]]:
        """The rows that *statement* finds."""
        with self._connected() as connection:
            return connection.execute(statement, terms).fetchall()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction: all that is done inside, or nothing if it raises."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield Transaction(connection)
            connection.execute("COMMIT")

    def change(self, statement: str, *terms: object) -> int:
        """Do one *statement*; how many rows it changed."""
        with self.write() as transaction:
            return transaction.change(statement, *terms)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            make_file(self._path)
            with closing(
                sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA synchronous = NORMAL")
                self._make_tables(connection)
                yield connection
        except _FAILURES as error:
            # It may be another file by now: deleted, or brought back from a copy.
            self._made = 0
            raise explain(error, self._path.name) from error

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        if self._made == len(self._schemas):
            return
        schemas = tuple(self._schemas)
        check_schema(connection, self._path.name)
        for schema in schemas:
            connection.executescript(schema)
        self._made = len(schemas)


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
