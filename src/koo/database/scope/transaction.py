"""What is known of one transaction while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from .fate import Trace

if TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection

    from ..callers import CallingLine
    from .words import Words

__all__ = ["READONLY", "Scope", "Witness", "spelled"]

#: The execution option that asks for a read-only transaction.
READONLY: Final = "koo_readonly"

_READONLY_ON_POSTGRESQL: Final = "postgresql_readonly"
_NOTHING_TO_READ_IN: Final = (
    "database: with AUTOCOMMIT there is no transaction to be read-only; leave one of them out"
)


def spelled(isolation_level: str) -> str:
    """*isolation_level* as SQLAlchemy spells it, who takes it in any case and with underscores."""
    return isolation_level.replace("_", " ").upper()


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

    *is_open*: the server had said that a transaction has begun, where it says so; None: what
    failed has perhaps begun one, and errors do not say so.
    *only_reads*: the database refuses whatever would be written.

    *witness* is asked if a COMMIT is lost. *wrote*: something was said that does not only read.
    *sender* is the driver's connection by which COMMIT is on its way. *is_absent*: it was
    found out that nothing was committed, nor will be. *conflicted*: another was in the way.
    *is_locked*: perhaps it may not write any more what it has written before it said so.
    *is_late*: its time is over, and no COMMIT may be sent any more.
    *commits_first*: what is on its way is run when everything before it has been committed.
    *is_undone*: the server has undone the transaction, and goes on in another.
    *has_failed*: PostgreSQL refuses everything until a rollback, be it to a savepoint.
    *answered* is made by who leaves while COMMIT is on its way by *sender*, and set at its end.
    *cut* ends the caller's code, whose time was over while it waited for a COMMIT of its own.
    """

    where: CallingLine | str | None
    readonly: bool = False
    isolation_level: str | None = None
    only_reads: bool = False
    touched: bool = False
    autocommits: bool = False
    is_open: bool | None = False
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
    has_failed: bool = False
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
        self.is_open = self.is_undone = self.has_failed = False
        level = options.get("isolation_level")
        self.autocommits = level is not None and spelled(level) == "AUTOCOMMIT"
        # What the scope has wished for its user may have taken back.
        wished = self.readonly and options.get(READONLY)
        is_locked = bool(options.get(_READONLY_ON_POSTGRESQL))
        self.only_reads = bool(wished and is_locked)
        self.is_locked = self.is_locked or is_locked

    def refuses(self, words: Words) -> bool:
        """Whether a COMMIT in *words* would be one of what a failed statement has undone.

        PostgreSQL refuses the others by itself. MySQL goes on, and commits what came afterwards.
        """
        if self.is_undone:
            return (words.ends or words.commits_first) and words.first != "rollback"
        return self.has_failed and words.first == "commit"

    def ends_by(self, words: Words) -> bool:
        """Whether *words* are a COMMIT, or what is as good, and there is something to lose."""
        if words.commits_first:
            return self.is_open is not False
        return words.ends and (words.several or not self.only_reads)

    def note_question(self, words: Words) -> None:
        """A message of these *words* goes out."""
        self.committing = self.may_commit
        self.is_locked = self.is_locked or words.locks
        if words.ends:
            # What comes after it is another transaction, and not read-only any more.
            self.is_undone = self.only_reads = False
        if words.several:
            self.wrote = True
            # It may have begun one, too. Where the server says that none is open, one was ended.
            self.is_open = not self.autocommits

    def note_end(self, words: Words, sender: object) -> None:
        """What goes out by *sender* ends the transaction.

        Who ends one among other statements has committed, whatever comes of the message: the
        error of one says nothing of those before it. So has MySQL, before it runs certain ones.
        """
        self.only_reads = False
        self.commit_by(sender)
        self.committed = self.committed or words.several or words.commits_first
        self.commits_first = words.commits_first

    def note_answer(self, words: Words) -> None:
        """They were answered; that may have committed something."""
        self.has_failed = False
        if self.witness is not None and not self.wrote:
            self.wrote = not words.reads
        if self.only_reads and words.unlocks:
            self.only_reads = False
        if self.autocommits:
            self.note_commit()

    def note_failure(self, code: str | int | None, *, is_undone: bool, was_many: bool) -> None:
        """A statement has failed with *code*.

        *is_undone*: and the whole transaction with it. *was_many*: for one of many sets of
        parameters.
        """
        if self.autocommits:
            # Those before it are committed.
            self.committed = self.committed or was_many
            return
        if self.is_open is False:
            self.is_open = None
        self.has_failed = self.has_failed or isinstance(code, str)
        self.is_undone = self.is_undone or is_undone

    def note_commit(self) -> None:
        """What was on its way and could commit is answered."""
        self.committed = self.committed or self.committing
        self.committing = False

    def note_transaction(self, *, is_open: bool) -> None:
        """After a statement the server says whether a transaction is open.

        One that is gone, unasked, was committed by the statement: MySQL does so before a
        ``CREATE`` or a ``TRUNCATE``, and a COMMIT may be where nobody has seen it.
        """
        self.committed = self.committed or (self.is_open is True and not is_open)
        self.is_open = is_open

    def commit_by(self, sender: object) -> None:
        """A COMMIT is on its way by the driver's connection *sender*."""
        self.committing, self.commits_first = True, False
        self.sender = sender

    def hear(self) -> None:
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
