"""One test for each row of the classification: what a driver raises, when, and the verdict.

The errors are translated by SQLAlchemy's own dialects and pass the engine's listener, as live
ones do. The letters are the classification's:

    R   run the whole transaction again        A   nobody knows whether it committed
    RC  the same, on a new connection          N   never again
    O   overload: later, if at all             F   failover: the connection goes, then again
    B   counts for the breaker                 -   says nothing about the database
"""

import asyncio
import sqlite3
from types import SimpleNamespace

import asyncpg
import psycopg
import pytest
from sqlalchemy import exc
from sqlalchemy.dialects.mysql.asyncmy import MySQLDialect_asyncmy
from sqlalchemy.dialects.postgresql.asyncpg import (
    AsyncAdapt_asyncpg_connection,
    PGDialect_asyncpg,
)
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite

from koo import errors
from koo.database import PoolExhausted, classify
from koo.database.listening.understanding import is_raw, understand
from koo.database.pool import HOLDING
from koo.database.scope import Scope
from koo.database.verdicts import as_database_error

# A lost connection counts for the breaker even where the classification leaves it open.
VERDICTS = {
    "R": (True, False),
    "RC,B": (True, True),
    "RC": (True, True),
    "N": (False, False),
    "N,B": (False, True),
    "A": (False, True),
    "O,B": (True, True),
    "O": (False, False),
    "F": (True, False),
    "-": (False, False),
}
DIALECTS = {
    "asyncpg": PGDialect_asyncpg,
    "psycopg": PGDialectAsync_psycopg,
    "aiosqlite": SQLiteDialect_aiosqlite,
    "asyncmy": MySQLDialect_asyncmy,
}
GONE = "connection was closed in the middle of operation"
LOGIN = "connection failed: connection to server at ::1 failed: FATAL:  "


def pg(name, message="said the server"):
    return getattr(asyncpg, f"{name}Error")(message)


def psy(state, message="said the server"):
    return psycopg.errors.lookup(state)(message)


def lite(code, kind=sqlite3.OperationalError):
    error = kind("said the file")
    error.sqlite_errorcode = code
    return error


def my(code, kind="OperationalError"):
    module = DIALECTS["asyncmy"].import_dbapi()
    return getattr(module, kind)(code, "said the server")


def translated(driver, error):
    """What SQLAlchemy's adapter makes of a driver's error."""
    if driver != "asyncpg":
        return error
    module = DIALECTS[driver].import_dbapi()
    with pytest.raises(type(error) if _is_raw_for_asyncpg(error) else module.Error) as caught:
        AsyncAdapt_asyncpg_connection._handle_exception_no_connection(module, error)
    return caught.value


def _is_raw_for_asyncpg(error):
    return not isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError)


def used_by(scope):
    lent = SimpleNamespace(
        driver_connection=None,
        record_info={HOLDING: SimpleNamespace(scope=scope, is_taken_back=False)},
    )
    return SimpleNamespace(connection=lent, closed=False, invalidated=False)


def raised(driver, error, *, when, lost=False):
    """What the caller gets, after SQLAlchemy and after the engine's listener."""
    if when == "connect" and is_raw(error) and not isinstance(error, asyncpg.PostgresError):
        return as_database_error(error)
    dialect = DIALECTS[driver]()
    module = DIALECTS[driver].import_dbapi()
    orig = translated(driver, error)
    wrapped = exc.DBAPIError.instance(
        "SELECT 1", {}, orig, module.Error, connection_invalidated=lost, dialect=dialect
    )
    wrapped = wrapped if isinstance(wrapped, exc.DBAPIError) else None
    scope = Scope(
        "f.py:1",
        readonly=when == "readonly",
        committing=when == "COMMIT",
        autocommits=when == "AUTOCOMMIT",
    )
    told = SimpleNamespace(
        connection=None if when == "connect" else used_by(scope),
        execution_context=None,
        sqlalchemy_exception=wrapped,
        original_exception=orig,
        is_disconnect=lost,
        invalidate_pool_on_disconnect=True,
    )
    found = understand(told) or wrapped or orig
    if told.is_disconnect and isinstance(found, exc.DBAPIError):
        found.connection_invalidated = True
    return found


def verdict(error):
    failure = classify(error)
    return failure.retryable, failure.trips


S, C, A, X = "statement", "COMMIT", "AUTOCOMMIT", "connect"

