"""What people muted, in the SQLite file: a silence is still one after a restart.

silence(), lift(), acknowledge() --in a thread--> file --> mutes(), at hand for every look
"""

from __future__ import annotations

import asyncio
from dataclasses import astuple
from pathlib import Path
from typing import Final

from ...resilience import SYSTEM_CLOCK, Clock
from .mutes import Acknowledgement, Mutes, Silence
from .statefile import StateFile

__all__ = ["MuteBook"]

_ACKNOWLEDGED_KEPT: Final = 1000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS koo_silences (
    id TEXT PRIMARY KEY, component TEXT NOT NULL, rule TEXT NOT NULL,
    starts REAL NOT NULL, ends REAL NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS koo_acknowledgements (
    alert TEXT NOT NULL, since REAL NOT NULL, actor TEXT NOT NULL, reason TEXT,
    PRIMARY KEY (alert, since)
);
"""


class MuteBook:
    """Silences and acknowledgements, kept in the SQLite file at *path*; open it first."""

    def __init__(self, path: Path, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._file = StateFile(path)
        self._clock = clock
        self._mutes = Mutes()

    def mutes(self) -> Mutes:
        """What is muted, as of the last change. Only looks."""
        return self._mutes

    async def open(self) -> None:
        """Know what was muted before."""
        await asyncio.to_thread(self._file.prepare, _SCHEMA)
        await self._read()

    async def silence(self, silence: Silence) -> None:
        """Begin a silence, or change the one with its id."""
        statement = "INSERT OR REPLACE INTO koo_silences VALUES (?, ?, ?, ?, ?, ?, ?)"
        await asyncio.to_thread(self._file.change, statement, *astuple(silence))
        await self._read()

    async def lift(self, identity: str) -> bool:
        """End the silence called so; False if there is none."""
        statement = "DELETE FROM koo_silences WHERE id = ?"
        lifted = await asyncio.to_thread(self._file.change, statement, identity)
        await self._read()
        return lifted > 0

    async def acknowledge(self, seen: Acknowledgement) -> None:
        """Remind nobody of this incident; of a thousand the oldest is forgotten."""
        statement = "INSERT OR REPLACE INTO koo_acknowledgements VALUES (?, ?, ?, ?)"
        await asyncio.to_thread(self._file.change, statement, *astuple(seen))
        await self._read()

    async def _read(self) -> None:
        self._mutes = await asyncio.to_thread(self._found)

    def _found(self) -> Mutes:
        with self._file.write() as connection:
            connection.execute("DELETE FROM koo_silences WHERE ends <= ?", (self._clock.time(),))
            connection.execute(
                "DELETE FROM koo_acknowledgements WHERE rowid NOT IN (SELECT rowid"
                " FROM koo_acknowledgements ORDER BY rowid DESC LIMIT ?)",
                (_ACKNOWLEDGED_KEPT,),
            )
            silences = connection.execute("SELECT * FROM koo_silences ORDER BY starts, id")
            seen = connection.execute("SELECT * FROM koo_acknowledgements ORDER BY rowid")
            return Mutes(
                tuple(_silence(*row) for row in silences),
                tuple(_acknowledgement(*row) for row in seen),
            )


def _silence(identity: str, component: str, rule: str, *terms: object) -> Silence:
    fields = dict(zip(("starts", "ends", "actor", "reason"), terms, strict=True))
    return Silence(id=identity, component=component, rule=rule, **fields)  # type: ignore[arg-type]


def _acknowledgement(alert: str, since: float, actor: str, reason: str | None) -> Acknowledgement:
    return Acknowledgement(id=alert, since=since, actor=actor, reason=reason)
