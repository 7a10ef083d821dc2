"""Slow calls: counted when they end, and while they have not."""

import gc

import pytest

from koo.resilience import ABANDONED, SUCCESS, State
from koo.testing import FakeClock

from ..tools import FAILED, admitted, breaker, call, calls, refused, trip


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def gate(clock):
    return breaker(clock, slow_threshold=2.0)


def slow_call(gate, clock, seconds=3.0, outcome=SUCCESS):
    permit = admitted(gate)
    clock.advance(seconds)
    permit.settle(outcome)


def test_five_slow_successes_of_five_trip(gate, clock):
    for _ in range(4):
        slow_call(gate, clock)
    assert (gate.stats().slow, gate.stats().failures) == (4, 0)
    slow_call(gate, clock)
    assert gate.stats().state is State.OPEN
    assert gate.stats().cause == "calls take longer than 2 s"


def test_a_call_as_long_as_the_threshold_is_not_slow(gate, clock):
    for _ in range(10):
        slow_call(gate, clock, 2.0)
    assert (gate.stats().slow, gate.stats().state) == (0, State.CLOSED)


def test_five_slow_calls_of_ten_trip(gate, clock):
    calls(gate, 5)
    for _ in range(5):
        assert gate.stats().state is State.CLOSED
        slow_call(gate, clock)
    assert gate.stats().state is State.OPEN


def test_slow_calls_that_are_less_than_their_rate_do_not_trip(gate, clock):
    for _ in range(20):
        slow_call(gate, clock)
        calls(gate, 2)
    assert gate.stats().state is State.CLOSED


def test_without_a_threshold_nothing_is_slow(clock):
    gate = breaker(clock)
    for _ in range(10):
        slow_call(gate, clock, 1000)
    assert (gate.stats().slow, gate.stats().state) == (0, State.CLOSED)


def test_calls_in_flight_trip_before_they_end(gate, clock):
    hung = [admitted(gate) for _ in range(5)]
    clock.advance(2.001)
    assert "calls take longer than 2 s" in str(refused(gate))
    assert gate.stats().state is State.OPEN
    assert gate.stats().outcomes == 0
    del hung


def test_four_hung_calls_do_not_trip(gate, clock):
    hung = [admitted(gate) for _ in range(4)]
    clock.advance(100)
    fifth = admitted(gate)
    assert gate.stats().state is State.CLOSED
    del hung, fifth


def test_hung_calls_among_many_quick_ones_do_not_trip(gate, clock):
    hung = [admitted(gate) for _ in range(5)]
    calls(gate, 50)
    clock.advance(3)
    call(gate)
    assert gate.stats().state is State.CLOSED
    del hung


def test_only_calls_in_flight_beyond_the_threshold_are_counted(gate, clock):
    hung = [admitted(gate) for _ in range(4)]
    clock.advance(1)
    as_old_as_the_threshold = admitted(gate)
    clock.advance(2)
    young = [admitted(gate) for _ in range(5)]
    assert gate.stats().state is State.CLOSED
    clock.advance(0.001)
    refused(gate)
    assert gate.stats().state is State.OPEN
    del hung, as_old_as_the_threshold, young


def test_a_call_in_flight_is_one_of_the_outcomes_that_it_is_compared_with(gate, clock):
    """Five of eleven are less than half."""
    hung = [admitted(gate) for _ in range(5)]
    calls(gate, 6)
    clock.advance(3)
    call(gate)
    assert gate.stats().state is State.CLOSED
    del hung


def test_a_quick_answer_may_show_that_the_others_hang(gate, clock):
    """The verdict is asked for at every outcome, not only at admission."""
    hung = [admitted(gate) for _ in range(5)]
    clock.advance(1.9)
    quick = admitted(gate)
    clock.advance(0.2)
    quick.settle(SUCCESS)
    assert gate.stats().state is State.OPEN
    del hung


def test_what_hung_and_ended_is_no_longer_in_flight(gate, clock):
    hung = [admitted(gate) for _ in range(5)]
    for permit in hung:
        permit.settle(ABANDONED)
    clock.advance(100)
    admitted(gate)
    assert gate.stats().state is State.CLOSED