POSTGRESQL = [
    # integrity: N, also deferred to the COMMIT
    ("asyncpg", pg("UniqueViolation"), S, False, "N"),
    ("psycopg", psy("23505"), S, False, "N"),
    ("asyncpg", pg("NotNullViolation"), S, False, "N"),
    ("psycopg", psy("23502"), S, False, "N"),
    ("asyncpg", pg("ForeignKeyViolation"), S, False, "N"),
    ("asyncpg", pg("ForeignKeyViolation"), C, False, "N"),
    ("psycopg", psy("23503"), C, False, "N"),
    ("asyncpg", pg("CheckViolation"), S, False, "N"),
    ("psycopg", psy("23514"), S, False, "N"),
    ("asyncpg", pg("ExclusionViolation"), S, False, "N"),
    ("psycopg", psy("23P01"), S, False, "N"),
    # conflicts: R, wherever they appear
    ("asyncpg", pg("Serialization"), S, False, "R"),
    ("asyncpg", pg("Serialization"), C, False, "R"),
    ("asyncpg", pg("Serialization"), A, False, "R"),
    ("psycopg", psy("40001"), S, False, "R"),
    ("psycopg", psy("40001"), C, False, "R"),
    ("asyncpg", pg("DeadlockDetected"), S, False, "R"),
    ("asyncpg", pg("DeadlockDetected"), C, False, "R"),
    ("psycopg", psy("40P01"), S, False, "R"),
    ("asyncpg", pg("StatementCompletionUnknown"), S, False, "A"),
    ("asyncpg", pg("StatementCompletionUnknown"), C, False, "A"),
    ("psycopg", psy("40003"), S, False, "A"),
    ("psycopg", psy("40003"), C, False, "A"),
    ("asyncpg", pg("LockNotAvailable"), S, False, "R"),
    ("psycopg", psy("55P03"), S, False, "R"),
    ("asyncpg", pg("QueryCanceled"), S, False, "N"),
    ("psycopg", psy("57014"), S, False, "N"),
    ("psycopg", psy("57014"), C, False, "N"),
    # read-only where nobody asked for it: F
    ("asyncpg", pg("ReadOnlySQLTransaction"), S, False, "F"),
    ("psycopg", psy("25006"), S, False, "F"),
    ("asyncpg", pg("ReadOnlySQLTransaction"), "readonly", False, "N"),
    ("psycopg", psy("25006"), "readonly", False, "N"),
    # overload: O, B
    ("asyncpg", pg("TooManyConnections"), X, False, "O,B"),
    ("psycopg", psycopg.OperationalError(f"{LOGIN}sorry, too many clients already"), X, 0, "O,B"),
    ("psycopg", psy("53300"), S, False, "O,B"),
    ("asyncpg", pg("ConfigurationLimitExceeded"), S, False, "O,B"),
    ("asyncpg", pg("OutOfMemory"), S, False, "O,B"),
    ("psycopg", psy("53200"), S, False, "O,B"),
    ("asyncpg", pg("DiskFull"), S, False, "O,B"),
    ("psycopg", psy("53100"), C, False, "O,B"),
    # the server comes or goes: RC, B
    ("asyncpg", pg("CannotConnectNow"), X, False, "RC,B"),
    ("psycopg", psycopg.OperationalError(f"{LOGIN}the database system is starting up"), X, 0, "RC"),
    ("asyncpg", pg("AdminShutdown"), S, False, "RC,B"),
    ("psycopg", psy("57P01"), S, True, "RC,B"),
    ("asyncpg", pg("CrashShutdown"), S, False, "RC,B"),
    ("psycopg", psy("57P02"), S, True, "RC,B"),
    ("psycopg", psy("57P03"), S, False, "RC,B"),
    ("asyncpg", pg("IdleSessionTimeout"), S, False, "RC,B"),
    ("psycopg", psy("57P05"), S, True, "RC,B"),
    # ended while idle: nothing was sent
    ("asyncpg", asyncpg.InterfaceError("connection is closed"), S, True, "RC"),
    ("psycopg", psy("57P01"), S, True, "RC"),
    # lost in the middle: A where it may have committed
    ("asyncpg", asyncpg.ConnectionDoesNotExistError(GONE), S, True, "RC"),
    ("asyncpg", asyncpg.ConnectionDoesNotExistError(GONE), C, True, "A"),
    ("asyncpg", asyncpg.ConnectionDoesNotExistError(GONE), A, True, "A"),
    ("psycopg", psycopg.OperationalError("server closed the connection"), S, True, "RC"),
    ("psycopg", psycopg.OperationalError("server closed the connection"), C, True, "A"),
    ("psycopg", psycopg.OperationalError("server closed the connection"), A, True, "A"),
    ("psycopg", psy("57P01"), C, True, "A"),
    ("psycopg", psy("57P01"), A, True, "A"),
    ("asyncpg", ConnectionResetError(104, "reset"), S, False, "RC"),
    ("asyncpg", ConnectionResetError(104, "reset"), C, False, "A"),
    # the transaction was idle or open for too long: R
    ("asyncpg", asyncpg.InterfaceError("connection is closed"), S, True, "RC"),
    ("psycopg", psy("25P03"), S, True, "R"),
    ("psycopg", psy("25P04"), S, True, "R"),
    # a plan from before a schema change: R
    ("asyncpg", asyncpg.InvalidCachedStatementError("stale"), S, False, "R"),
    # the statement is wrong: N
    ("asyncpg", pg("PostgresSyntax"), S, False, "N"),
    ("asyncpg", pg("UndefinedTable"), S, False, "N"),
    ("psycopg", psy("42P01"), S, False, "N"),
    ("asyncpg", pg("Raise"), S, False, "N"),
    ("psycopg", psy("P0001"), S, False, "N"),
    ("asyncpg", pg("DivisionByZero"), S, False, "N"),
    ("psycopg", psy("22012"), S, False, "N"),
    ("psycopg", psy("P0001"), C, False, "N"),
    ("psycopg", psy("P0001"), A, False, "N"),
    # the login is refused: N
    ("asyncpg", pg("InvalidCatalogName"), X, False, "N"),
    ("psycopg", psycopg.OperationalError(f'{LOGIN}database "x" does not exist'), X, 0, "N"),
    ("asyncpg", pg("InvalidAuthorizationSpecification"), X, False, "N"),
    ("psycopg", psycopg.OperationalError(f'{LOGIN}role "x" does not exist'), X, False, "N"),
    ("asyncpg", pg("InvalidPassword"), X, False, "N"),
    ("psycopg", psycopg.OperationalError(f"{LOGIN}password authentication failed"), X, 0, "N"),
    # a pooler says it all with one state
    ("asyncpg", pg("ProtocolViolation", "unsupported startup parameter: jit"), X, 0, "N"),
    ("asyncpg", pg("ProtocolViolation", "no such database: x"), X, 0, "N"),
    ("psycopg", psycopg.OperationalError(f"{LOGIN}no such user: x"), X, 0, "N"),
    ("asyncpg", pg("ProtocolViolation", "no more connections allowed"), X, 0, "O,B"),
    ("asyncpg", pg("ProtocolViolation", "query_wait_timeout"), X, 0, "O,B"),
    ("psycopg", psycopg.OperationalError(f"{LOGIN}query_wait_timeout"), X, 0, "O,B"),
    ("asyncpg", pg("ProtocolViolation", "server conn crashed?"), S, False, "RC,B"),
    # there is no server: RC, B
    ("asyncpg", ConnectionRefusedError(111, "refused"), X, False, "RC,B"),
    ("asyncpg", OSError(-2, "Name or service not known"), X, False, "RC,B"),
    ("asyncpg", ConnectionResetError(104, "reset"), X, False, "RC,B"),
    ("psycopg", psycopg.OperationalError("connection failed: Connection refused"), X, 0, "RC,B"),
    ("asyncpg", TimeoutError("no connection in 5 s"), X, False, "RC,B"),
    ("psycopg", psycopg.errors.ConnectionTimeout("connection timeout expired"), X, 0, "RC,B"),
    # no answer in time: A where it may have committed
    ("asyncpg", TimeoutError("command_timeout"), S, False, "RC"),
    ("asyncpg", TimeoutError("command_timeout"), C, False, "A"),
    ("asyncpg", TimeoutError("command_timeout"), A, False, "A"),
    # the server failed inside: N, B
    ("asyncpg", pg("InternalServer"), S, False, "N,B"),
    ("psycopg", psy("XX000"), S, False, "N,B"),
]

