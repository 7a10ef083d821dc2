"""Messages on their way, in an archive: what was decided to be told outlives a crash.

    post() ---> waiting --claim()--> claimed, until the lease ends --settle()--> gone
                   ^                     |          |        +-----bury()------> dead, kept
                   +----(lease ends)-----+          |
                   +----(due later)-------postpone()+

One transaction writes the messages and what was told by them, so a crash before it
loses nothing (it is decided again) and one after it loses nothing (it is sent). A
crash between claim and settlement sends twice: at least once is what is promised.
What another version wrote is read as far as it is known; a letter that can't be read is dead.
Of one group to one channel only the oldest is on its way, so an end never
overtakes its beginning. Times are epoch seconds: they outlive the process. Every
call opens the file anew and may block: call from a thread.

    couriers of several processes, first come first:  [leads]  [follows]  [follows]
    every second each says what it sees --attend()--> who leads, and what the others see

Only who leads decides, about what all of them see. Who has not attended for a while is
taken off the list; who comes back is its last, and knows that it leads no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Final

from ...stores import Archive
from ..alerts import Alert, AlertState, Now, Severity
from .routing import Book, Group, Message

__all__ = ["Attendance", "Letter", "Outbox", "OutboxStats"]

_DEAD_KEPT: Final = 1000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS koo_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    topic TEXT NOT NULL,
    body TEXT NOT NULL,
    posted REAL NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    dead INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS koo_letters_on_their_way
    ON koo_letters (channel, topic, id) WHERE NOT dead;
CREATE TABLE IF NOT EXISTS koo_told (
    topic TEXT PRIMARY KEY, due REAL NOT NULL, sent REAL, alerts TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS koo_couriers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE, seen REAL NOT NULL, standing TEXT NOT NULL
);
"""
#: A clock that was set back must not keep the dead on the list.
_MISS: Final = "DELETE FROM koo_couriers WHERE abs(seen - ?) > ?"
_ATTEND: Final = """
INSERT INTO koo_couriers (name, seen, standing) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET seen = excluded.seen, standing = excluded.standing
"""
_COURIERS: Final = "SELECT name, standing FROM koo_couriers ORDER BY id"
_CLAIM: Final = """
UPDATE koo_letters SET due = ?, attempts = attempts + 1 WHERE id = (
    SELECT min(id) FROM koo_letters AS one
    WHERE channel = ? AND NOT dead AND (due <= ? OR due > ?) AND NOT EXISTS (
        SELECT 1 FROM koo_letters AS older
        WHERE older.channel = one.channel AND older.topic = one.topic
        AND NOT older.dead AND older.id < one.id
    )
) RETURNING id, channel, body, posted, attempts
"""


