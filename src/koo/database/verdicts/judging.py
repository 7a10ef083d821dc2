"""From an error to its verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import exc

from ... import errors
from .codes import as_database_error, cause_of, error_code, is_unsent
from .kinds import Kind, RestTimedOut, StatementTimedOut, Verdict
from .tables import (
    BY_MYSQL_CODE,
    BY_SQLITE_CODE,
    BY_SQLSTATE,
    BY_WORDS,
    CALLER,
    EXHAUSTED,
    FAILED_OVER,
    INTEGRITY,
    LOST,
    NO_LOGIN,
    PROTOCOL_VIOLATION,
    QUERY,
    READ_ONLY,
    REFUSED_LOGIN,
    STALE_PLAN,
    TAKEN_BACK,
    TOO_MUCH,
    TOO_SLOW,
    UNKNOWN_COMMIT,
    UNREACHABLE,
)

__all__ = [
    "failure_in",
    "is_login_refused",
    "is_trouble",
    "judge",
    "judge_for",
    "mark_source",
    "mark_taken_back",
    "may_be_from",
    "proves_rollback",
]

_REFUSED_CODES: Final = {"28P01", 1045}
_TAKEN_BACK: Final = "__koo_taken_back__"
_SOURCE: Final = "__koo_source__"


def judge(error: BaseException) -> Verdict:
    """The whole verdict. What is not the database's doing is the caller's."""
    match error:
        case errors.CommitOutcomeUnknown():
            return UNKNOWN_COMMIT
        case RestTimedOut():
            return TOO_MUCH
        case StatementTimedOut():
            return TOO_SLOW
        case errors.PoolExhausted() | exc.TimeoutError():
            return EXHAUSTED
        case exc.DBAPIError():
            return _judge_sent(error)
    return CALLER


def judge_for(source: object, error: BaseException) -> Verdict:
    """The same for *source*: what the line or a dial of another has raised is the caller's."""
    return judge(error) if may_be_from(source, error) else CALLER


def may_be_from(source: object, error: BaseException) -> bool:
    """Whether *error* is not marked, as it is or wrapped, to come from another than *source*."""
    wrapped = getattr(error, "orig", None)
    found = getattr(error, _SOURCE, None) or getattr(wrapped, _SOURCE, None)
    return found in {None, id(source)}


def mark_source(error: BaseException, source: object) -> None:
    """Mark *error*: it comes from *source*, and says nothing of any other."""
    # The number alone: an error may be pickled, and what it came from can't be.
    setattr(error, _SOURCE, id(source))


def failure_in(error: BaseException) -> Exception | None:
    """What of *error* can be judged: a cancellation has failed nobody, but the line it came in."""
    if isinstance(error, Exception):
        return error
    return error.__cause__ if isinstance(error.__cause__, errors.Rejected) else None


def _judge_sent(error: exc.DBAPIError) -> Verdict:
    if getattr(error, _TAKEN_BACK, False):
        return TAKEN_BACK
    if isinstance(error, exc.IntegrityError):
        return INTEGRITY
    return _with_code(_judge_driver(error), error_code(error))


def mark_taken_back(error: BaseException) -> None:
    """Mark *error*: our own pool has torn its connection off, which says nothing of the server."""
    setattr(error, _TAKEN_BACK, True)
    error.add_note("database: the pool took the connection back")


def proves_rollback(error: BaseException) -> bool:
    """Whether *error*, raised by a COMMIT, proves that nothing was committed.

    A server that answers with an error has rolled back; a broken connection, a
    timeout and a fatal error say nothing. MySQL and SQLite are believed only for
    conflicts and constraints. What we have not sent has committed nothing.
    """
    if getattr(error, "connection_invalidated", False):
        return False
    if is_unsent(error):
        return True
    kind = judge(error).kind
    if kind in {Kind.CONFLICT, Kind.INTEGRITY}:
        return True
    vague = {Kind.CONNECTION, Kind.COMMIT_UNKNOWN, Kind.INTERNAL, Kind.CALLER}
    return isinstance(error_code(error), str) and kind not in vague


def is_login_refused(error: Exception) -> bool:
    """Whether other credentials might have helped; *error* as the driver raised it."""
    code = error_code(as_database_error(error))
    in_words = code in {None, PROTOCOL_VIOLATION} and REFUSED_LOGIN in str(error)
    return in_words or code in _REFUSED_CODES or NO_LOGIN in str(error)


def is_trouble(error: Exception) -> bool:
    """Whether *error* tells of a server that is away or unwell."""
    return isinstance(error, errors.DatabaseUnavailable) or judge(error).failure.trips


def _judge_driver(error: exc.DBAPIError) -> Verdict:
    found = _judge_code(error)
    # Dropped, because nobody had asked for a read-only transaction: the server has changed.
    return FAILED_OVER if found is READ_ONLY and error.connection_invalidated else found


def _judge_code(error: exc.DBAPIError) -> Verdict:
    match error_code(error):
        case str(state):
            return _judge_state(error, state)
        case int(number) if hasattr(error.orig, "sqlite_errorcode"):
            return BY_SQLITE_CODE.get(number) or BY_SQLITE_CODE.get(number & 0xFF, QUERY)
        case int(number):
            unknown = LOST if error.connection_invalidated else QUERY
            found = BY_MYSQL_CODE.get(number, unknown)
            said = str(error.orig).replace("_", "-")
            if found is FAILED_OVER and "--" in said and "read-only" not in said:
                return QUERY  # 1290 names whichever option is in the way.
            # asyncmy gives whatever keeps it from connecting the same number.
            return (_in_words(error) or found) if found is UNREACHABLE else found
    return _judge_without_code(error)


def _judge_state(error: exc.DBAPIError, state: str) -> Verdict:
    if type(cause_of(error)).__name__ == "InvalidCachedStatementError":
        return STALE_PLAN
    if state == PROTOCOL_VIOLATION:
        return _in_words(error) or LOST
    found = BY_SQLSTATE.get(state) or BY_SQLSTATE.get(state[:2], QUERY)
    return LOST if error.connection_invalidated and found is QUERY else found


def _judge_without_code(error: exc.DBAPIError) -> Verdict:
    if isinstance(error.orig, TimeoutError):
        return TOO_SLOW
    if error.connection_invalidated:
        return LOST
    if found := _in_words(error):
        return found
    is_unreachable = isinstance(error.orig, OSError) or isinstance(error, exc.OperationalError)
    return UNREACHABLE if is_unreachable else QUERY


def _in_words(error: exc.DBAPIError) -> Verdict | None:
    words = str(error.orig).lower()
    return next((verdict for signs, verdict in BY_WORDS if any(s in words for s in signs)), None)


def _with_code(verdict: Verdict, code: str | int | None) -> Verdict:
    if code is None:
        return verdict
    failure = replace(verdict.failure, cause=f"{verdict.failure.cause} ({code})")
    return Verdict(verdict.kind, failure)