SQLITE = [
    ("aiosqlite", lite(5), S, False, "R"),
    ("aiosqlite", lite(517), S, False, "R"),
    ("aiosqlite", lite(5), C, False, "R"),
    ("aiosqlite", lite(6), S, False, "R"),
    ("aiosqlite", lite(2067, sqlite3.IntegrityError), S, False, "N"),
    ("aiosqlite", lite(1555, sqlite3.IntegrityError), S, False, "N"),
    ("aiosqlite", lite(1299, sqlite3.IntegrityError), S, False, "N"),
    ("aiosqlite", lite(275, sqlite3.IntegrityError), S, False, "N"),
    ("aiosqlite", lite(1), S, False, "N"),
    ("aiosqlite", lite(13), S, False, "N,B"),
    ("aiosqlite", lite(8), S, False, "N"),
    ("aiosqlite", lite(14), S, False, "N,B"),
    ("aiosqlite", lite(26, sqlite3.DatabaseError), S, False, "N,B"),
    ("aiosqlite", lite(10), S, False, "N,B"),
    ("aiosqlite", lite(9), S, False, "N"),
    ("aiosqlite", sqlite3.OperationalError("no active connection"), S, True, "RC"),
]

MYSQL = [
    ("asyncmy", my(1062, "IntegrityError"), S, False, "N"),
    ("asyncmy", my(1048, "IntegrityError"), S, False, "N"),
    ("asyncmy", my(1452, "IntegrityError"), S, False, "N"),
    ("asyncmy", my(3819), S, False, "N"),
    ("asyncmy", my(4025), S, False, "N"),
    ("asyncmy", my(2003), X, False, "RC"),
    ("asyncmy", my(1213), S, False, "R"),
    ("asyncmy", my(1213), C, False, "R"),
    ("asyncmy", my(1205), S, False, "R"),
    ("asyncmy", my(1969), S, False, "N"),
    ("asyncmy", my(3024), S, False, "N"),
    ("asyncmy", my(1317), S, False, "N"),
    ("asyncmy", my(1054), S, False, "N"),
    ("asyncmy", my(1049), X, False, "N"),
    ("asyncmy", my(1045), X, False, "N"),
    ("asyncmy", my(1064, "ProgrammingError"), S, False, "N"),
    ("asyncmy", my(1146, "ProgrammingError"), S, False, "N"),
    ("asyncmy", my(1040), X, False, "O,B"),
    ("asyncmy", my(1792), S, False, "F"),
    ("asyncmy", my(1792), "readonly", False, "N"),
    ("asyncmy", my(1290), S, False, "F"),
    ("asyncmy", my(1836), S, False, "F"),
    ("asyncmy", my(2006), S, True, "RC"),
    ("asyncmy", my(2013), S, True, "RC"),
    ("asyncmy", my(2013), C, True, "A"),
    ("asyncmy", my(2013), A, True, "A"),
    ("asyncmy", my(2003), X, False, "RC,B"),
]


