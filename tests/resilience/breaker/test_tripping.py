"""When a closed breaker opens, and when it must not."""

import pytest

from koo.resilience import ABANDONED, SUCCESS, Failure, State, WindowConfig
from koo.testing import FakeClock

from ..tools import CONFLICTED, FAILED, THROTTLED, WRONG, admitted, breaker, call, calls, refused


@pytest.fixture
def clock():
    return FakeClock()


def test_five_failures_of_five_calls_trip(clock):
    gate = breaker(clock)
    calls(gate, 4, FAILED)
    assert gate.stats().state is State.CLOSED
    call(gate, FAILED)
    assert gate.stats().state is State.OPEN
    assert gate.stats().cause == "5 of the last 5 attempts failed; last: boom"


def test_five_failures_of_ten_thousand_calls_do_not_trip(clock):
    gate = breaker(clock)
    for _ in range(5):
        calls(gate, 2000)
        call(gate, FAILED)
        clock.advance(0.01)
    assert gate.stats().state is State.CLOSED


def test_half_of_the_window_trips_and_a_hair_less_does_not(clock):
    gate, other = breaker(clock), breaker(clock)
    calls(gate, 6)
    calls(gate, 5, FAILED)
    calls(other, 5)
    calls(other, 5, FAILED)
    assert gate.stats().state is State.CLOSED
    assert other.stats().state is State.OPEN


def test_the_window_is_the_last_hundred_outcomes(clock):
    gate = breaker(clock)
    calls(gate, 1000)
    clock.advance(10)
    calls(gate, 49, FAILED)
    assert gate.stats().state is State.CLOSED
    assert (gate.stats().failures, gate.stats().outcomes) == (49, 100)
    call(gate, FAILED)
    assert gate.stats().state is State.OPEN


def test_the_window_is_twice_a_large_threshold(clock):
    gate = breaker(clock, failure_threshold=80)
    calls(gate, 200)
    clock.advance(10)
    calls(gate, 79, FAILED)
    assert gate.stats().outcomes == 160
    assert gate.stats().state is State.CLOSED
    call(gate, FAILED)
    assert gate.stats().state is State.OPEN


def test_the_window_is_all_of_the_last_second_if_that_is_more(clock):
    gate = breaker(clock)
    calls(gate, 500)
    clock.advance(0.5)
    calls(gate, 400, FAILED)
    assert (gate.stats().failures, gate.stats().outcomes) == (400, 900)
    assert gate.stats().state is State.CLOSED
    calls(gate, 100, FAILED)
    assert gate.stats().state is State.OPEN


def test_nothing_older_than_five_minutes_counts(clock):
    gate = breaker(clock)
    calls(gate, 4, FAILED)
    call(gate)
    clock.advance(300 + 300 / 20)
    call(gate, FAILED)
    assert (gate.stats().failures, gate.stats().outcomes) == (1, 1)
    assert gate.stats().state is State.CLOSED


def test_a_run_of_failures_spread_over_a_second_trips(clock):
    gate = breaker(clock)
    calls(gate, 10_000)
    for _ in range(4):
        call(gate, FAILED)
        clock.advance(0.25)
    assert gate.stats().state is State.CLOSED
    call(gate, FAILED)
    assert gate.stats().state is State.OPEN
    assert gate.stats().cause == "5 attempts in a row failed; last: boom"


def test_a_run_that_is_not_yet_a_second_long_does_not_trip(clock):
    gate = breaker(clock)
    calls(gate, 10_000)
    call(gate, FAILED)
    clock.advance(0.999)
    calls(gate, 20, FAILED)
    assert gate.stats().state is State.CLOSED


@pytest.mark.parametrize(("pause", "state"), [(3600, "closed"), (90, "closed"), (70, "open")])
def test_a_run_counts_only_as_far_as_the_window_reaches(clock, pause, state):
    gate = breaker(clock)
    for _ in range(5):
        clock.advance(pause)
        call(gate, FAILED)
    assert gate.stats().state == state


def test_a_run_whose_beginning_has_left_the_window_trips_by_the_rest_of_it(clock):
    gate = breaker(clock)
    for _ in range(9):
        clock.advance(90)
        call(gate, FAILED)
    assert gate.stats().state is State.CLOSED
    call(gate, FAILED)
    assert gate.stats().cause == "5 of the last 5 attempts failed; last: boom"


