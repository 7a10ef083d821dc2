"""After closing, admission grows with success instead of all at once."""

import pytest

from koo.resilience import ONE_REQUEST, SUCCESS, Permit, State
from koo.resilience.gate import HeldPermit
from koo.testing import FakeClock

from ..tools import FAILED, WRONG, admitted, breaker, call, calls, refused, trip


@pytest.fixture
def clock():
    return FakeClock()


def close(gate, clock):
    trip(gate)
    clock.advance(60)
    calls(gate, 2)
    assert gate.stats().state is State.CLOSED


def rush(gate, number=1000):
    """The permits that so many callers at one moment get."""
    answers = [gate.admit(ONE_REQUEST) for _ in range(number)]
    return [answer for answer in answers if isinstance(answer, Permit)]


def test_of_a_thousand_calls_at_closing_two_are_let_in(clock):
    gate = breaker(clock)
    close(gate, clock)
    permits = rush(gate)
    assert len(permits) == 2
    assert refused(gate).cause == "recovering"


def test_each_success_lets_one_more_be_in_flight(clock):
    gate = breaker(clock)
    close(gate, clock)
    for width in (2, 4, 8, 16):
        permits = rush(gate)
        assert len(permits) == width
        for permit in permits:
            permit.settle(SUCCESS)


def test_answers_widen_the_ramp_and_silence_does_not(clock):
    gate = breaker(clock)
    close(gate, clock)
    call(gate, WRONG)
    admitted(gate).cancel()
    assert len(rush(gate)) == 3


def test_a_refusal_says_when_the_ramp_widens(clock):
    gate = breaker(clock, ramp_timeout=2)
    close(gate, clock)
    held = rush(gate)
    clock.advance(0.5)
    assert refused(gate).retry_after == 1.5
    del held


def test_the_ramp_doubles_with_time_even_if_all_that_is_in_flight_hangs(clock):
    gate = breaker(clock, ramp_timeout=2)
    close(gate, clock)
    hung, in_flight = [], []
    for _ in range(6):
        hung += rush(gate)
        in_flight.append(len(hung))
        clock.advance(2)
    assert in_flight == [2, 4, 8, 16, 32, 64]


def test_the_ramp_does_not_double_before_its_time(clock):
    gate = breaker(clock, ramp_timeout=2)
    close(gate, clock)
    hung = rush(gate)
    clock.advance(1.999)
    assert not rush(gate)
    del hung


def test_a_long_silence_doubles_the_ramp_no_more_than_once(clock):
    gate = breaker(clock, ramp_timeout=2)
    close(gate, clock)
    hung = rush(gate)
    clock.advance(100)
    hung += rush(gate)
    assert len(hung) == 4
    assert refused(gate).retry_after == 2


def test_the_ramp_is_over_once_it_has_refused_nobody_for_its_time(clock):
    gate = breaker(clock, ramp_timeout=2)
    close(gate, clock)
    assert len(rush(gate)) == 2
    clock.advance(2)
    assert len([admitted(gate) for _ in range(4)]) == 4
    clock.advance(2)
    assert len(rush(gate)) == 1000


def test_who_is_wide_enough_from_the_start_is_not_doubled(clock):
    gate = breaker(clock, ramp_timeout=2, ramp_start=1)
    close(gate, clock)
    admitted(gate).cancel()
    clock.advance(2)
    assert len(rush(gate)) == 1000


def test_the_load_of_the_first_second_stays_under_the_ramp(clock):
    """A call takes 50 ms: the dependency's load doubles with every answer."""
    gate = breaker(clock)
    close(gate, clock)
    admitted_by = []
    for _ in range(8):
        permits = rush(gate, 500)
        admitted_by.append(len(permits))
        clock.advance(0.05)
        for permit in permits:
            permit.settle(SUCCESS)
    assert admitted_by == [2, 4, 8, 16, 32, 64, 128, 256]


def test_failures_on_the_ramp_open_again(clock):
    gate = breaker(clock)
    close(gate, clock)
    for _ in range(5):
        call(gate, FAILED)
    assert gate.stats().state is State.OPEN


def test_there_is_no_ramp_before_the_first_opening(clock):
    assert len(rush(breaker(clock))) == 1000


def test_a_ramp_without_time_is_none(clock):
    gate = breaker(clock, ramp_timeout=0)
    close(gate, clock)
    assert len(rush(gate)) == 1000


@pytest.mark.parametrize("mode", ["force_close", "disable"])
def test_who_admits_everything_ramps_neither_now_nor_when_released(clock, mode):
    gate = breaker(clock)
    trip(gate)
    getattr(gate, mode)()
    assert len(rush(gate)) == 1000
    gate.release()
    assert len(rush(gate)) == 1000


def test_a_breaker_forced_closed_is_as_quick_as_a_closed_one(clock):
    """A ramp that never ended kept it on the long way, with a finalizer for each call."""
    gate = breaker(clock)
    trip(gate)
    gate.force_close()
    assert not isinstance(admitted(gate), HeldPermit)


def test_what_was_in_flight_on_the_ramp_still_counts_after_it(clock):
    gate = breaker(clock)
    close(gate, clock)
    permits = rush(gate)
    clock.advance(3)
    call(gate)
    for permit in permits:
        permit.settle(FAILED)
    assert (gate.stats().failures, gate.stats().outcomes) == (2, 3)