def _name(row):
    driver, error, when, _, letters = row
    code = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorcode", None)
    code = code or (error.args[0] if isinstance(error.args[0], int) else type(error).__name__)
    return f"{driver}-{code}-{when}-{letters}"


@pytest.mark.parametrize("row", [*POSTGRESQL, *SQLITE, *MYSQL], ids=_name)
def test_a_row_is_judged_as_the_classification_says(row):
    driver, error, when, lost, letters = row
    found = raised(driver, error, when=when, lost=bool(lost))
    assert verdict(found) == VERDICTS[letters]
    assert isinstance(found, errors.CommitOutcomeUnknown) == (letters == "A" and when in {C, A})


@pytest.mark.parametrize(
    "error",
    [
        PoolExhausted("database", 30, ()),
        exc.TimeoutError("QueuePool limit of size 5 overflow 10 reached"),
        errors.DeadlineExceeded("database: no answer after 1.00 s"),
        TimeoutError("the caller's own"),
    ],
)
def test_an_exhausted_pool_and_a_callers_deadline_never_count(error):
    assert verdict(error) == (False, False)


@pytest.mark.parametrize("when", [C, A])
def test_who_is_cancelled_while_it_may_commit_leaves_a_doubt(when):
    scope = Scope("f.py:1", committing=when == C, autocommits=when == A)
    told = SimpleNamespace(
        connection=used_by(scope),
        execution_context=None,
        sqlalchemy_exception=None,
        original_exception=asyncio.CancelledError(),
        is_disconnect=True,
        invalidate_pool_on_disconnect=True,
    )
    assert understand(told) is None
    assert scope.in_doubt