def test_a_dropped_permit_is_no_longer_in_flight(gate, clock):
    hung = [admitted(gate) for _ in range(5)]
    hung.clear()
    gc.collect()
    clock.advance(100)
    admitted(gate)
    assert gate.stats().state is State.CLOSED


def test_a_slow_probe_fails(gate, clock):
    trip(gate)
    clock.advance(60)
    slow_call(gate, clock, 2.5)
    assert gate.stats().state is State.OPEN
    assert gate.stats().retry_after == 120


def test_a_probe_that_answers_too_late_says_how_late_and_by_which_limit(gate, clock):
    trip(gate)
    clock.advance(60)
    slow_call(gate, clock, 2.5)
    assert gate.stats().cause == "a probe took 2.5 s, longer than 2 s"


def test_a_probe_that_failed_slowly_says_that_it_failed(gate, clock):
    trip(gate)
    clock.advance(60)
    slow_call(gate, clock, 2.5, FAILED)
    assert gate.stats().cause == "a probe failed; last: boom"


def test_a_quick_probe_counts_as_ever(gate, clock):
    trip(gate)
    clock.advance(60)
    slow_call(gate, clock, 1.5)
    slow_call(gate, clock, 1.5)
    assert gate.stats().state is State.CLOSED


def test_calls_that_hang_since_the_ramp_are_not_forgotten_when_it_ends(clock):
    gate = breaker(clock, slow_threshold=2.0, ramp_start=5, ramp_timeout=2.0)
    trip(gate)
    clock.advance(60)
    calls(gate, 2)
    hung = [admitted(gate) for _ in range(5)]
    clock.advance(2.0)
    admitted(gate).cancel()
    clock.advance(0.1)
    refused(gate)
    assert gate.stats().state is State.OPEN
    del hung


@pytest.mark.parametrize("mode", ["force_close", "disable"])
def test_slowness_does_not_open_what_a_person_holds_closed(gate, clock, mode):
    getattr(gate, mode)()
    hung = [admitted(gate) for _ in range(10)]
    clock.advance(100)
    for permit in hung:
        admitted(gate).settle(SUCCESS)
        permit.settle(SUCCESS)
    assert gate.stats().state is State.CLOSED


def test_failures_and_slowness_are_counted_apart(gate, clock):
    calls(gate, 20)
    slow_call(gate, clock, outcome=FAILED)
    assert (gate.stats().failures, gate.stats().slow) == (1, 1)


def test_no_more_overdue_calls_are_looked_at_than_the_window_holds(clock):
    gate = breaker(clock, slow_threshold=2.0, failure_threshold=101, slow_rate=1.0)
    hung = [admitted(gate) for _ in range(500)]
    clock.advance(3)
    refused(gate)
    assert gate.stats().state is State.OPEN
    del hung


def test_a_stream_is_as_slow_as_its_first_item(gate, clock):
    for first, slow in ((1.0, 0), (2.5, 1)):
        permit = admitted(gate)
        clock.advance(first)
        permit.answered()
        clock.advance(100)
        permit.settle(SUCCESS)
        assert gate.stats().slow == slow


def test_only_the_first_item_of_a_stream_is_timed(gate, clock):
    permit = admitted(gate)
    clock.advance(1)
    permit.answered()
    clock.advance(100)
    permit.answered()
    permit.settle(SUCCESS)
    assert gate.stats().slow == 0


def test_who_has_begun_to_answer_does_not_hang(gate, clock):
    streams = [admitted(gate) for _ in range(5)]
    for permit in streams:
        permit.answered()
    clock.advance(100)
    admitted(gate)
    assert gate.stats().state is State.CLOSED
    del streams


def test_a_stream_that_is_answered_after_its_end_or_its_era_moves_nothing(gate, clock):
    settled, stale = admitted(gate), admitted(gate)
    settled.settle(SUCCESS)
    gate.isolate("by hand")
    gate.reset()
    hung = [admitted(gate) for _ in range(2)]
    for permit in (settled, stale):
        permit.answered()
    assert refused(gate).cause == "recovering"
    del hung


def test_a_probe_is_as_slow_as_its_first_item(gate, clock):
    trip(gate)
    clock.advance(60)
    probe = admitted(gate)
    clock.advance(2.5)
    probe.answered()
    clock.advance(100)
    probe.settle(SUCCESS)
    assert gate.stats().cause == "a probe took 2.5 s, longer than 2 s"
