"""How long an open breaker waits."""

import random

import pytest

from koo.resilience import Failure, State
from koo.testing import FakeClock

from ..tools import FAILED, THROTTLED, admitted, breaker, call, calls, refused, trip


@pytest.fixture
def clock():
    return FakeClock()


def fail_the_probe(gate, clock):
    """The wait that follows."""
    clock.advance(gate.stats().retry_after)
    call(gate, FAILED)
    return gate.stats().retry_after


def test_the_first_wait_is_the_recovery_timeout(clock):
    gate = breaker(clock, recovery_timeout=30)
    trip(gate)
    clock.advance(29.999)
    refused(gate)
    clock.advance(0.001)
    admitted(gate)
    assert gate.stats().state is State.HALF_OPEN


def test_a_wait_may_be_a_fraction_of_a_second(clock):
    gate = breaker(clock, recovery_timeout=0.25)
    trip(gate)
    assert gate.stats().retry_after == 0.25


def test_the_jitter_is_at_most_a_tenth_and_never_shortens(clock):
    waits = []
    for number in range(200):
        gate = breaker(clock, random=random.Random(number).random)
        trip(gate)
        waits.append(gate.stats().retry_after)
    assert 60 <= min(waits) < 61
    assert 65 < max(waits) <= 66


def test_the_wait_doubles_to_at_most_five_times_while_probes_fail(clock):
    gate = breaker(clock, recovery_timeout=10)
    trip(gate)
    waits = [gate.stats().retry_after] + [fail_the_probe(gate, clock) for _ in range(5)]
    assert waits == [10, 20, 40, 50, 50, 50]


def test_a_recovery_forgets_how_often_probes_failed(clock):
    gate = breaker(clock, recovery_timeout=10, success_threshold=1)
    trip(gate)
    fail_the_probe(gate, clock)
    clock.advance(20)
    call(gate)
    assert gate.stats().state is State.CLOSED
    trip(gate)
    assert gate.stats().retry_after == 10


@pytest.mark.parametrize("end", ["reset", "release_of_isolation", "force_close", "disable"])
def test_closing_by_hand_forgets_how_often_probes_failed(clock, end):
    gate = breaker(clock, recovery_timeout=10)
    trip(gate)
    fail_the_probe(gate, clock)
    match end:
        case "reset":
            gate.reset()
        case "release_of_isolation":
            gate.isolate("by hand")
            gate.release()
        case _:
            getattr(gate, end)()
            gate.release()
    trip(gate)
    assert gate.stats().retry_after == 10


def test_a_longer_wait_that_the_dependency_names_is_kept(clock):
    gate = breaker(clock, recovery_timeout=10)
    calls(gate, 5, Failure(retryable=True, trips=True, retry_after=25))
    assert gate.stats().retry_after == 25


def test_a_shorter_wait_that_the_dependency_names_changes_nothing(clock):
    gate = breaker(clock, recovery_timeout=10)
    calls(gate, 5, Failure(retryable=True, trips=True, retry_after=3))
    assert gate.stats().retry_after == 10


def test_a_dependency_that_names_a_year_is_not_believed(clock):
    gate = breaker(clock)
    calls(gate, 5, Failure(retryable=True, trips=True, retry_after=365 * 86400))
    assert gate.stats().retry_after == 3600


def test_open_until_opens_for_as_long_as_the_other_side_said(clock):
    gate = breaker(clock)
    gate.open_until(120, "maintenance until noon")
    assert refused(gate).retry_after == 120
    assert gate.stats().cause == "maintenance until noon"
    clock.advance(120)
    admitted(gate)


def test_open_until_prolongs_a_wait_under_way_but_never_shortens_it(clock):
    gate = breaker(clock)
    trip(gate)
    gate.open_until(10, "soon back")
    assert gate.stats().retry_after == 60
    gate.open_until(100, "later")
    assert gate.stats().retry_after == 100


@pytest.mark.parametrize("mode", ["force_close", "disable"])
def test_open_until_can_not_open_what_a_person_holds_closed(clock, mode):
    gate = breaker(clock)
    getattr(gate, mode)()
    gate.open_until(120, "busy")
    assert gate.stats().state is State.CLOSED
    admitted(gate)


def test_open_until_does_not_release_what_a_person_isolated(clock):
    gate = breaker(clock)
    gate.isolate("a person said so")
    gate.open_until(5, "busy")
    clock.advance(10)
    assert refused(gate).retry_after is None
    assert gate.stats().cause == "a person said so"


def test_a_successful_check_in_the_background_ends_the_wait(clock):
    gate = breaker(clock)
    trip(gate)
    gate.half_open()
    assert gate.stats().state is State.HALF_OPEN
    calls(gate, 2)
    assert gate.stats().state is State.CLOSED


def test_a_successful_check_does_nothing_to_a_breaker_that_is_not_open(clock):
    gate = breaker(clock)
    gate.half_open()
    assert gate.stats().state is State.CLOSED
    assert gate.stats().generation == 0


@pytest.mark.parametrize("step", [3600, -3600])
def test_an_hour_of_the_wall_clock_changes_nothing(clock, step):
    gate = breaker(clock)
    trip(gate)
    clock.step_wall(step)
    assert refused(gate).retry_after == 60
    clock.advance(60)
    clock.step_wall(step)
    probe = admitted(gate)
    clock.step_wall(step)
    refused(gate)
    probe.settle(FAILED)
    assert gate.stats().retry_after == 120


@pytest.mark.parametrize("step", [3600, -3600])
def test_a_window_does_not_see_the_wall_clock(clock, step):
    gate = breaker(clock)
    calls(gate, 4, FAILED)
    clock.step_wall(step)
    call(gate, FAILED)
    assert gate.stats().state is State.OPEN


def test_breakers_that_tripped_together_do_not_probe_together(clock):
    """A thousand processes with one wait: their probes are spread over a tenth of it."""
    draw = random.Random(1).random
    waits = []
    for _ in range(1000):
        gate = breaker(clock, random=draw)
        trip(gate)
        waits.append(gate.stats().retry_after)
    tenths = [int((wait - 60) / 0.6) for wait in waits]
    busiest = max(tenths.count(tenth) for tenth in range(10))
    assert busiest / 100 <= 1.7


def test_throttling_while_closed_opens_nothing(clock):
    gate = breaker(clock)
    calls(gate, 100, THROTTLED)
    assert gate.stats().state is State.CLOSED
