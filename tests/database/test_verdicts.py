"""Every row of the tables, by what the drivers really raise; the live rows are in test_errors."""

import asyncpg
import pytest
from sqlalchemy import exc

from koo import errors
from koo.database import Kind, PoolExhausted, StatementTimedOut, classify, judge
from koo.database.verdicts import (
    RestTimedOut,
    as_database_error,
    error_code,
    proves_rollback,
    seal,
)
from koo.resilience import RetryClass

RETRY_AND_TRIP, RETRY, TRIP, NEITHER = (True, True), (True, False), (False, True), (False, False)


class FakeDriverError(Exception):
    pass


def wrapped(orig, sa_class=exc.DBAPIError, *, invalidated=False):
    return sa_class("SELECT 1", {}, orig, connection_invalidated=invalidated)


def with_state(state, **kwargs):
    orig = FakeDriverError("said the server")
    orig.sqlstate = state
    return wrapped(orig, **kwargs)


def with_sqlite(code, sa_class=exc.OperationalError):
    orig = FakeDriverError("said the file")
    orig.sqlite_errorcode = code
    return wrapped(orig, sa_class)


def with_mysql(code, sa_class=exc.OperationalError, **kwargs):
    return wrapped(FakeDriverError(code, "said the server"), sa_class, **kwargs)


def with_words(words, sa_class=exc.OperationalError, **kwargs):
    return wrapped(FakeDriverError(words), sa_class, **kwargs)


@pytest.mark.parametrize(
    ("state", "kind", "verdict"),
    [
        ("23505", Kind.INTEGRITY, NEITHER),
        ("23503", Kind.INTEGRITY, NEITHER),
        ("23P01", Kind.INTEGRITY, NEITHER),
        ("40001", Kind.CONFLICT, RETRY),
        ("40P01", Kind.CONFLICT, RETRY),
        ("40002", Kind.INTEGRITY, NEITHER),
        ("40003", Kind.COMMIT_UNKNOWN, TRIP),
        ("55P03", Kind.CONFLICT, RETRY),
        ("55006", Kind.QUERY, NEITHER),
        ("57014", Kind.TIMEOUT, NEITHER),
        ("25006", Kind.READ_ONLY, NEITHER),
        ("25P02", Kind.QUERY, NEITHER),
        ("25P03", Kind.TIMEOUT, RETRY),
        ("25P04", Kind.TIMEOUT, RETRY),
        ("53300", Kind.OVERLOADED, RETRY_AND_TRIP),
        ("53400", Kind.OVERLOADED, RETRY_AND_TRIP),
        ("53200", Kind.OVERLOADED, RETRY_AND_TRIP),
        ("53100", Kind.OVERLOADED, RETRY_AND_TRIP),
        ("57P01", Kind.CONNECTION, RETRY_AND_TRIP),
        ("57P02", Kind.CONNECTION, RETRY_AND_TRIP),
        ("57P03", Kind.CONNECTION, RETRY_AND_TRIP),
        ("57P04", Kind.CONFIGURATION, NEITHER),
        ("57P05", Kind.CONNECTION, RETRY_AND_TRIP),
        ("08000", Kind.CONNECTION, RETRY_AND_TRIP),
        ("08003", Kind.CONNECTION, RETRY_AND_TRIP),
        ("08006", Kind.CONNECTION, RETRY_AND_TRIP),
        ("42601", Kind.QUERY, NEITHER),
        ("42P01", Kind.QUERY, NEITHER),
        ("P0001", Kind.QUERY, NEITHER),
        ("22012", Kind.QUERY, NEITHER),
        ("0A000", Kind.QUERY, NEITHER),
        ("3D000", Kind.CONFIGURATION, NEITHER),
        ("28000", Kind.CONFIGURATION, NEITHER),
        ("28P01", Kind.CONFIGURATION, NEITHER),
        ("F0000", Kind.CONFIGURATION, NEITHER),
        ("58030", Kind.INTERNAL, TRIP),
        ("XX000", Kind.INTERNAL, TRIP),
    ],
)
@pytest.mark.parametrize("sa_class", [exc.DBAPIError, exc.OperationalError, exc.InternalError])
def test_postgresql_is_judged_by_sqlstate_whatever_the_class(state, kind, verdict, sa_class):
    error = with_state(state, sa_class=sa_class)
    failure = classify(error)
    assert (judge(error).kind, (failure.retryable, failure.trips)) == (kind, verdict)
    assert failure.cause.endswith(f"({state})")


