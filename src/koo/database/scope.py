"""What is known of one transaction while it runs, and who can tell of it afterwards.

    before COMMIT    witness.attend(connection, scope) --> Trace    what it will be known by
    COMMIT is lost   trace.judge(a fresh connection) --> Fate, or None: ask again

The database itself is the witness. It can testify because something of the
transaction stays there: a token that came with the COMMIT, or its number.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.pool import PoolProxiedConnection

    from .callers import CallingLine

__all__ = ["READONLY", "Fate", "Scope", "Trace", "Witness", "spelled"]

#: The execution option that asks for a read-only transaction.
READONLY: Final = "koo_readonly"

# What may come before the first word. PostgreSQL nests comments and MySQL runs some: whatever
# could be within or after one is taken for the first word.
_SPACE: Final = r"(?:\s|(?:--|\#)[^\n]*\n)*+"
_LEADING: Final = rf"{_SPACE}(?:/\*.*\*/{_SPACE})?(?:/\*M?!\d*\s*)?"

# A savepoint's own ROLLBACK ends nothing.
_ENDS: Final = re.compile(
    rf"{_LEADING}"
    r"(?:COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!(?:\s+(?:WORK|TRANSACTION))?\s+TO\b))\b",
    re.IGNORECASE | re.DOTALL,
)
# Each of them writes only by what it calls, as SELECT may, and a savepoint not even so. Whoever is
# in doubt has written.
_READS: Final = re.compile(
    r"(?:\s|\(|(?:--|\#)[^\n]*\n|/\*.*?\*/)*+"
    r"(?:(?:SELECT|SHOW|DESC|DESCRIBE|VALUES|TABLE|SET|USE)\b|PRAGMA\b(?!.*=)"
    r"|(?:SAVEPOINT|RELEASE|ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO)\b"
    r"|(?:WITH|EXPLAIN)\b(?!.*\b(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|ANALY[SZ]E)\b))",
    re.IGNORECASE | re.DOTALL,
)

_READONLY_ON_POSTGRESQL: Final = "postgresql_readonly"
_NOTHING_TO_READ_IN: Final = (
    "database: with AUTOCOMMIT there is no transaction to be read-only; leave one of them out"
)

# To read longer messages closely could keep the loop waiting: they are taken for the worst.
_LONGEST: Final = 10_000
# Where these are, a quote may be none.
_ODD: Final = re.compile(r"[\\#]|--|/\*")
_DOLLARS: Final = r"(?<![\w$])\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"
_QUOTED: Final = re.compile(rf"{_DOLLARS}|'[^']*'|\"[^\"]*\"|`[^`]*`", re.DOTALL)
# Between dollars END is a word of another language. What looks like an end and is in quotes, where
# they cannot be told, is taken for one.
_ENDS_AMONG: Final = re.compile(
    rf"{_DOLLARS}|(?:^|;)(?P<end>{_ENDS.pattern})", re.IGNORECASE | re.DOTALL
)
# Before MySQL runs one of these, it commits what is open; temporary tables are left out.
_COMMITS_FIRST: Final = (
    rf"{_LEADING}(?:SET\s+STATEMENT\b.*\bFOR\s+)?"
    r"(?:(?:CREATE|DROP)\b(?!\s+(?:OR\s+REPLACE\s+)?TEMPORARY\b)|BEGIN\b(?!\s+NOT\b)"
    r"|(?:ALTER|BACKUP|CACHE|CHANGE|CHECK|FLUSH|GRANT|IMPORT|INSTALL|LOCK|OPTIMIZE|RENAME|REPAIR"
    r"|RESET|REVOKE|SHUTDOWN|START|STOP|TRUNCATE|UNINSTALL|UNLOCK|XA)\b"
    r"|ANALYZE\s+(?:\w+\s+)?TABLE\b|LOAD\s+INDEX\b|SET\s+(?:PASSWORD|DEFAULT\s+ROLE)\b"
    r"|SET\b.*\bautocommit\b)"
)
_COMMITS_BY_ITSELF: Final = re.compile(_COMMITS_FIRST, re.IGNORECASE | re.DOTALL)
# MySQL knows no quotes of dollars.
_COMMITS_AMONG: Final = re.compile(
    rf"(?:^|;)(?:{_COMMITS_FIRST}|{_ENDS.pattern})", re.IGNORECASE | re.DOTALL
)
# After these a transaction that was read-only is perhaps not any more.
_UNLOCKS: Final = re.compile(
    rf"(?:^|;){_LEADING}(?:SET|RESET|PRAGMA|(?:START|BEGIN)\b.*\bREAD\s+WRITE)\b",
    re.IGNORECASE | re.DOTALL,
)
_LOCKS: Final = re.compile(r"transaction_read_only|read\s+only\b", re.IGNORECASE)


def spelled(isolation_level: str) -> str:
    """*isolation_level* as SQLAlchemy spells it, who takes it in any case and with underscores."""
    return isolation_level.replace("_", " ").upper()


def _unquoted(message: str) -> str:
    if ";" not in message or _is_long(message) or _ODD.search(message):
        return message
    return _QUOTED.sub("''", message)


def _is_long(message: str) -> bool:
    return len(message) > _LONGEST


def _has_end(said: str) -> bool:
    return _is_long(said) or any(found["end"] for found in _ENDS_AMONG.finditer(said))


def _are_several(unquoted: str) -> bool:
    return ";" in unquoted.rstrip("; \t\r\n")


def _may_lock(message: str) -> bool:
    # The search alone would take ten times as long.
    return "only" in message.lower() and _LOCKS.search(message) is not None


class Fate(Enum):
    """What has become of a transaction whose COMMIT was not answered."""

    COMMITTED = "committed"
    ABSENT = "not committed, and it never will be"
    FORGOTTEN = "unknown, because what the database remembered was deleted, or may not be asked for"
    UNKNOWN = "unknown"


class Trace(Protocol):
    """What one transaction leaves behind, or would have."""

    async def judge(self, connection: AsyncConnection) -> Fate | None:
        """What has become of it, asked on *connection*, which commits by itself; None: not yet."""
        ...


class Witness(Protocol):
    """Who is there when a transaction commits."""

    def attend(self, connection: PoolProxiedConnection, scope: Scope) -> Trace | None:
        """Be there at the COMMIT that *connection* is about to send; None: nobody will know.

        Raises what the driver raises; then nothing was committed.
        """
        ...


@dataclass(slots=True)
class Scope:
    """What is known of one transaction while it runs.

    *touched*: the server has answered. *autocommits*: each statement commits
    by itself. *committing*: a COMMIT, or such a statement, is on its way.
    *committed*: one was answered. *in_doubt*: nobody knows whether one was.
    *ending*: the caller's code is through, with *value*; *partial*: it had
    committed something by itself, perhaps.

    *is_open*: the server had said that a transaction has begun, where it says so.
    *only_reads*: the database refuses whatever would be written.

    *witness* is asked if a COMMIT is lost. *wrote*: something was said that does not only read.
    *sender* is the driver's connection by which COMMIT is on its way. *is_absent*: it was
    found out that nothing was committed, nor will be. *conflicted*: another was in the way.
    *is_locked*: perhaps it may not write any more what it has written before it said so.
    *is_late*: its time is over, and no COMMIT may be sent any more.
    *commits_first*: what is on its way is run when everything before it has been committed.
    *is_undone*: the server has undone the transaction, and goes on in another.
    *answered* is made by who leaves while COMMIT is on its way by *sender*, and set at its end.
    *cut* ends the caller's code, whose time was over while it waited for a COMMIT of its own.
    """

    where: CallingLine | str | None
    readonly: bool = False
    isolation_level: str | None = None
    only_reads: bool = False
    touched: bool = False
    autocommits: bool = False
    is_open: bool = False
    committing: bool = False
    commits_first: bool = False
    committed: bool = False
    in_doubt: bool = False
    ending: bool = False
    partial: bool = False
    value: object = None
    witness: Witness | None = None
    wrote: bool = False
    sender: object = None
    is_absent: bool = False
    conflicted: bool = False
    is_locked: bool = False
    is_late: bool = False
    is_undone: bool = False
    answered: asyncio.Event | None = None
    cut: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        """Name the isolation level as everybody does who compares it. Raises ValueError."""
        if self.isolation_level is not None:
            self.isolation_level = spelled(self.isolation_level)
        if self.readonly and self.isolation_level == "AUTOCOMMIT":
            raise ValueError(_NOTHING_TO_READ_IN)

    @property
    def may_read_old(self) -> bool:
        """Whether a standby may answer: only reads, and not as if they were serialized."""
        return self.readonly and self.isolation_level != "SERIALIZABLE"

    @property
    def may_commit(self) -> bool:
        """Whether what is on its way now may commit something."""
        return self.committing or self.autocommits

    @property
    def is_done(self) -> bool:
        """Whether everything is committed, whatever happens afterwards."""
        return self.ending and self.committed

    @property
    def is_partly_done(self) -> bool:
        """Whether a part is committed, or all, or may be: it must not be repeated."""
        return self.partial or self.committed or (not self.ending and self._has_perhaps_committed)

    @property
    def _has_perhaps_committed(self) -> bool:
        return self.committed or self.committing or self.in_doubt

    def begin(self, options: Mapping[str, Any]) -> None:
        """A transaction begins on a connection with these execution *options*."""
        self.touched = True
        self.is_open = self.is_undone = False
        level = options.get("isolation_level")
        self.autocommits = level is not None and spelled(level) == "AUTOCOMMIT"
        # What the scope has wished for its user may have taken back.
        wished = self.readonly and options.get(READONLY)
        is_locked = bool(options.get(_READONLY_ON_POSTGRESQL))
        self.only_reads = bool(wished and is_locked)
        self.is_locked = self.is_locked or is_locked

    def note_question(self, statement: str, sender: object) -> bool:
        """*statement* goes out by *sender*; whether that is a COMMIT in so many words."""
        self.committing = self.may_commit
        self.is_locked = self.is_locked or _may_lock(statement)
        if _ENDS.match(statement) is None:
            return False
        if self.only_reads:
            # What comes after it is not read-only any more.
            self.only_reads = False
            return False
        self.commit_by(sender)
        return True

    def note_message(self, message: str, sender: object) -> bool:
        """The same of a *message* that may be several statements.

        Who ends a transaction among others has committed, whatever comes of the message: the
        error of one says nothing of those before it.
        """
        said = _unquoted(message)
        if not _are_several(said):
            return self.note_question(message, sender)
        self.wrote = True
        # It may have begun one, too. Where the server says that none is open, one was ended.
        self.is_open = not self.autocommits
        if not _has_end(said):
            return self.note_question(message, sender)
        self.is_locked = self.is_locked or _may_lock(message)
        self.only_reads = False
        self.commit_by(sender)
        self.committed = True
        return True

    def note_mysql_message(self, message: str, sender: object) -> bool:
        """The same on MySQL, which commits what is open before it runs certain statements.

        That has happened, whatever comes of the statement.
        """
        if self.note_message(message, sender):
            return True
        said = _unquoted(message)
        several = _are_several(said)
        if several and _COMMITS_AMONG.search(said) is None:
            return False
        if not several and not (self.is_open and _COMMITS_BY_ITSELF.match(message)):
            return False
        self.only_reads = False
        self.commit_by(sender)
        self.committed, self.commits_first = True, not several
        return True

    def note_answer(self, statement: str) -> None:
        """*statement* was answered; it may have committed by that."""
        if self.witness is not None and not self.wrote:
            self.wrote = _READS.match(statement) is None
        if self.only_reads and (_is_long(statement) or _UNLOCKS.search(statement)):
            self.only_reads = False
        if self.autocommits:
            self.note_commit()

    def note_commit(self) -> None:
        """What was on its way and could commit is answered."""
        self.committed = self.committed or self.committing
        self.committing = False

    def note_transaction(self, *, is_open: bool) -> None:
        """After a statement the server says whether a transaction is open.

        One that is gone, unasked, was committed by the statement: MySQL does so before a
        ``CREATE`` or a ``TRUNCATE``, and a COMMIT may be where nobody has seen it.
        """
        self.committed = self.committed or (self.is_open and not is_open)
        self.is_open = is_open

    def commit_by(self, sender: object) -> None:
        """A COMMIT is on its way by the driver's connection *sender*."""
        self.committing, self.commits_first = True, False
        self.is_undone = False
        self.sender = sender

    def has_heard(self) -> None:
        """The COMMIT has its answer, or an error that is about to be understood."""
        self.sender = None
        if self.answered is not None:
            self.answered.set()
        if self.cut is not None and not self.ending:
            self.cut()

    def end(self) -> None:
        """The caller's code is through; from here on, it is our own COMMIT."""
        self.partial, self.committed = self._has_perhaps_committed, False
        self.ending = True

    def options(self) -> dict[str, Any]:
        """The connection's execution options for this transaction."""
        options: dict[str, Any] = {}
        if self.isolation_level is not None:
            options["isolation_level"] = self.isolation_level
        if self.readonly:
            options[READONLY] = True
            options[_READONLY_ON_POSTGRESQL] = True
        return options