_FIELDS: Final = frozenset(field.name for field in fields(Alert))
_UNREADABLE: Final = (KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Letter:
    """A *message* for one channel, claimed for attempt number *attempt*."""

    id: int
    channel: str
    message: Message
    posted: float
    attempt: int


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """How many letters wait and since when the oldest does, and how many were given up."""

    waiting: int
    oldest: float | None
    dead: int


@dataclass(frozen=True, slots=True)
class Attendance:
    """Whether a courier *leads*, and what stands *elsewhere*, in the others' processes."""

    leads: bool
    elsewhere: tuple[Alert, ...]


class Outbox:
    """The letters in an *archive*, and the couriers that share it."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.aside = archive.aside
        archive.prepare(_SCHEMA)

    def attend(
        self, courier: str, standing: Iterable[Alert], now: float, absence: float
    ) -> Attendance:
        """Say that *courier* is here and what it sees *standing*; who leads, and what others see.

        Who has not attended for *absence* seconds is taken off the list.
        """
        with self._archive.write() as transaction:
            transaction.change(_MISS, now, absence)
            transaction.change(_ATTEND, courier, now, _listed(standing))
            (first, _), *_ = rows = transaction.read(_COURIERS)
        others = [seen for name, seen in rows if name != courier]
        return Attendance(first == courier, tuple(one for it in others for one in _alerts(it)))

    def standing(self) -> tuple[Alert, ...]:
        """What all couriers on the list see, each alert as often as it is seen."""
        rows = self._archive.read(_COURIERS)
        return tuple(alert for _, seen in rows for alert in _alerts(seen))

    def leave(self, courier: str) -> None:
        """Take *courier* off the list: the next one leads at once."""
        self._archive.change("DELETE FROM koo_couriers WHERE name = ?", courier)

    def post(
        self,
        channels: Iterable[str],
        messages: Iterable[Message],
        book: Book,
        now: Now,
        *,
        courier: str,
    ) -> bool:
        """Write *messages* for each of *channels*, and what is told once they are sent.

        False, and nothing is written, if another *courier* leads by now.
        """
        letters = [
            (channel, message.group, _packed(message), now.wall, now.wall)
            for message in messages
            for channel in channels
        ]
        told = [(name, *_told(group, now)) for name, group in book.groups.items() if group.told]
        with self._archive.write() as transaction:
            (first, _), *_ = transaction.read(_COURIERS) or [(courier, "")]
            if first != courier:
                return False
            transaction.change_all(
                "INSERT INTO koo_letters (channel, topic, body, posted, due)"
                " VALUES (?, ?, ?, ?, ?)",
                letters,
            )
            transaction.change("DELETE FROM koo_told")
            transaction.change_all("INSERT INTO koo_told VALUES (?, ?, ?, ?)", told)
        return True

    def book(self, now: Now, ends_from: float) -> Book:
        """What was told until the last :meth:`post`; nothing is over before *ends_from*.

        The wall clock may have been set since then: nobody waits for longer than that.
        """
        rows = self._archive.read("SELECT topic, due, sent, alerts FROM koo_told")
        shift = now.monotonic - now.wall
        groups = {
            topic: Group(
                due=min(due + shift, ends_from),
                told=MappingProxyType({one.id: one for one in _alerts(alerts)}),
                sent=None if sent is None else min(sent + shift, now.monotonic),
            )
            for topic, due, sent, alerts in rows
        }
        return Book(MappingProxyType(groups), ends_from)

    def claim(
        self, channel: str, now: float, lease: float, *, longest_pause: float = 900.0
    ) -> Letter | None:
        """The next letter for *channel*, nobody else's for *lease* seconds; None without one.

        What is due later than the *longest_pause* from now was written before the wall clock
        was set back, and is due.
        """
        terms = now + lease, channel, now, now + max(lease, longest_pause)
        while True:
            with self._archive.write() as transaction:
                rows = transaction.read(_CLAIM, *terms)
            if not rows:
                return None
            identity, _, body, posted, attempts = rows[0]
            try:
                message = _unpacked(body)
            except _UNREADABLE:
                self._bury(identity, "it can't be read")
            else:
                return Letter(identity, channel, message, posted, attempts)

    def settle(self, letter: Letter) -> None:
        """It has arrived."""
        self._archive.change("DELETE FROM koo_letters WHERE id = ?", letter.id)

    def postpone(self, letter: Letter, due: float, error: str) -> None:
        """It has not arrived because of *error*; try again at epoch second *due*."""
        statement = "UPDATE koo_letters SET due = ?, error = ? WHERE id = ?"
        self._archive.change(statement, due, error, letter.id)

    def bury(self, letter: Letter, error: str) -> None:
        """It is given up; it stays, for people to see, until a thousand others came after it."""
        self._bury(letter.id, error)

    def _bury(self, identity: int, error: str) -> None:
        statement = "UPDATE koo_letters SET dead = 1, error = ? WHERE id = ?"
        self._archive.change(statement, error, identity)
        self._archive.change(
            "DELETE FROM koo_letters WHERE dead AND id NOT IN"
            " (SELECT id FROM koo_letters WHERE dead ORDER BY id DESC LIMIT ?)",
            _DEAD_KEPT,
        )

    def stats(self) -> OutboxStats:
        """A photograph."""
        rows = self._archive.read(
            "SELECT count(*) FILTER (WHERE NOT dead), min(posted) FILTER (WHERE NOT dead),"
            " count(*) FILTER (WHERE dead) FROM koo_letters"
        )
        return OutboxStats(*rows[0])


# -- as text --------------------------------------------------------------------------------------


def _packed(message: Message) -> str:
    return json.dumps(asdict(message))


def _unpacked(body: str) -> Message:
    said: Mapping[str, Any] = json.loads(body)
    firing, resolved = map(_found, (said["firing"], said["resolved"]))
    return Message(said["group"], said["at"], firing, resolved)


def _told(group: Group, now: Now) -> tuple[float, float | None, str]:
    shift = now.wall - now.monotonic
    sent = None if group.sent is None else group.sent + shift
    return group.due + shift, sent, _listed(group.told.values())


def _listed(alerts: Iterable[Alert]) -> str:
    return json.dumps([asdict(alert) for alert in alerts])


def _alerts(listed: str) -> tuple[Alert, ...]:
    with suppress(*_UNREADABLE):
        return _found(json.loads(listed))
    return ()


def _found(rows: Iterable[Mapping[str, Any]]) -> tuple[Alert, ...]:
    return tuple(map(_alert, rows))


def _alert(row: Mapping[str, Any]) -> Alert:
    known = {name: value for name, value in row.items() if name in _FIELDS}
    known |= {"severity": Severity(row["severity"]), "state": AlertState(row["state"])}
    return Alert(**known)
