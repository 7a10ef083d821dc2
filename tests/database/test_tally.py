"""A tally: whose doing an error was, and how many of the last transactions failed."""

import pytest

from koo.database.scope import Scope
from koo.database.tally import Tally
from koo.database.verdicts import Kind, Verdict
from koo.resilience import Failure
from koo.testing import FakeClock

BLAMED = sorted(kind for kind in Kind if kind.blames_database)
NOT_BLAMED = sorted({*Kind} - {*BLAMED})


class Tallied(Tally):
    """A tally, when its transactions succeeded, and a clock of its own."""

    __slots__ = ("clock", "successes")

    def __init__(self):
        self.clock, self.successes = FakeClock(), []
        super().__init__(self.clock, self.successes.append)

    @property
    def rate(self):
        return self.failure_rate(self.clock.monotonic())


def heard():
    scope = Scope(None)
    scope.touched = True
    return scope


def as_a(kind):
    return Verdict(kind, Failure(retryable=False, trips=False))


def test_before_any_transaction_there_is_no_rate():
    tally = Tallied()
    assert (tally.rate, tally.errors) == (None, ())


@pytest.mark.parametrize("kind", BLAMED)
@pytest.mark.parametrize("scope", [Scope(None), heard()])
def test_what_the_database_is_to_blame_for_is_a_failure_whether_it_was_heard_or_not(kind, scope):
    tally = Tallied()
    tally.add(scope, as_a(kind))
    assert (tally.rate, tally.errors, tally.successes) == (1.0, ((kind.value, 1),), [])


@pytest.mark.parametrize("kind", NOT_BLAMED)
def test_what_others_are_to_blame_for_is_a_success_of_a_database_that_was_heard(kind):
    tally = Tallied()
    tally.add(heard(), as_a(kind))
    assert (tally.rate, tally.successes) == (0.0, [tally.clock.monotonic()])


@pytest.mark.parametrize("verdict", [None, *map(as_a, NOT_BLAMED)])
def test_a_database_that_was_not_heard_has_not_succeeded(verdict):
    tally = Tallied()
    tally.add(Scope(None), verdict)
    assert (tally.rate, tally.successes) == (None, [])


def test_a_callers_own_error_is_none_of_the_errors():
    tally = Tallied()
    for kind in (Kind.CALLER, Kind.QUERY, Kind.INTEGRITY, Kind.INTEGRITY):
        tally.add(heard(), as_a(kind))
    assert tally.errors == (("integrity", 2), ("query", 1))


def test_the_rate_is_that_of_the_last_five_minutes():
    tally = Tallied()
    tally.add(heard(), as_a(Kind.TIMEOUT))
    tally.clock.advance(200)
    tally.add(heard())
    assert tally.rate == 0.5
    tally.clock.advance(200)
    assert tally.rate == 0.0
    assert tally.errors == (("timeout", 1),)


def test_what_is_forgotten_is_not_told():
    tally = Tallied()
    tally.add(heard(), as_a(Kind.TIMEOUT))
    tally.forget()
    assert (tally.rate, tally.errors) == (None, ())
