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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Final

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from ..errors import CommitOutcomeUnknown
from .pool import slot_of
from .scope import Scope

__all__ = ["commit_outcome_unknown", "transaction"]

_SCOPE: Final = "koo_scope"
_MOMENT: Final = 0.025
_SOON: Final = 1.0


class _ScopedSession(Session):
    """A session whose connections know their scope."""


@event.listens_for(_ScopedSession, "after_begin")
def _introduce(session: Session, _: SessionTransaction, connection: Connection) -> None:
    scope: Scope = session.info[_SCOPE]
    scope.touched = True
    scope.autocommits = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
    slot_of(connection.connection).scope = scope


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

    *eager* takes the connection before the caller's code runs. Clean-up may take
    *timeout* seconds.
    """
    session = AsyncSession(
        engine, sync_session_class=_ScopedSession, expire_on_commit=False, info={_SCOPE: scope}
    )
    try:
        options = scope.options()
        if eager or options:
            await session.connection(execution_options=options)
        yield session
        await _commit(session, scope)
    finally:
        if scope.touched and session.in_transaction():
            await _close(session, timeout)
        else:
            # Without a connection nothing is to be said: who was refused goes at once.
            session.sync_session.close()


async def _commit(session: AsyncSession, scope: Scope) -> None:
    # What the flush sends is still a statement: if it fails, nothing was committed.
    await session.flush()
    scope.end()
    await session.commit()


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