@pytest.mark.parametrize(
    ("code", "kind", "verdict"),
    [
        (5, Kind.CONFLICT, RETRY),
        (261, Kind.CONFLICT, RETRY),
        (517, Kind.CONFLICT, RETRY),
        (6, Kind.CONFLICT, RETRY),
        (2067, Kind.INTEGRITY, NEITHER),
        (1555, Kind.INTEGRITY, NEITHER),
        (1299, Kind.INTEGRITY, NEITHER),
        (275, Kind.INTEGRITY, NEITHER),
        (1, Kind.QUERY, NEITHER),
        (8, Kind.READ_ONLY, NEITHER),
        (9, Kind.TIMEOUT, NEITHER),
        (10, Kind.INTERNAL, TRIP),
        (11, Kind.INTERNAL, TRIP),
        (13, Kind.OVERLOADED, TRIP),
        (14, Kind.INTERNAL, TRIP),
        (26, Kind.INTERNAL, TRIP),
    ],
)
def test_sqlite_is_judged_by_its_code(code, kind, verdict):
    failure = classify(with_sqlite(code))
    assert (judge(with_sqlite(code)).kind, (failure.retryable, failure.trips)) == (kind, verdict)


@pytest.mark.parametrize(
    ("code", "kind", "verdict"),
    [
        (1213, Kind.CONFLICT, RETRY),
        (1205, Kind.CONFLICT, RETRY),
        (1020, Kind.CONFLICT, RETRY),
        (1317, Kind.TIMEOUT, NEITHER),
        (1969, Kind.TIMEOUT, NEITHER),
        (3024, Kind.TIMEOUT, NEITHER),
        (1054, Kind.QUERY, NEITHER),
        (1064, Kind.QUERY, NEITHER),
        (1146, Kind.QUERY, NEITHER),
        (1044, Kind.CONFIGURATION, NEITHER),
        (1045, Kind.CONFIGURATION, NEITHER),
        (1049, Kind.CONFIGURATION, NEITHER),
        (1040, Kind.OVERLOADED, RETRY_AND_TRIP),
        (1203, Kind.OVERLOADED, RETRY_AND_TRIP),
        (1226, Kind.OVERLOADED, RETRY_AND_TRIP),
        (1792, Kind.READ_ONLY, NEITHER),
        (1290, Kind.READ_ONLY, RETRY),
        (1836, Kind.READ_ONLY, RETRY),
        (1053, Kind.CONNECTION, RETRY_AND_TRIP),
        (1927, Kind.CONNECTION, RETRY_AND_TRIP),
        (2002, Kind.CONNECTION, RETRY_AND_TRIP),
        (2003, Kind.CONNECTION, RETRY_AND_TRIP),
        (2005, Kind.CONNECTION, RETRY_AND_TRIP),
        (2006, Kind.CONNECTION, RETRY_AND_TRIP),
        (2013, Kind.CONNECTION, RETRY_AND_TRIP),
        (2014, Kind.CONNECTION, RETRY_AND_TRIP),
        (2045, Kind.CONNECTION, RETRY_AND_TRIP),
        (2055, Kind.CONNECTION, RETRY_AND_TRIP),
        (4031, Kind.CONNECTION, RETRY_AND_TRIP),
    ],
)
def test_mysql_is_judged_by_its_code(code, kind, verdict):
    failure = classify(with_mysql(code))
    assert (judge(with_mysql(code)).kind, (failure.retryable, failure.trips)) == (kind, verdict)


