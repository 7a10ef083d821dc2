"""One transaction, and the one moment in it when nobody knows.

    begin --> the caller's statements --> flush --> COMMIT sent ... answered --> committed
                     |                      |            |
                     +---- any error -------+            +-- an error the server sent: rolled back
                               |                         +-- anything else: CommitOutcomeUnknown
                         rolled back

The moment is recognised where it happens, at SQLAlchemy's connection, so that a
``session.commit()`` in the caller's own code is no exception. A read-only
transaction has nothing to lose: its COMMIT fails like any statement. With the
isolation level AUTOCOMMIT every statement is such a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import inf
from typing import Any, Final, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from ..errors import CommitOutcomeUnknown
from .callers import CallingLine
from .pool import HOLDING
from .verdicts import StatementTimedOut

__all__ = [
    "READONLY",
    "Scope",
    "commit_outcome_unknown",
    "note_answer",
    "scope_of",
    "transaction",
]

#: The execution option that asks for a read-only transaction.
READONLY: Final = "koo_readonly"
_SCOPE: Final = "koo_scope"
_MOMENT: Final = 0.025
_SOON: Final = 1.0


@dataclass(slots=True)
class Scope:
    """What is known of one transaction while it runs.

    *touched*: the server has answered. *autocommits*: each statement commits
    by itself. *committing*: a COMMIT is on its way.
    *committed*: one was answered. *in_doubt*: the caller was cut off in between.
    *ending*: the caller's code is through, with *value*; *partial*: it had
    committed something by itself.
    """

    where: CallingLine | str | None
    readonly: bool = False
    isolation_level: str | None = None
    touched: bool = False
    autocommits: bool = False
    committing: bool = False
    committed: bool = False
    in_doubt: bool = False
    ending: bool = False
    partial: bool = False
    value: object = None

    @property
    def may_commit(self) -> bool:
        """Whether what is on its way now may commit something."""
        return self.committing or (self.autocommits and not self.readonly)

    @property
    def is_done(self) -> bool:
        """Whether everything is committed, whatever happens afterwards."""
        return self.ending and self.committed

    @property
    def is_partly_done(self) -> bool:
        """Whether the caller's code has committed a part, which must not be repeated."""
        return self.partial or (self.committed and not self.ending)

    def end(self) -> None:
        """The caller's code is through; from here on, it is our own COMMIT."""
        self.ending = True
        self.partial, self.committed = self.committed, False

    def options(self) -> dict[str, Any]:
        """The connection's execution options for this transaction."""
        options: dict[str, Any] = {}
        if self.isolation_level is not None:
            options["isolation_level"] = self.isolation_level
        if self.readonly:
            options[READONLY] = True
            options["postgresql_readonly"] = True
        return options


def scope_of(connection: Connection | None) -> Scope | None:
    """The scope that uses *connection*, None for a connection used without one."""
    if connection is None:
        return None
    found: Scope | None = connection.get_execution_options().get(_SCOPE)
    return found


def note_answer(options: Mapping[str, Any]) -> None:
    """A statement with these execution *options* was answered; it may have committed by that."""
    scope: Scope | None = options.get(_SCOPE)
    if scope is not None and scope.autocommits:
        scope.committed = scope.committed or scope.may_commit


class _ScopedSession(Session):
    """A session whose connections know their scope."""


@event.listens_for(_ScopedSession, "after_begin")
def _introduce(session: Session, _: SessionTransaction, connection: Connection) -> None:
    scope: Scope = session.info[_SCOPE]
    scope.touched = True
    scope.autocommits = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
    connection.execution_options(**{_SCOPE: scope})
    notes = cast("dict[str, Any]", connection.connection.record_info)
    notes[HOLDING].where = scope.where


@event.listens_for(_ScopedSession, "after_commit")
def _remember(session: Session) -> None:
    scope: Scope = session.info[_SCOPE]
    # Also told of a released savepoint, which commits nothing.
    scope.committed = scope.committed or scope.committing
    scope.committing = False


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, scope: Scope, *, timeout: float, eager: bool
) -> AsyncIterator[AsyncSession]:
    """A session in a transaction: committed at the end, rolled back on any error.

    *eager* takes the connection before the caller's code runs. Commit and
    clean-up may take *timeout* seconds each.
    """
    session = AsyncSession(
        engine, sync_session_class=_ScopedSession, expire_on_commit=False, info={_SCOPE: scope}
    )
    try:
        options = scope.options()
        if eager or options:
            await session.connection(execution_options=options)
        yield session
        await _commit(session, scope, timeout)
    finally:
        if scope.touched and session.in_transaction():
            await _close(session, timeout)
        else:
            # Without a connection nothing is to be said: who was refused goes at once.
            session.sync_session.close()


async def _commit(session: AsyncSession, scope: Scope, timeout: float) -> None:
    # What the flush sends is still a statement: if it fails, nothing was committed.
    await session.flush()
    scope.end()
    try:
        async with asyncio.timeout(timeout):
            await session.commit()
    except TimeoutError as error:
        if scope.in_doubt:
            raise commit_outcome_unknown() from error
        if not scope.is_done:
            raise StatementTimedOut(f"database: no answer to COMMIT in {timeout:g} s") from error


async def _close(session: AsyncSession, timeout: float) -> None:
    # A task of its own, because a caller who is cancelled must not leave a transaction open.
    limit = asyncio.timeout(timeout)
    closing = asyncio.create_task(_close_in_time(session, limit))
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await _leave(closing, limit)
        if closing.cancelled():
            # By a loop that ends and cancels everything, perhaps before this had begun.
            await _close_in_time(session, asyncio.timeout(timeout))
        raise


async def _leave(closing: asyncio.Task[None], limit: asyncio.Timeout) -> None:
    """Let *closing* end: before our eyes if that takes a moment, else by itself, and soon."""
    done, _ = await asyncio.wait({closing}, timeout=_MOMENT)
    soon = asyncio.get_running_loop().time() + _SOON
    if not done and soon < (limit.when() or inf):
        limit.reschedule(soon)


async def _close_in_time(session: AsyncSession, limit: asyncio.Timeout) -> None:
    # A ROLLBACK that fails has lost nothing, and must not hide the error that led to it.
    with suppress(Exception):
        async with limit:
            await session.close()


def commit_outcome_unknown() -> CommitOutcomeUnknown:
    """The error that no policy retries."""
    return CommitOutcomeUnknown(
        "database: the connection broke during COMMIT, the transaction may or may not have"
        " committed; look for its effect before repeating it"
    )
