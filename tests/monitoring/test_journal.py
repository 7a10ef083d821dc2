"""The journal keeps what a person would want to know, and nothing else."""

import pytest

from koo.monitoring import REQUEST_ID, Alert, AlertEvent, AlertState, Journal, Severity
from koo.resilience import (
    CallRejected,
    ConfigurationChanged,
    ConnectionEvent,
    GaveUp,
    HealthChecked,
    LimitPaused,
    LimitReached,
    ModeChanged,
    OperatorAction,
    PaceChanged,
    PoolChanged,
    RetryScheduled,
    SchemaChanged,
    StateChanged,
    StateRenewed,
)
from koo.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def journal(clock):
    return Journal(clock=clock)


def test_a_transition_is_kept_with_its_time_and_cause(journal, clock):
    journal.record(StateChanged("database", "closed", "open", "5 of 5 failed"))
    [entry] = journal.entries()
    assert (entry.at, entry.what, entry.before, entry.after, entry.cause) == (
        clock.time(), "circuit", "closed", "open", "5 of 5 failed",
    )  # fmt: skip


def test_an_action_names_who_and_why(journal):
    journal.record(OperatorAction("ai:claude", "errors reset", "fixed", "page", "a", "b"))
    [entry] = journal.entries()
    assert (entry.what, entry.actor, entry.cause) == ("errors reset", "page", "fixed")


def test_a_mode_says_what_it_was_and_why(journal):
    journal.record(ModeChanged("ai:claude", "normal", "isolated", "no key"))
    [entry] = journal.entries()
    assert (entry.what, entry.before, entry.after) == ("mode", "normal", "isolated")
    assert entry.cause == "no key"


def test_a_pool_that_is_paused_says_what_it_was_and_why(journal):
    journal.record(PoolChanged("database", "open", "paused", "pause()"))
    [entry] = journal.entries()
    assert (entry.what, entry.before, entry.after) == ("pool", "open", "paused")
    assert entry.cause == "pause()"


def test_a_state_that_begins_anew_is_no_news(journal):
    journal.record(StateRenewed("ai:claude", "open", "no key"))
    assert journal.entries() == ()


def test_a_pause_says_for_how_long(journal):
    journal.record(LimitPaused("ai:claude", 20))
    assert journal.entries()[0].cause == "for 20.0 s"


def test_what_koo_makes_in_a_database_is_an_entry(journal):
    journal.record(SchemaChanged("database", "table koo.commit_tokens made"))
    [entry] = journal.entries()
    assert (entry.what, entry.cause) == ("schema changed", "table koo.commit_tokens made")


def test_a_limit_that_is_reached_says_which(journal):
    journal.record(LimitReached("ai:claude", "0 of 60 requests are left at the service", 20.0))
    [entry] = journal.entries()
    assert (entry.what, entry.cause) == (
        "limit reached",
        "0 of 60 requests are left at the service",
    )


@pytest.mark.parametrize(("pace", "after"), [(48.0, "48.0 a minute"), (None, "as they come")])
def test_a_change_of_pace_says_how_calls_go_and_why(journal, pace, after):
    journal.record(PaceChanged("ai:claude", pace, "the traffic grew too fast"))
    [entry] = journal.entries()
    assert (entry.what, entry.after, entry.cause) == (
        "pace of calls",
        after,
        "the traffic grew too fast",
    )


def test_changed_settings_become_an_entry_and_a_notice(journal, clock):
    journal.record(ConfigurationChanged("system", ("A", "B")))
    assert journal.entries()[0].cause == "A, B"
    [notice] = journal.notices()
    assert (notice.names, notice.at) == (("A", "B"), clock.time())


def test_only_a_check_that_answers_differently_is_news(journal):
    for ok in (True, True, False, False, True):
        journal.record(HealthChecked("database", ok, None if ok else "refused", 0.1))
    assert [entry.what for entry in journal.entries()] == ["answers again", "check failed"]


@pytest.mark.parametrize(
    "event",
    [
        RetryScheduled("database", 1, 0.5, OSError()),
        GaveUp("database", 3, OSError()),
        CallRejected("database", "breaker", "open", 1.0),
        ConnectionEvent("database", "created", "demand"),
    ],
)
def test_what_happens_to_every_call_is_not_kept(journal, event):
    journal.record(event)
    assert journal.entries() == ()


