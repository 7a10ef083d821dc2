"""The journal keeps what a person would want to know, and nothing else."""

import pytest

from koo.monitoring import Journal
from koo.resilience import (
    CallRejected,
    ConfigurationChanged,
    ConnectionEvent,
    GaveUp,
    HealthChecked,
    LimitPaused,
    ModeChanged,
    OperatorAction,
    RetryScheduled,
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


def test_a_state_that_begins_anew_is_no_news(journal):
    journal.record(StateRenewed("ai:claude", "open", "no key"))
    assert journal.entries() == ()


def test_a_pause_says_for_how_long(journal):
    journal.record(LimitPaused("ai:claude", 20))
    assert journal.entries()[0].cause == "for 20.0 s"


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
