"""What an error means for its connection and its transaction, told where it happens.

raw -------------------> SQLAlchemy's name, so that nobody takes it for the caller's
while it may commit ---> CommitOutcomeUnknown, unless the error proves the rollback, or the
                         witness has said that nothing was committed
read-only, unasked ----> the server has changed: all connections go; unless it tells that it
                         can be written to, for then the caller has asked by itself
torn off by the pool --> no evidence against the server
a cancellation --------> the connection is torn off before anybody says a polite goodbye
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.pool import PoolProxiedConnection

from ...errors import KooError
from ..commit import commit_outcome_unknown
from ..drivers import abort
from ..hosts.roles import reports_writable
from ..pool import slot_if_any
from ..scope import Scope
from ..verdicts import (
    Kind,
    as_database_error,
    error_code,
    judge,
    mark_absent,
    mark_taken_back,
    proves_rollback,
    undoes_all,
)

__all__ = ["is_raw", "understand"]

_DRIVERS: Final = {"asyncpg", "psycopg", "aiosqlite", "asyncmy"}
_FAILED_OVER: Final = {"25006", 1290, 1792, 1836}


def understand(context: ExceptionContext) -> BaseException | None:
    """Give a raw error a name, keep the damage to one connection, doubt a lost COMMIT."""
    usable = _usable(context.connection)
    slot = None if usable is None else slot_if_any(usable)
    scope = None if slot is None else slot.scope
    known = context.sqlalchemy_exception or context.original_exception
    error: BaseException = known
    context.invalidate_pool_on_disconnect = False
    if usable is not None and not isinstance(known, Exception):
        # Nobody waits any more: end it at once, before SQLAlchemy says a polite goodbye.
        abort(usable.driver_connection)
    if isinstance(known, Exception) and is_raw(known):
        error = lost = as_database_error(known)
        lost.connection_invalidated = context.is_disconnect = True
    if _tells_of_failover(error) and not _is_asked_for(scope, usable):
        context.is_disconnect = context.invalidate_pool_on_disconnect = True
    if scope is not None:
        scope.note_failure(
            error_code(error), is_undone=undoes_all(error), was_many=_was_many(context)
        )
    if scope is not None and (scope.may_commit or scope.is_absent):
        error = _doubt(error, scope)
    if slot is not None and slot.is_taken_back:
        mark_taken_back(error)
    return None if error is known else error


def _was_many(context: ExceptionContext) -> bool:
    asked = context.execution_context
    return asked is not None and asked.executemany


def _tells_of_failover(error: BaseException) -> bool:
    return error_code(error) in _FAILED_OVER and judge(error).kind is Kind.READ_ONLY


def _is_asked_for(scope: Scope | None, usable: PoolProxiedConnection | None) -> bool:
    """Whether the transaction is read-only by the caller's own will."""
    if scope is not None and scope.readonly:
        return True
    return usable is not None and reports_writable(usable.driver_connection)


def _usable(connection: Connection | None) -> PoolProxiedConnection | None:
    if connection is None or connection.closed or connection.invalidated:
        return None
    return connection.connection


def _doubt(error: BaseException, scope: Scope) -> BaseException:
    scope.committing = False
    if scope.is_absent and isinstance(error, Exception):
        # Of this error only: what comes after it, if the caller has caught it, is judged anew.
        scope.is_absent = False
        return mark_absent(error)
    if isinstance(error, Exception) and (proves_rollback(error) or _came_after(error, scope)):
        return error
    # Remembered, because a deadline may come before the error has reached the caller.
    scope.in_doubt = True
    return commit_outcome_unknown() if isinstance(error, Exception) else error


def _came_after(error: Exception, scope: Scope) -> bool:
    """Whether *error* is the server's, of a statement before which it had committed the others."""
    return scope.commits_first and not getattr(error, "connection_invalidated", True)


def is_raw(error: Exception) -> bool:
    """Whether a driver let this through untranslated."""
    foreign = type(error).__module__.partition(".")[0] in _DRIVERS
    return foreign or (isinstance(error, OSError) and not isinstance(error, KooError))