def test_the_newest_come_first_and_the_oldest_go(clock):
    journal = Journal(kept=3, clock=clock)
    for number in range(5):
        journal.record(LimitPaused("x", number))
    assert [entry.cause for entry in journal.entries()] == ["for 4.0 s", "for 3.0 s", "for 2.0 s"]
    assert len(journal.entries(1)) == 1


def record(journal, *numbers):
    for number in numbers:
        journal.record(LimitPaused("x", number))


def told(page):
    return [float(entry.cause.split()[1]) for entry in page.entries]


def test_who_comes_without_a_cursor_gets_the_newest_the_oldest_of_them_first(journal):
    record(journal, *range(5))
    page = journal.read(most=2)
    assert (told(page), page.has_gap) == ([3.0, 4.0], False)


def test_a_cursor_gives_what_has_come_since_page_after_page(journal):
    cursor = journal.read().cursor
    record(journal, *range(5))
    seen = []
    for _ in range(4):
        page = journal.read(cursor, 2)
        assert not page.has_gap
        seen += told(page)
        cursor = page.cursor
    assert seen == [0.0, 1.0, 2.0, 3.0, 4.0]
    record(journal, 5)
    assert told(journal.read(cursor)) == [5.0]


def test_a_reader_that_was_too_slow_is_told_that_some_are_gone(clock):
    journal = Journal(kept=3, clock=clock)
    record(journal, 0)
    cursor = journal.read().cursor
    record(journal, *range(1, 4))
    assert not journal.read(cursor).has_gap
    record(journal, 4)
    page = journal.read(cursor)
    assert (told(page), page.has_gap) == ([2.0, 3.0, 4.0], True)


def test_a_cursor_of_another_life_begins_anew_and_says_so(journal, clock):
    record(journal, 1)
    cursor = journal.read().cursor
    clock.advance(60)
    other = Journal(clock=clock)
    record(other, 2)
    page = other.read(cursor)
    assert (told(page), page.has_gap) == ([2.0], True)
    assert not other.read(page.cursor).has_gap


def test_a_cursor_from_the_future_is_from_another_life(journal):
    record(journal, 1)
    birth, _, _ = journal.read().cursor.partition("-")
    page = journal.read(f"{birth}-99")
    assert (told(page), page.has_gap) == ([1.0], True)


@pytest.mark.parametrize("cursor", ["", "x", "abc-", "abc-x", "abc--1", "abc-\u00b2"])
def test_what_is_no_cursor_is_refused(journal, cursor):
    with pytest.raises(ValueError, match="no such cursor"):
        journal.read(cursor)


def test_an_entry_is_redacted_and_names_its_request(journal):
    token = REQUEST_ID.set("req-42")
    try:
        journal.record(OperatorAction("ai:claude", "reset", "password=Zq9-canary", "page"))
    finally:
        REQUEST_ID.reset(token)
    journal.record(OperatorAction("ai:claude", "reset", None, "page"))
    without, with_reason = journal.entries()
    assert (with_reason.cause, with_reason.request_id) == ("password=***", "req-42")
    assert (without.cause, without.request_id) == (None, None)


# -- alerts ---------------------------------------------------------------------------------------


def alert(state=AlertState.FIRING, severity=Severity.CRITICAL, cause="password=of-the-test"):
    return AlertEvent(
        Alert(
            id="database:x", severity=severity, component="database", title="Gone", message="m",
            cause=cause, state=state, since=1.0, runbook="r",
        ),
        at=7.0,
    )  # fmt: skip


def test_an_alert_that_fires_and_is_over_is_kept_redacted(journal):
    journal.record_alert(alert())
    journal.record_alert(alert(AlertState.RESOLVED, Severity.WARNING, cause=None))
    over, firing = journal.entries()
    assert (firing.at, firing.component, firing.what) == (7.0, "database", "critical alert")
    assert (firing.before, firing.after, firing.cause) == (None, "firing", "Gone: password=***")
    assert (over.what, over.after, over.cause) == ("warning alert", "resolved", "Gone")


def test_an_alert_that_may_be_nothing_or_is_news_is_not_kept(journal):
    journal.record_alert(alert(AlertState.PENDING))
    journal.record_alert(alert(severity=Severity.INFO))
    assert journal.entries() == ()
