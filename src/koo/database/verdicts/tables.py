"""A row for each code that a database gives, and for words where it gives none."""

from __future__ import annotations

from typing import Final

from ...resilience import Failure, RetryClass
from .kinds import Kind, Verdict

__all__ = [
    "BY_MYSQL_CODE",
    "BY_SQLITE_CODE",
    "BY_SQLSTATE",
    "BY_WORDS",
    "CALLER",
    "EXHAUSTED",
    "FAILED_OVER",
    "INTEGRITY",
    "LOST",
    "NO_LOGIN",
    "PROTOCOL_VIOLATION",
    "QUERY",
    "READ_ONLY",
    "REFUSED_LOGIN",
    "STALE_PLAN",
    "TAKEN_BACK",
    "TOO_MUCH",
    "TOO_SLOW",
    "UNKNOWN_COMMIT",
    "UNREACHABLE",
]


def _retry(kind: Kind, cause: str) -> Verdict:
    return Verdict(kind, Failure(retryable=True, trips=True, cause=cause))


def _conflict(cause: str) -> Verdict:
    failure = Failure(retryable=True, trips=False, retry_class=RetryClass.CONFLICT, cause=cause)
    return Verdict(Kind.CONFLICT, failure)


def _later(kind: Kind, cause: str) -> Verdict:
    failure = Failure(retryable=True, trips=True, retry_class=RetryClass.THROTTLED, cause=cause)
    return Verdict(kind, failure)


def _again(kind: Kind, cause: str) -> Verdict:
    return Verdict(kind, Failure(retryable=True, trips=False, cause=cause))


def _broken(kind: Kind, cause: str) -> Verdict:
    return Verdict(kind, Failure(retryable=False, trips=True, cause=cause))


def _final(kind: Kind, cause: str) -> Verdict:
    return Verdict(kind, Failure(retryable=False, trips=False, cause=cause))


LOST: Final = _retry(Kind.CONNECTION, "the connection broke")
UNREACHABLE: Final = _retry(Kind.CONNECTION, "the server cannot be reached")
RESTARTING: Final = _retry(Kind.CONNECTION, "the server is starting or shutting down")
TOO_SLOW: Final = _retry(Kind.TIMEOUT, "no answer in time")
OVERLOADED: Final = _later(Kind.OVERLOADED, "the server is out of connections, memory or disk")
FULL: Final = _broken(Kind.OVERLOADED, "no room is left for the database file")
SERIALIZATION: Final = _conflict("another transaction was in the way")
DEADLOCK: Final = _conflict("deadlock")
LOCKED: Final = _conflict("a lock was not free in time")
BUSY: Final = _again(Kind.CONFLICT, "the database file stayed locked")
STALE_PLAN: Final = _conflict("the plan was made before a schema change")
IDLE_TOO_LONG: Final = _again(Kind.TIMEOUT, "the transaction was idle or open for too long")
CANCELLED: Final = _final(Kind.TIMEOUT, "the server cancelled the statement")
INTEGRITY: Final = _final(Kind.INTEGRITY, "a constraint was violated")
READ_ONLY: Final = _final(Kind.READ_ONLY, "the transaction is read-only")
FAILED_OVER: Final = _again(Kind.READ_ONLY, "the server has become read-only")
CONFIGURATION: Final = _final(Kind.CONFIGURATION, "wrong user, password, role or database name")
DISTRUSTED: Final = _final(Kind.CONFIGURATION, "no encryption that both sides agree to")
QUERY: Final = _final(Kind.QUERY, "the statement is wrong")
TOO_MUCH: Final = _final(Kind.QUERY, "the rest of a stream took too long")
INTERNAL: Final = _broken(Kind.INTERNAL, "the server failed inside")
UNKNOWN_COMMIT: Final = _broken(Kind.COMMIT_UNKNOWN, "the connection broke during COMMIT")
EXHAUSTED: Final = _final(Kind.POOL_EXHAUSTED, "every connection is taken")
TAKEN_BACK: Final = _again(Kind.TAKEN_BACK, "the pool took the connection back")
CALLER: Final = _final(Kind.CALLER, "")

# PostgreSQL, appendix A of its manual. Five characters are one state, two a whole class.
BY_SQLSTATE: Final = {
    "08": LOST,
    "0A": QUERY,
    "23": INTEGRITY,
    "25006": READ_ONLY,
    "25P03": IDLE_TOO_LONG,
    "25P04": IDLE_TOO_LONG,
    "28": CONFIGURATION,
    "3D": CONFIGURATION,
    "40": SERIALIZATION,
    "40002": INTEGRITY,
    "40003": UNKNOWN_COMMIT,
    "40P01": DEADLOCK,
    "53": OVERLOADED,
    "55P03": LOCKED,
    "57014": CANCELLED,
    "57P01": RESTARTING,
    "57P02": RESTARTING,
    "57P03": RESTARTING,
    "57P04": CONFIGURATION,
    "57P05": LOST,
    "58": INTERNAL,
    "F0": CONFIGURATION,
    "XX": INTERNAL,
}

# SQLite, "Result and Error Codes". An extended code keeps its primary one in the low byte.
BY_SQLITE_CODE: Final = {
    5: BUSY,
    517: SERIALIZATION,  # SQLITE_BUSY_SNAPSHOT: waiting is useless, the transaction must restart
    6: LOCKED,
    8: READ_ONLY,
    9: CANCELLED,
    10: INTERNAL,
    11: INTERNAL,
    13: FULL,
    14: INTERNAL,
    19: INTEGRITY,
    26: INTERNAL,
}

# MySQL and MariaDB, server and client error references.
BY_MYSQL_CODE: Final = {
    1040: OVERLOADED,
    1203: OVERLOADED,
    1226: OVERLOADED,
    1020: SERIALIZATION,
    1205: LOCKED,
    1213: DEADLOCK,
    1290: FAILED_OVER,
    1836: FAILED_OVER,
    1792: READ_ONLY,
    1044: CONFIGURATION,
    1045: CONFIGURATION,
    1049: CONFIGURATION,
    1053: RESTARTING,
    3819: INTEGRITY,
    4025: INTEGRITY,
    1317: CANCELLED,
    1969: CANCELLED,
    3024: CANCELLED,
    1927: LOST,
    2002: UNREACHABLE,
    2003: UNREACHABLE,
    2005: UNREACHABLE,
    2006: LOST,
    2013: LOST,
    2014: LOST,
    2045: LOST,
    2055: LOST,
    4031: LOST,
}

REFUSED_LOGIN: Final = "password authentication failed"
NO_LOGIN: Final = "is not permitted to log in"

# What libpq says of a refused login comes without a SQLSTATE, and what PgBouncer says always with
# the same; these are their words. The first that fits decides.
PROTOCOL_VIOLATION: Final = "08P01"
BY_WORDS: Final = (
    (
        (
            "too many clients",
            "too many connections",
            "connection slots",
            "no more connections allowed",
            "query_wait_timeout",
        ),
        OVERLOADED,
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
        DISTRUSTED,
    ),
    (
        (
            REFUSED_LOGIN,
            "no pg_hba.conf entry",
            "does not exist",
            NO_LOGIN,
            "permission denied for database",
            "no password supplied",
            "no such database",
            "no such user",
            "unsupported startup parameter",
        ),
        CONFIGURATION,
    ),
    (("connection is closed", "connection closed"), LOST),
)
