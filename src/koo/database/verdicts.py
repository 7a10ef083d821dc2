"""What a database error means: whether it may be tried again, whether the server is unwell.

    error --SQLSTATE, SQLite or MySQL code---------------> row of a table --> Verdict(kind, Failure)
      +-----none: the connection's state, words, last the class--^

Never by class alone: on asyncpg a serialization failure, a deadlock and a cancelled
statement are all plain ``DBAPIError``; on SQLite a syntax error is "operational".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from sqlalchemy import exc

from .. import errors
from ..resilience import Failure, RetryClass

__all__ = [
    "Kind",
    "StatementTimedOut",
    "Verdict",
    "as_database_error",
    "classify",
    "error_code",
    "is_login_refused",
    "is_trouble",
    "judge",
    "mark_absent",
    "proves_rollback",
    "seal",
]

_SQLSTATE_LENGTH: Final = 5
_SEALED: Final = "__koo_sealed__"
_ABSENT: Final = "__koo_absent__"


class StatementTimedOut(errors.DeadlineExceeded):
    """A statement, or an attempt, took longer than the configuration allows."""


class Kind(StrEnum):
    """What errors are counted by."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    POOL_EXHAUSTED = "pool_exhausted"
    CONFLICT = "conflict"
    INTEGRITY = "integrity"
    OVERLOADED = "overloaded"
    READ_ONLY = "read_only"
    CONFIGURATION = "configuration"
    QUERY = "query"
    INTERNAL = "internal"
    COMMIT_UNKNOWN = "commit_unknown"
    CALLER = "caller"

    @property
    def blames_database(self) -> bool:
        """Whether a call that ended so belongs into the failure rate."""
        return self not in {Kind.CALLER, Kind.INTEGRITY, Kind.QUERY}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kind of an error, and what a policy and a breaker make of it."""

    kind: Kind
    failure: Failure


def _retry(kind: Kind, cause: str) -> Verdict:
    return Verdict(kind, Failure(retryable=True, trips=True, cause=cause))


def _conflict(cause: str) -> Verdict:
    failure = Failure(retryable=True, trips=False, retry_class=RetryClass.CONFLICT, cause=cause)
    return Verdict(Kind.CONFLICT, failure)


def _again(kind: Kind, cause: str) -> Verdict:
    return Verdict(kind, Failure(retryable=True, trips=False, cause=cause))


def _broken(kind: Kind, cause: str) -> Verdict:
    return Verdict(kind, Failure(retryable=False, trips=True, cause=cause))


def _final(kind: Kind, cause: str) -> Verdict:
    return Verdict(kind, Failure(retryable=False, trips=False, cause=cause))


_LOST: Final = _retry(Kind.CONNECTION, "the connection broke")
_UNREACHABLE: Final = _retry(Kind.CONNECTION, "the server cannot be reached")
_RESTARTING: Final = _retry(Kind.CONNECTION, "the server is starting or shutting down")
_TOO_SLOW: Final = _retry(Kind.TIMEOUT, "no answer in time")
_OVERLOADED: Final = _retry(Kind.OVERLOADED, "the server is out of connections, memory or disk")
_SERIALIZATION: Final = _conflict("another transaction was in the way")
_DEADLOCK: Final = _conflict("deadlock")
_LOCKED: Final = _conflict("a lock was not free in time")
_BUSY: Final = _again(Kind.CONFLICT, "the database file stayed locked")
_STALE_PLAN: Final = _conflict("the plan was made before a schema change")
_IDLE_TOO_LONG: Final = _again(Kind.TIMEOUT, "the transaction was idle or open for too long")
_CANCELLED: Final = _final(Kind.TIMEOUT, "the server cancelled the statement")
_INTEGRITY: Final = _final(Kind.INTEGRITY, "a constraint was violated")
_READ_ONLY: Final = _final(Kind.READ_ONLY, "the transaction is read-only")
_FAILED_OVER: Final = _again(Kind.READ_ONLY, "the server has become read-only")
_CONFIGURATION: Final = _final(Kind.CONFIGURATION, "wrong user, password, role or database name")
_DISTRUSTED: Final = _final(Kind.CONFIGURATION, "no encryption that both sides agree to")
_QUERY: Final = _final(Kind.QUERY, "the statement is wrong")
_INTERNAL: Final = _broken(Kind.INTERNAL, "the server failed inside")
_UNKNOWN_COMMIT: Final = _broken(Kind.COMMIT_UNKNOWN, "the connection broke during COMMIT")
_EXHAUSTED: Final = _final(Kind.POOL_EXHAUSTED, "every connection is taken")
_CALLER: Final = _final(Kind.CALLER, "")

# PostgreSQL, appendix A of its manual. Five characters are one state, two a whole class.
_BY_SQLSTATE: Final = {
    "08": _LOST,
    "0A": _QUERY,
    "23": _INTEGRITY,
    "25006": _READ_ONLY,
    "25P03": _IDLE_TOO_LONG,
    "25P04": _IDLE_TOO_LONG,
    "28": _CONFIGURATION,
    "3D": _CONFIGURATION,
    "40": _SERIALIZATION,
    "40002": _INTEGRITY,
    "40003": _UNKNOWN_COMMIT,
    "40P01": _DEADLOCK,
    "53": _OVERLOADED,
    "55P03": _LOCKED,
    "57014": _CANCELLED,
    "57P01": _RESTARTING,
    "57P02": _RESTARTING,
    "57P03": _RESTARTING,
    "57P04": _CONFIGURATION,
    "57P05": _LOST,
    "58": _INTERNAL,
    "F0": _CONFIGURATION,
    "XX": _INTERNAL,
}

# SQLite, "Result and Error Codes". An extended code keeps its primary one in the low byte.
_BY_SQLITE_CODE: Final = {
    5: _BUSY,
    517: _SERIALIZATION,  # SQLITE_BUSY_SNAPSHOT: waiting is useless, the transaction must restart
    6: _LOCKED,
    8: _READ_ONLY,
    9: _CANCELLED,
    10: _INTERNAL,
    11: _INTERNAL,
    13: _OVERLOADED,
    14: _INTERNAL,
    19: _INTEGRITY,
    26: _INTERNAL,
}

# MySQL and MariaDB, server and client error references.
_BY_MYSQL_CODE: Final = {
    1040: _OVERLOADED,
    1203: _OVERLOADED,
    1226: _OVERLOADED,
    1020: _SERIALIZATION,
    1205: _LOCKED,
    1213: _DEADLOCK,
    1290: _FAILED_OVER,
    1836: _FAILED_OVER,
    1792: _READ_ONLY,
    1044: _CONFIGURATION,
    1045: _CONFIGURATION,
    1049: _CONFIGURATION,
    1053: _RESTARTING,
    3819: _INTEGRITY,
    4025: _INTEGRITY,
    1317: _CANCELLED,
    1969: _CANCELLED,
    3024: _CANCELLED,
    1927: _LOST,
    2002: _UNREACHABLE,
    2003: _UNREACHABLE,
    2005: _UNREACHABLE,
    2006: _LOST,
    2013: _LOST,
    2014: _LOST,
    2045: _LOST,
    2055: _LOST,
    4031: _LOST,
}

_REFUSED_LOGIN: Final = "password authentication failed"
_NO_LOGIN: Final = "is not permitted to log in"
_REFUSED_CODES: Final = {"28P01", 1045}

# What libpq says of a refused login comes without a SQLSTATE, and what PgBouncer says always with
# the same; these are their words. The first that fits decides.
_PROTOCOL_VIOLATION: Final = "08P01"
_BY_WORDS: Final = (
    (
        (
            "too many clients",
            "too many connections",
            "connection slots",
            "no more connections allowed",
            "query_wait_timeout",
        ),
        _OVERLOADED,
    ),
    (
        (
            "certificate verify failed",
            "does not match host name",
            "does not support ssl",
            "rejected ssl upgrade",
            "certificate file",
            "private key file",
            "no certificate or crl found",
        ),
        _DISTRUSTED,
    ),
    (
        (
            _REFUSED_LOGIN,
            "no pg_hba.conf entry",
            "does not exist",
            _NO_LOGIN,
            "permission denied for database",
            "no password supplied",
            "no such database",
            "no such user",
            "unsupported startup parameter",
        ),
        _CONFIGURATION,
    ),
    (("connection is closed", "connection closed"), _LOST),
)


def classify(error: Exception) -> Failure:
    """The verdict as a policy wants it: whether it may be retried, and whether it trips."""
    failure = judge(error).failure
    if getattr(error, _SEALED, False):
        return replace(failure, retryable=False)
    if getattr(error, _ABSENT, False):
        return replace(failure, retryable=True, retry_class=RetryClass.RESOLVED)
    return failure


def seal(error: Exception) -> None:
    """Mark *error* as never to be retried: the work, or a part of it, has been committed."""
    setattr(error, _SEALED, True)
    error.add_note("database: all or a part of it was committed before, so it was not repeated")


def mark_absent(error: Exception) -> Exception:
    """*error*, marked: it ended a COMMIT of which nothing is left, so that all may be repeated."""
    setattr(error, _ABSENT, True)
    error.add_note("database: it was found out that nothing was committed")
    return error


def judge(error: BaseException) -> Verdict:
    """The whole verdict. What is not the database's doing is the caller's."""
    match error:
        case errors.CommitOutcomeUnknown():
            return _UNKNOWN_COMMIT
        case StatementTimedOut():
            return _TOO_SLOW
        case errors.PoolExhausted() | exc.TimeoutError():
            return _EXHAUSTED
        case exc.IntegrityError():
            return _INTEGRITY
        case exc.DBAPIError():
            return _with_code(_judge_driver(error), error_code(error))
    return _CALLER


def error_code(error: BaseException) -> str | int | None:
    """The number that SQLite or MySQL gave, or the SQLSTATE; None without one.

    MySQL's own SQLSTATEs say nothing: a lock wait and a read-only server are both HY000.
    """
    orig = getattr(error, "orig", None)
    number = getattr(orig, "sqlite_errorcode", _mysql_code(orig))
    if isinstance(number, int):
        return number
    for source in (orig, _cause(error)):
        for name in ("sqlstate", "pgcode"):
            state = getattr(source, name, None)
            if isinstance(state, str) and len(state) == _SQLSTATE_LENGTH:
                return state
    return None


def proves_rollback(error: BaseException) -> bool:
    """Whether *error*, raised by a COMMIT, proves that nothing was committed.

    A server that answers with an error has rolled back; a broken connection, a
    timeout and a fatal error say nothing. MySQL and SQLite are believed only for
    conflicts and constraints. What we have not sent has committed nothing.
    """
    if getattr(error, "connection_invalidated", False):
        return False
    if getattr(_cause(error), "is_unsent", False):
        return True
    kind = judge(error).kind
    if kind in {Kind.CONFLICT, Kind.INTEGRITY}:
        return True
    vague = {Kind.CONNECTION, Kind.COMMIT_UNKNOWN, Kind.INTERNAL, Kind.CALLER}
    return isinstance(error_code(error), str) and kind not in vague


def is_login_refused(error: Exception) -> bool:
    """Whether other credentials might have helped; *error* as the driver raised it."""
    code = error_code(as_database_error(error))
    in_words = code in {None, _PROTOCOL_VIOLATION} and _REFUSED_LOGIN in str(error)
    return in_words or code in _REFUSED_CODES or _NO_LOGIN in str(error)


def is_trouble(error: Exception) -> bool:
    """Whether *error* tells of a server that is away or unwell."""
    return isinstance(error, errors.DatabaseUnavailable) or judge(error).failure.trips


def as_database_error(error: Exception) -> exc.OperationalError:
    """*error*, which a driver let through as it is, as SQLAlchemy's own.

    asyncpg raises a refused connection as ``ConnectionRefusedError``. Inside a
    session that could as well be the caller's own; wrapped it can't be mistaken.
    """
    return exc.OperationalError(None, None, error)


def _judge_driver(error: exc.DBAPIError) -> Verdict:
    found = _judge_code(error)
    # Dropped, because nobody had asked for a read-only transaction: the server has changed.
    return _FAILED_OVER if found is _READ_ONLY and error.connection_invalidated else found


def _judge_code(error: exc.DBAPIError) -> Verdict:
    match error_code(error):
        case str(state):
            return _judge_state(error, state)
        case int(number) if hasattr(error.orig, "sqlite_errorcode"):
            return _BY_SQLITE_CODE.get(number) or _BY_SQLITE_CODE.get(number & 0xFF, _QUERY)
        case int(number):
            unknown = _LOST if error.connection_invalidated else _QUERY
            found = _BY_MYSQL_CODE.get(number, unknown)
            said = str(error.orig).replace("_", "-")
            if found is _FAILED_OVER and "--" in said and "read-only" not in said:
                return _QUERY  # 1290 names whichever option is in the way.
            # asyncmy gives whatever keeps it from connecting the same number.
            return (_in_words(error) or found) if found is _UNREACHABLE else found
    return _judge_without_code(error)


def _judge_state(error: exc.DBAPIError, state: str) -> Verdict:
    if type(_cause(error)).__name__ == "InvalidCachedStatementError":
        return _STALE_PLAN
    if state == _PROTOCOL_VIOLATION:
        return _in_words(error) or _LOST
    found = _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2], _QUERY)
    return _LOST if error.connection_invalidated and found is _QUERY else found


def _judge_without_code(error: exc.DBAPIError) -> Verdict:
    if isinstance(error.orig, TimeoutError):
        return _TOO_SLOW
    if error.connection_invalidated:
        return _LOST
    if found := _in_words(error):
        return found
    is_unreachable = isinstance(error.orig, OSError) or isinstance(error, exc.OperationalError)
    return _UNREACHABLE if is_unreachable else _QUERY


def _in_words(error: exc.DBAPIError) -> Verdict | None:
    words = str(error.orig).lower()
    return next((verdict for signs, verdict in _BY_WORDS if any(s in words for s in signs)), None)


def _with_code(verdict: Verdict, code: str | int | None) -> Verdict:
    if code is None:
        return verdict
    failure = replace(verdict.failure, cause=f"{verdict.failure.cause} ({code})")
    return Verdict(verdict.kind, failure)


def _mysql_code(orig: object) -> int | None:
    first = orig.args[:1] if isinstance(orig, Exception) and not isinstance(orig, OSError) else ()
    return first[0] if first and isinstance(first[0], int) else None


def _cause(error: BaseException) -> BaseException | None:
    """What the driver raised, where SQLAlchemy has put an error of its own in between."""
    found: BaseException | None = getattr(getattr(error, "orig", None), "__cause__", None)
    return found
