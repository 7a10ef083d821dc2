"""The SQLite file that outlives the process; opened anew for every use, from any thread.

Every use may block: call from a thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

__all__ = ["StateFile"]

_PATIENCE: Final = 5.0


class StateFile:
    """The file at *path*, which is made if it is not there; several processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self, schema: str) -> None:
        """Make the tables of *schema* where they are missing."""
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(schema)

    def read(self, statement: str, *terms: object) -> list[tuple[Any, ...]]:
        """The rows that *statement* finds."""
        with closing(self._connect()) as connection:
            return connection.execute(statement, terms).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is done inside, or nothing if it raises."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def change(self, statement: str, *terms: object) -> int:
        """Do one *statement*; how many rows it changed."""
        with self.write() as connection:
            return connection.execute(statement, terms).rowcount

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
