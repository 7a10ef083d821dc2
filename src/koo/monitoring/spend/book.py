"""What each model of each service cost on each of the last ninety days, in the state file.

    reports --note(), every few seconds--> what came since --write(), in a thread--> archive
                                                     +--days()-------------------------+--> rows

Several processes may share the file: each adds what it has seen. What was seen and not yet
written is lost with the process, a few seconds of history; never of the budget, which has
a memory of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ...resilience import SYSTEM_CLOCK, Clock, Report
from ...stores import Archive
from .meter import Counts, Meter, Place, Spend, day_of

__all__ = ["SpendBook"]

_KEPT_DAYS: Final = 90
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS koo_spend (
    day TEXT NOT NULL, service TEXT NOT NULL, model TEXT NOT NULL,
    answers INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    nanousd INTEGER NOT NULL,
    PRIMARY KEY (day, service, model)
) WITHOUT ROWID;
"""
_ADD: Final = """
INSERT INTO koo_spend VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    answers = answers + excluded.answers,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    nanousd = nanousd + excluded.nanousd
"""
_FORGET: Final = "DELETE FROM koo_spend WHERE day < ?"
_READ: Final = "SELECT * FROM koo_spend WHERE day >= ?"


class SpendBook:
    """The spend of ninety days in an *archive*. *failures_total* counts writes that failed."""

    def __init__(self, archive: Archive, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._archive = archive
        self._clock = clock
        self._meter = Meter()
        self._unwritten: dict[Place, Counts] = {}
        archive.prepare(_SCHEMA)
        self.failures_total = 0

    def note(self, reports: Iterable[Report]) -> None:
        """Take down what has been spent since the last time, as spent today."""
        today = day_of(self._clock.time())
        for service, model, counts in self._meter.read(reports):
            _add(self._unwritten, (today, service, model), counts)

    async def write(self) -> None:
        """Write what was taken down; what can't be written is kept for the next time."""
        rows, self._unwritten = self._unwritten, {}
        if not rows:
            return
        try:
            await self._archive.aside(self._write, rows)
        except Exception:  # noqa: BLE001 - a file that can't be had, or no thread to ask it
            self.failures_total += 1
            for place, counts in rows.items():
                _add(self._unwritten, place, counts)

    async def days(self, most: int = _KEPT_DAYS) -> tuple[Spend, ...]:
        """The spend of today and the days before, *most* days in all, the latest first.

        Raises StoreError while the file can't be read.
        """
        since = day_of(self._clock.time(), most - 1)
        rows = await self._archive.aside(self._read, since)
        for place, counts in self._unwritten.items():
            if place[0] >= since:
                _add(rows, place, counts)
        latest_first = sorted(rows.items(), key=lambda row: (row[0][0], row[1][3]), reverse=True)
        return tuple(_spend(place, counts) for place, counts in latest_first)

    async def keep(self, reports: Callable[[], Iterable[Report]], every: float = 5.0) -> None:
        """Note and write every so many seconds until cancelled, and once more then."""
        try:
            while True:
                self.note(reports())
                await self.write()
                await self._clock.sleep(every)
        finally:
            self.note(reports())
            await self.write()

    def _write(self, rows: Mapping[Place, Counts]) -> None:
        with self._archive.write() as transaction:
            transaction.change_all(_ADD, [(*place, *counts) for place, counts in rows.items()])
            transaction.change(_FORGET, day_of(self._clock.time(), _KEPT_DAYS - 1))

    def _read(self, since: str) -> dict[Place, Counts]:
        rows = self._archive.read(_READ, since)
        return {(day, of, model): (a, b, c, d) for day, of, model, a, b, c, d in rows}


def _add(rows: dict[Place, Counts], place: Place, counts: Counts) -> None:
    before = rows.get(place, (0, 0, 0, 0))
    a, b, c, d = (old + new for old, new in zip(before, counts, strict=True))
    rows[place] = (a, b, c, d)


def _spend(place: Place, counts: Counts) -> Spend:
    (day, service, model), (answers, taken, given, nanousd) = place, counts
    return Spend(
        day=day,
        service=service,
        model=model,
        answers=answers,
        input_tokens=taken,
        output_tokens=given,
        nanousd=nanousd,
    )
