"""What the file holds: one row for each gate, and the store's clock.

    states (name, moment, head, body)   head: what changes with each call, as JSON
                                        body: what changes when a bucket ends, as JSON
    clock  (boot, ahead)                store time - monotonic time, during one boot

The monotonic clock is the same for all processes of a machine until it boots again, and
no correction of the wall clock moves it. After a boot the store's time goes on from the
wall clock, or from the last moment that was written if the wall clock is behind it.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from ..resilience import Clock
from .failures import StoreError

__all__ = ["SCHEMA_VERSION", "boot_of_machine", "check_schema", "make_file", "offset_of_clock"]

SCHEMA_VERSION: Final = 1
#: "koo" and a zero byte: a mark in the head of the file.
_APPLICATION: Final = 0x6B6F6F00
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_STATES: Final = (
    "CREATE TABLE states (name TEXT PRIMARY KEY, moment REAL NOT NULL, head TEXT NOT NULL,"
    " body TEXT NOT NULL)"
)
_TABLES: Final = (
    _STATES,
    "CREATE TABLE clock (boot TEXT NOT NULL, ahead REAL NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def boot_of_machine(path: Path = _BOOT) -> str:
    """What tells this start of the machine from others; empty where nobody says."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def make_file(path: Path) -> None:
    """Make the file if it is missing: whole before anybody sees it, by one of all who try."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}-new-{secrets.token_hex(6)}")
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            check_schema(connection, path.name)
        # Where a folder knows no links, who opens the file makes the tables.
        with suppress(OSError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def check_schema(connection: sqlite3.Connection, file: str) -> None:
    """Make the tables in an empty file; StoreError if it belongs to others, or to a newer koo."""
    # A row fits into a small page, and every transaction writes a whole one.
    connection.execute("PRAGMA page_size = 1024")
    connection.execute("BEGIN IMMEDIATE")
    if not _is_ours(connection, file):
        for statement in _TABLES:
            connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")


def offset_of_clock(connection: sqlite3.Connection, clock: Clock, boot: str) -> float:
    """How far the store's time is ahead of *clock*'s monotonic time, during this *boot*."""
    known = connection.execute("SELECT boot, ahead FROM clock").fetchone()
    (last,) = connection.execute("SELECT max(moment) FROM states").fetchone()
    now, last = clock.monotonic(), last or 0.0
    # Without a name for the boot, time that ran back betrays it.
    if known is not None and known[0] == boot and now + known[1] >= last:
        return float(known[1])
    ahead = max(clock.time(), last) - now
    connection.execute("DELETE FROM clock")
    connection.execute("INSERT INTO clock VALUES (?, ?)", (boot, ahead))
    return ahead


def _is_ours(connection: sqlite3.Connection, file: str) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == _APPLICATION:
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{file} has schema version {version}, newer than this program's"
                f" {SCHEMA_VERSION}, update the program or choose another file"
            )
        return True
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application or version or tables:
        raise StoreError(f"{file} belongs to another program, choose another name")
    return False