def test_a_mysql_code_nobody_knows_on_a_broken_connection_is_a_broken_connection():
    assert judge(with_mysql(1105, invalidated=True)).kind is Kind.CONNECTION


@pytest.mark.parametrize("code", [1062, 1048, 1452])
def test_an_integrity_error_needs_no_code(code):
    assert judge(with_mysql(code, exc.IntegrityError)).kind is Kind.INTEGRITY


@pytest.mark.parametrize("error", [with_state("40001"), with_state("40P01"), with_sqlite(517)])
def test_a_conflict_is_retried_soon_and_costs_no_retry_budget(error):
    assert classify(error).retry_class is RetryClass.CONFLICT


@pytest.mark.parametrize(
    "error",
    [
        with_state("53300"),
        with_state("53100"),
        with_mysql(1040),
        with_words("FATAL:  sorry, too many clients already"),
    ],
)
def test_a_server_without_room_is_tried_again_later_than_one_that_is_gone(error):
    assert classify(error).retry_class is RetryClass.THROTTLED
    assert classify(with_state("57P03")).retry_class is RetryClass.TRANSIENT


def test_a_busy_sqlite_file_has_waited_already_and_backs_off_in_full():
    assert classify(with_sqlite(5)).retry_class is RetryClass.TRANSIENT


@pytest.mark.parametrize(
    ("error", "kind", "verdict"),
    [
        (ConnectionRefusedError(111, "refused"), Kind.CONNECTION, RETRY_AND_TRIP),
        (ConnectionResetError(104, "reset"), Kind.CONNECTION, RETRY_AND_TRIP),
        (OSError(-2, "Name or service not known"), Kind.CONNECTION, RETRY_AND_TRIP),
        (TimeoutError("no connection in 5 s"), Kind.TIMEOUT, RETRY_AND_TRIP),
        (asyncpg.InternalClientError("cannot switch to state 15"), Kind.CONNECTION, RETRY_AND_TRIP),
    ],
)
def test_what_asyncpg_lets_through_raw_is_judged_once_it_is_wrapped(error, kind, verdict):
    failure = classify(as_database_error(error))
    assert (failure.retryable, failure.trips) == verdict
    assert judge(as_database_error(error)).kind is kind


@pytest.mark.parametrize(
    ("words", "kind", "verdict"),
    [
        ('connection to server failed: FATAL: password authentication failed for user "x"',
         Kind.CONFIGURATION, NEITHER),
        ('FATAL:  database "x" does not exist', Kind.CONFIGURATION, NEITHER),
        ("FATAL:  no pg_hba.conf entry for host", Kind.CONFIGURATION, NEITHER),
        ("FATAL:  sorry, too many clients already", Kind.OVERLOADED, RETRY_AND_TRIP),
        ("FATAL: remaining connection slots are reserved", Kind.OVERLOADED, RETRY_AND_TRIP),
        ("connection failed: Connection refused", Kind.CONNECTION, RETRY_AND_TRIP),
        ("the database system is starting up", Kind.CONNECTION, RETRY_AND_TRIP),
    ],
)  # fmt: skip
def test_psycopg_gives_no_sqlstate_when_connecting_so_its_words_must_do(words, kind, verdict):
    failure = classify(with_words(words))
    assert (judge(with_words(words)).kind, (failure.retryable, failure.trips)) == (kind, verdict)


def test_without_a_code_the_state_of_the_connection_decides():
    assert judge(with_words("?", exc.DBAPIError, invalidated=True)).kind is Kind.CONNECTION
    assert judge(with_words("connection is closed", exc.InterfaceError)).kind is Kind.CONNECTION
    assert judge(with_words("another operation", exc.InterfaceError)).kind is Kind.QUERY


def test_a_code_that_blames_the_statement_yields_to_a_broken_connection():
    assert judge(with_state("0A000", invalidated=True)).kind is Kind.CONNECTION