def test_four_failures_in_a_row_are_no_run(clock):
    gate = breaker(clock)
    calls(gate, 100)
    for _ in range(4):
        call(gate, FAILED)
        clock.advance(10)
    assert gate.stats().state is State.CLOSED


@pytest.mark.parametrize("proof_of_life", [SUCCESS, WRONG, CONFLICTED])
def test_one_answer_ends_a_run_of_failures(clock, proof_of_life):
    gate = breaker(clock)
    calls(gate, 100)
    for _ in range(4):
        call(gate, FAILED)
        clock.advance(1)
    call(gate, proof_of_life)
    call(gate, FAILED)
    assert gate.stats().state is State.CLOSED


@pytest.mark.parametrize("silence", [ABANDONED, THROTTLED])
def test_what_says_nothing_does_not_end_a_run(clock, silence):
    gate = breaker(clock)
    calls(gate, 100)
    for _ in range(4):
        call(gate, FAILED)
        call(gate, silence)
        clock.advance(1)
    call(gate, FAILED)
    assert gate.stats().state is State.OPEN


def test_a_blip_of_70_ms_in_a_busy_service_does_not_trip(clock):
    gate = breaker(clock)
    for _ in range(3000):
        call(gate)
        clock.advance(0.001)
    for _ in range(70):
        call(gate, FAILED)
        clock.advance(0.001)
    for _ in range(3000):
        call(gate)
        clock.advance(0.001)
    assert gate.stats().opened_total == 0


@pytest.mark.no_cover
@pytest.mark.parametrize("rate", [20, 100, 1000, 5000])
def test_a_total_outage_after_busy_health_trips_within_two_seconds(clock, rate):
    gate = breaker(clock)
    for _ in range(60 * rate):
        call(gate)
        clock.advance(1 / rate)
    began = clock.now
    while gate.stats().state is State.CLOSED:
        call(gate, FAILED)
        clock.advance(1 / rate)
    assert clock.now - began <= 2.0


def test_a_thousand_client_errors_never_trip(clock):
    gate = breaker(clock)
    for _ in range(1000):
        call(gate, WRONG)
        clock.advance(0.01)
    assert gate.stats().state is State.CLOSED
    assert gate.stats().failures == 0


@pytest.mark.parametrize("silence", [ABANDONED, THROTTLED])
def test_a_thousand_calls_that_say_nothing_leave_no_trace(clock, silence):
    gate = breaker(clock)
    calls(gate, 1000, silence)
    assert (gate.stats().outcomes, gate.stats().state) == (0, State.CLOSED)


def test_a_call_refused_further_in_leaves_no_trace(clock):
    gate = breaker(clock)
    for _ in range(1000):
        admitted(gate).cancel()
    assert gate.stats().outcomes == 0


def test_an_open_circuit_refuses_and_says_when_to_come_back(clock):
    gate = breaker(clock)
    calls(gate, 5, FAILED)
    clock.advance(20)
    refusal = refused(gate)
    assert refusal.retry_after == pytest.approx(40)
    assert str(refusal) == (
        "dep: circuit open (5 of the last 5 attempts failed; last: boom); try again in 40.0 s"
    )


def test_becoming_closed_starts_the_window_empty(clock):
    gate = breaker(clock)
    calls(gate, 5, FAILED)
    clock.advance(60)
    calls(gate, 2)
    assert gate.stats().state is State.CLOSED
    assert (gate.stats().outcomes, gate.stats().failures) == (0, 0)
    calls(gate, 4, FAILED)
    assert gate.stats().state is State.CLOSED


def test_a_window_of_outcomes_alone_forgets_by_number(clock):
    gate = breaker(clock, window=WindowConfig(size=10, span=0))
    calls(gate, 1000)
    calls(gate, 5, FAILED)
    assert gate.stats().state is State.OPEN


def test_a_window_of_time_alone_forgets_by_time(clock):
    gate = breaker(clock, window=WindowConfig(size=0, span=10.0, age=10.0), streak_span=1e9)
    calls(gate, 4, FAILED)
    clock.advance(12)
    call(gate, FAILED)
    assert (gate.stats().failures, gate.stats().state) == (1, State.CLOSED)
    calls(gate, 4, FAILED)
    assert gate.stats().state is State.OPEN


def test_a_failure_without_a_cause_is_told_without_one(clock):
    gate = breaker(clock)
    calls(gate, 5, Failure(retryable=True, trips=True))
    assert gate.stats().cause == "5 of the last 5 attempts failed"
