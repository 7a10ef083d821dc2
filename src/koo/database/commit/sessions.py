"""One transaction, and the one moment in it when nobody knows.

    begin --> the caller's statements --> flush --> COMMIT sent ... answered --> committed
                     |                      |            |
                     +---- any error -------+            +-- an error the server sent: rolled back
                               |                         +-- anything else: found out (certainty),
                         rolled back                         or CommitOutcomeUnknown

The moment is recognised where it happens, at SQLAlchemy's connection, so that a
``session.commit()`` in the caller's own code is no exception. A read-only
transaction has nothing to lose: its COMMIT fails like any statement. With the
isolation level AUTOCOMMIT every statement is such a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Final, NoReturn, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IllegalStateChangeError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.util import greenlet_spawn

from ...errors import CommitOutcomeUnknown
from ...resilience import Permit, following
from ..drivers import abort
from ..pool import slot_of
from ..scope import Scope

__all__ = ["SessionScope", "Sessions", "Transaction", "commit_outcome_unknown"]

_SCOPE: Final = "koo_scope"
_CONNECTION: Final = "koo_connection"
_ENDED: Final = "koo_ended"
_OVER: Final = "database: the block of this session has ended; use it inside, and in one task"
_TWOPHASE: Final = (
    "database: of a COMMIT in two phases that is lost nobody could find out what it has done;"
    " let the factory make sessions without twophase"
)
_BINDS: Final = (
    "database: the sessions have binds of their own, and whom those lead to is in no transaction of"
    " ours; let the factory make sessions without binds"
)
_ELSEWHERE: Final = (
    "database: the session's get_bind has led to another engine, and what is done there is in no"
    " transaction of ours; use a session of that engine's own"
)
_AUTOBEGIN: Final = (
    "database: the sessions begin by themselves, because their block is the transaction;"
    " let the factory make sessions without autobegin=False"
)
_USED: Final = (
    "database: a session_scope() is one transaction, for one block; ask for another one each time"
)
_MOMENT: Final = 0.025
_SOON: Final = 1.0


class Sessions:
    """What makes a manager's sessions: as *maker* does, and each knows its transaction.

    Raises ValueError for sessions that commit in two phases, do not begin by themselves, or lead
    to other engines.
    """

    def __init__(self, maker: async_sessionmaker[AsyncSession] | None) -> None:
        self._make = maker or async_sessionmaker(expire_on_commit=False)
        theirs = self._make.kw.get("sync_session_class") or self._make.class_.sync_session_class
        # A subclass, so that other sessions of the same class hear nothing of us.
        self._kind = type(theirs.__name__, (theirs,), {})
        event.listen(self._kind, "after_begin", _introduce)
        if self._make.kw.get("binds"):
            raise ValueError(_BINDS)
        _refuse_unknown_ways(self._make(sync_session_class=self._kind).sync_session)

    def open(self, engine: AsyncEngine, scope: Scope) -> AsyncSession:
        """A session for the transaction of *scope*."""
        session = self._make(bind=engine, sync_session_class=self._kind, info={_SCOPE: scope})
        if options := scope.options():
            # Also of each connection that it takes after a rollback() or a commit() of its user's.
            ours = session.sync_session
            ours.execution_options = ours.execution_options.union(options)
        return session


def _refuse_unknown_ways(session: Session) -> None:
    if session.twophase:
        raise ValueError(_TWOPHASE)
    if not session.autobegin:
        raise ValueError(_AUTOBEGIN)


def _introduce(session: Session, _: SessionTransaction, connection: Connection) -> None:
    scope: Scope = session.info[_SCOPE]
    if _ENDED in session.info:
        # Another task had asked for it, and nobody is left to give it back.
        _refuse(connection, _OVER)
    if connection.engine.pool is not cast("Engine", session.bind).pool:
        _refuse(connection, _ELSEWHERE)
    scope.begin(connection.get_execution_options())
    session.info[_CONNECTION] = connection
    slot_of(connection.connection).scope = scope


def _refuse(connection: Connection, why: str) -> NoReturn:
    connection.close()
    raise InvalidRequestError(why)


class Transaction:
    """A session in a transaction: committed at the end of the block, rolled back on any error.

    *eager* takes the connection before the block begins, as one that asks for something of it does.
    Clean-up may take *timeout* seconds.
    """

    __slots__ = ("_eager", "_scope", "_session", "_timeout")

    def __init__(
        self, session: AsyncSession, scope: Scope, *, timeout: float, eager: bool = False
    ) -> None:
        self._session = session
        self._scope = scope
        self._timeout = timeout
        self._eager = eager or bool(scope.options())

    async def __aenter__(self) -> AsyncSession:
        if self._eager:
            try:
                await self._session.connection()
            except BaseException as error:
                await self._leave(error)
                raise
        return self._session

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if self._scope.sender is not None and not _was_cut(error):
                await self._hear(error)
            if error is None:
                with following("commit", "database"):
                    await self._session.run_sync(_commit, self._scope)
        except BaseException as failed:
            await self._leave(failed)
            raise
        await self._leave(error)

    async def _hear(self, error: BaseException | None) -> None:
        """Wait for the answer to a COMMIT of another task: it has a limit of its own."""
        self._scope.answered = asyncio.Event()
        await self._scope.answered.wait()
        if self._scope.in_doubt:
            raise commit_outcome_unknown() from error

    async def _leave(self, error: BaseException | None) -> None:
        session = self._session
        session.info[_ENDED] = True
        if self._scope.touched and session.in_transaction():
            await _close(session, self._timeout, error)
        else:
            # Without a connection nothing is to be said: who was refused goes at once.
            with suppress(IllegalStateChangeError):
                session.sync_session.close()


def _commit(session: Session, scope: Scope) -> None:
    # What the flush sends is still a statement: if it fails, nothing was committed.
    session.flush()
    scope.end()
    session.commit()


def _was_cut(error: BaseException | None) -> bool:
    return error is not None and not isinstance(error, Exception)


class SessionScope:
    """A transaction that is admitted first, and settled at its end; for one ``async with``.

    A class and not a generator, which would cost each transaction two more of them.
    """

    __slots__ = ("_admit", "_begin", "_is_used", "_permit", "_scope", "_settle", "_transaction")

    def __init__(
        self,
        scope: Scope,
        *,
        admit: Callable[[], Permit],
        begin: Callable[[Scope], Transaction],
        settle: Callable[[Permit, Scope, BaseException | None], None],
    ) -> None:
        self._scope = scope
        self._admit = admit
        self._begin = begin
        self._settle = settle
        self._is_used = False

    async def __aenter__(self) -> AsyncSession:
        if self._is_used:
            raise RuntimeError(_USED)
        self._is_used = True
        self._permit = self._admit()
        try:
            self._transaction = self._begin(self._scope)
            return await self._transaction.__aenter__()
        except BaseException as error:
            self._settle(self._permit, self._scope, error)
            raise

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            await self._transaction.__aexit__(kind, error, trace)
        except BaseException as failed:
            self._settle(self._permit, self._scope, failed)
            raise
        self._settle(self._permit, self._scope, error)


async def _close(session: AsyncSession, timeout: float, error: BaseException | None) -> None:
    # A task of its own, because a caller who is cancelled must not leave a transaction open.
    limit = asyncio.timeout(timeout)
    closing = asyncio.create_task(_close_in_time(session, limit))
    try:
        # Who was cancelled has no time left, whether that led to the ROLLBACK or comes during it.
        await (_leave if _was_cut(error) else _attend)(closing, limit)
    finally:
        if closing.cancelled():
            # By a loop that ends and cancels everything, perhaps before this had begun.
            await _close_in_time(session, asyncio.timeout(timeout))


async def _attend(closing: asyncio.Task[None], limit: asyncio.Timeout) -> None:
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await _leave(closing, limit)
        raise


async def _leave(closing: asyncio.Task[None], limit: asyncio.Timeout) -> None:
    """Let *closing* end: before our eyes if that takes a moment, else by itself, and soon.

    Also if whoever was cancelled is cancelled once more, and gone at once.
    """
    try:
        await asyncio.wait({closing}, timeout=_MOMENT)
    finally:
        soon = asyncio.get_running_loop().time() + _SOON
        if not closing.done() and soon < (limit.when() or inf):
            limit.reschedule(soon)


async def _close_in_time(session: AsyncSession, limit: asyncio.Timeout) -> None:
    try:
        async with limit:
            await session.close()
    except Exception as failed:  # noqa: BLE001 - it must not hide the error that led to the ROLLBACK
        # Nothing is lost by that, but SQLAlchemy has perhaps not given the connection back.
        connection: Connection = session.info[_CONNECTION]
        if not (connection.closed or connection.invalidated):
            abort(connection.connection.driver_connection)
            await greenlet_spawn(connection.invalidate, failed)


def commit_outcome_unknown() -> CommitOutcomeUnknown:
    """The error that no policy retries."""
    return CommitOutcomeUnknown(
        "database: the connection broke during COMMIT, the transaction may or may not have"
        " committed; look for its effect before repeating it"
    )