def test_a_plan_made_stale_by_a_schema_change_is_worth_another_attempt():
    orig = FakeDriverError("cached statement plan is invalid")
    assert not classify(wrapped(orig, exc.NotSupportedError)).retryable
    orig.__cause__ = asyncpg.InvalidCachedStatementError("cached statement plan is invalid")
    assert classify(wrapped(orig, exc.NotSupportedError)).retryable


def test_a_server_turned_read_only_is_tried_again_only_if_the_connection_was_dropped():
    assert not classify(with_state("25006")).retryable
    assert classify(with_state("25006", invalidated=True)).retryable


def test_the_sqlstate_may_hide_in_the_cause_or_be_called_pgcode():
    orig = FakeDriverError()
    orig.__cause__ = FakeDriverError()
    orig.__cause__.sqlstate = "40001"
    assert error_code(wrapped(orig)) == "40001"
    other = FakeDriverError()
    other.pgcode = "40P01"
    assert error_code(wrapped(other)) == "40P01"


@pytest.mark.parametrize("odd", [b"40001", "4000", None, 40001])
def test_what_does_not_look_like_a_sqlstate_is_not_taken_for_one(odd):
    assert error_code(with_state(odd)) is None


@pytest.mark.parametrize(
    ("error", "kind", "verdict"),
    [
        (errors.CommitOutcomeUnknown("?"), Kind.COMMIT_UNKNOWN, TRIP),
        (StatementTimedOut("late"), Kind.TIMEOUT, RETRY_AND_TRIP),
        (RestTimedOut("left"), Kind.QUERY, NEITHER),
        (PoolExhausted("database", 30, ()), Kind.POOL_EXHAUSTED, NEITHER),
        (exc.TimeoutError("QueuePool limit"), Kind.POOL_EXHAUSTED, NEITHER),
        (ValueError("mine"), Kind.CALLER, NEITHER),
        (TimeoutError("mine"), Kind.CALLER, NEITHER),
        (ConnectionRefusedError("mine"), Kind.CALLER, NEITHER),
        (errors.DeadlineExceeded("an AI call's"), Kind.CALLER, NEITHER),
        (errors.RateLimited("ai:claude", 3.0), Kind.CALLER, NEITHER),
        (exc.NoResultFound("mine"), Kind.CALLER, NEITHER),
        (exc.PendingRollbackError("mine"), Kind.CALLER, NEITHER),
    ],
)
def test_what_is_not_the_databases_doing_is_the_callers(error, kind, verdict):
    failure = classify(error)
    assert (judge(error).kind, (failure.retryable, failure.trips)) == (kind, verdict)


def test_a_sealed_error_is_never_retried_and_says_why():
    error = with_state("40001")
    seal(error)
    assert not classify(error).retryable
    seal(error)
    assert len(error.__notes__) == 1
    assert "some of it was committed" in error.__notes__[0]


@pytest.mark.parametrize(
    ("error", "proof"),
    [
        (with_state("40001"), True),
        (with_state("23503"), True),
        (with_state("53100"), True),
        (with_state("57014"), True),
        (with_state("P0001"), True),
        (with_state("57P01"), False),
        (with_state("08006"), False),
        (with_state("40003"), False),
        (with_state("XX000"), False),
        (with_state("40001", invalidated=True), False),
        (with_words("server closed the connection unexpectedly"), False),
        (StatementTimedOut("late"), False),
        (with_sqlite(5), True),
        (with_sqlite(787, exc.IntegrityError), True),
        (with_sqlite(10), False),
        (with_mysql(1213), True),
        (with_mysql(1180), False),
        (with_mysql(2013, invalidated=True), False),
    ],
)
def test_only_what_the_server_itself_answers_to_a_commit_proves_a_rollback(error, proof):
    assert proves_rollback(error) is proof


def test_no_verdict_tells_what_the_error_said():
    for error in (with_state("23505"), with_words("open-sesame"), with_sqlite(1), with_mysql(1062)):
        assert "sesame" not in classify(error).cause
        assert "said" not in classify(error).cause
