"""What people muted, in an archive: a silence is still one after a restart, and in every process.

silence(), lift(), acknowledge() --in a thread--> archive --> mutes(), at hand for every look
                                    follow() --every few seconds--^
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import astuple
from typing import Final

from ...resilience import SYSTEM_CLOCK, Clock
from ...stores import Archive
from .mutes import Acknowledgement, Mutes, Silence

__all__ = ["MuteBook"]

_EVERY: Final = 2.0
_ACKNOWLEDGED_KEPT: Final = 1000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS koo_silences (
    id TEXT PRIMARY KEY, component TEXT NOT NULL, rule TEXT NOT NULL,
    starts REAL NOT NULL, ends REAL NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS koo_acknowledgements (
    alert TEXT NOT NULL, at REAL NOT NULL, actor TEXT NOT NULL, reason TEXT,
    PRIMARY KEY (alert, at)
);
"""
_FORGET_OLDEST: Final = """
DELETE FROM koo_acknowledgements WHERE rowid NOT IN
    (SELECT rowid FROM koo_acknowledgements ORDER BY rowid DESC LIMIT ?)
"""


class MuteBook:
    """Silences and acknowledgements, kept in an *archive*; :meth:`follow` knows those of others.

    What changes or asks the archive raises StoreError.
    """

    def __init__(self, archive: Archive, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._archive = archive
        self._clock = clock
        self._mutes = Mutes()
        self._reads = self._read_last = 0
        archive.prepare(_SCHEMA)

    def mutes(self) -> Mutes:
        """What is muted, as last known. Only looks."""
        return self._mutes

    async def open(self) -> None:
        """Know what was muted before."""
        await self._read()

    async def follow(self) -> None:
        """Know what is muted here and by other processes of the file, until cancelled."""
        while True:
            # While the file can't be had, or no thread, what was known still holds.
            with suppress(Exception):
                await self._read()
            await self._clock.sleep(_EVERY)

    async def silence(self, silence: Silence) -> None:
        """Begin a silence, or change the one with its id; what is over is forgotten."""
        statement = "INSERT OR REPLACE INTO koo_silences VALUES (?, ?, ?, ?, ?, ?, ?)"
        await self._change("DELETE FROM koo_silences WHERE ends <= ?", self._clock.time())
        await self._change(statement, *astuple(silence))

    async def lift(self, identity: str) -> Silence | None:
        """End the silence called so, whoever began it; None if there is none."""
        await self._read()
        known = next((one for one in self._mutes.silences if one.id == identity), None)
        await self._change("DELETE FROM koo_silences WHERE id = ?", identity)
        return known

    async def acknowledge(self, seen: Acknowledgement) -> None:
        """Remind nobody of this incident; of a thousand the oldest is forgotten."""
        statement = "INSERT OR REPLACE INTO koo_acknowledgements VALUES (?, ?, ?, ?)"
        await self._change(statement, *astuple(seen))
        await self._change(_FORGET_OLDEST, _ACKNOWLEDGED_KEPT)

    async def _change(self, statement: str, *terms: object) -> None:
        await self._archive.aside(self._archive.change, statement, *terms)
        await self._read()

    async def _read(self) -> None:
        self._reads += 1
        mine = self._reads
        found = await self._archive.aside(self._found)
        # One that began before a change may end after it.
        if mine > self._read_last:
            self._read_last, self._mutes = mine, found

    def _found(self) -> Mutes:
        silences = self._archive.read(
            "SELECT * FROM koo_silences WHERE ends > ? ORDER BY starts, id", self._clock.time()
        )
        seen = self._archive.read("SELECT * FROM koo_acknowledgements ORDER BY rowid")
        return Mutes(
            tuple(_silence(*row) for row in silences), tuple(_acknowledgement(*row) for row in seen)
        )


def _silence(identity: str, component: str, rule: str, *terms: object) -> Silence:
    fields = dict(zip(("starts", "ends", "actor", "reason"), terms, strict=True))
    return Silence(id=identity, component=component, rule=rule, **fields)  # type: ignore[arg-type]


def _acknowledgement(alert: str, at: float, actor: str, reason: str | None) -> Acknowledgement:
    return Acknowledgement(id=alert, at=at, actor=actor, reason=reason)
