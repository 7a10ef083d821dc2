"""What a breaker shows and tells."""

from dataclasses import FrozenInstanceError, asdict

import pytest

from koo.resilience import (
    LISTENER_ERRORS,
    ONE_REQUEST,
    SUCCESS,
    Ask,
    BreakerConfig,
    BreakerStats,
    CircuitBreaker,
    Mode,
    State,
    StateChanged,
    WindowConfig,
)
from koo.testing import FakeClock
from koo.testing.fake_clock import EPOCH

from ..tools import FAILED, admitted, breaker, call, calls, refused, trip


@pytest.fixture
def clock():
    return FakeClock()


def test_every_transition_is_told_once_after_it_happened(clock):
    told, states = [], []

    def listen(event):
        told.append(event)
        states.append(gate.stats().state)

    gate = breaker(clock, on_event=listen)
    trip(gate)
    clock.advance(60)
    calls(gate, 2)
    assert told == [
        StateChanged("dep", "closed", "open", "5 of the last 5 attempts failed; last: boom"),
        StateChanged("dep", "open", "half_open", "the wait is over; probing"),
        StateChanged("dep", "half_open", "closed", "2 probes succeeded"),
    ]
    assert states == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_a_call_that_succeeds_is_no_event(clock):
    told = []
    gate = breaker(clock, on_event=told.append)
    calls(gate, 100)
    calls(gate, 3, FAILED)
    assert not told


def test_a_listener_that_raises_is_counted_and_changes_nothing(clock):
    def broken(_):
        raise RuntimeError("the listener's own trouble")

    before = LISTENER_ERRORS.value
    gate = breaker(clock, on_event=broken)
    trip(gate)
    assert gate.stats().state is State.OPEN
    assert LISTENER_ERRORS.value == before + 1


def test_a_photograph_tells_of_the_moment_and_the_cause(clock):
    gate = breaker(clock)
    assert (gate.stats().since, gate.stats().cause) == (None, None)
    clock.advance(100)
    trip(gate)
    assert gate.stats().since == EPOCH + 100
    clock.advance(20)
    assert gate.stats().since == EPOCH + 100


def test_a_new_breaker_has_nothing_to_show(clock):
    assert breaker(clock).stats() == BreakerStats(
        name="dep",
        state=State.CLOSED,
        mode=Mode.NORMAL,
        failures=0,
        slow=0,
        outcomes=0,
        failure_threshold=5,
        successes=0,
        probes=0,
        retry_after=0.0,
        since=None,
        cause=None,
        generation=0,
        rejected_total=0,
        would_reject_total=0,
        opened_total=0,
        double_settled_total=0,
    )


def test_the_last_twenty_outcomes_are_shown_one_by_one(clock):
    gate = breaker(clock)
    for number in range(30):
        call(gate, SUCCESS if number % 10 else FAILED)
    assert gate.stats().latest == (False, *[True] * 9) * 2


def test_every_refusal_is_counted_whatever_the_reason(clock):
    gate = breaker(clock)
    trip(gate)
    clock.advance(60)
    probe = admitted(gate)
    counted = [gate.stats().rejected_total]
    for _ in range(3):
        refused(gate)
    counted.append(gate.stats().rejected_total)
    gate.reset()
    on_the_ramp = [admitted(gate), admitted(gate)]
    for _ in range(3):
        refused(gate)
    counted.append(gate.stats().rejected_total)
    gate.isolate("by hand")
    for _ in range(3):
        refused(gate)
    counted.append(gate.stats().rejected_total)
    assert counted == [1, 4, 7, 10]
    del probe, on_the_ramp


def test_a_photograph_counts_openings_and_refusals(clock):
    gate = breaker(clock)
    trip(gate)
    for _ in range(9):
        refused(gate)
    assert (gate.stats().opened_total, gate.stats().rejected_total) == (1, 10)
    clock.advance(60)
    call(gate, FAILED)
    assert gate.stats().opened_total == 2


def test_a_photograph_and_a_permit_say_whose_they_are(clock):
    gate, ask = breaker(clock), Ask(tokens=3)
    permit = admitted(gate, ask)
    assert (gate.stats().name, permit.gate, permit.ask) == ("dep", gate, ask)


def test_the_permit_of_a_probe_knows_what_was_asked_for(clock):
    gate, ask = breaker(clock), Ask(tokens=3)
    trip(gate)
    clock.advance(60)
    probe = admitted(gate, ask)
    assert (probe.gate, probe.ask) == (gate, ask)
    probe.cancel()


def test_a_permit_that_only_a_shadow_gives_knows_what_was_asked_for(clock):
    gate, ask = breaker(clock), Ask(tokens=3)
    gate.shadow()
    calls(gate, 5, FAILED)
    permit = admitted(gate, ask)
    assert (permit.gate, permit.ask) == (gate, ask)


def test_a_lease_that_ends_now_is_over_in_the_photograph(clock):
    gate = breaker(clock)
    trip(gate)
    clock.advance(60)
    probe = admitted(gate)
    clock.advance(60)
    assert (gate.stats().probes, gate.stats().retry_after) == (0, 0)
    probe.cancel()


def test_looking_changes_nothing_in_any_state(clock):
    gate, twin = breaker(clock), breaker(clock)
    for seconds, outcome in [(0.1, SUCCESS), (0.2, FAILED), (400, FAILED), (1, SUCCESS)] * 10:
        clock.advance(seconds)
        for _ in range(5):
            assert gate.stats() == gate.stats()
        for each in (gate, twin):
            answer = each.admit(ONE_REQUEST)
            if hasattr(answer, "settle"):
                answer.settle(outcome)
        assert asdict(gate.stats()) == asdict(twin.stats())


def test_a_photograph_can_not_be_changed(clock):
    with pytest.raises(FrozenInstanceError):
        breaker(clock).stats().failures = 0


def test_a_breaker_has_the_documented_settings_by_default():
    config = BreakerConfig()
    assert (config.failure_threshold, config.recovery_timeout, config.success_threshold) == (
        5,
        60,
        2,
    )
    assert config.window == WindowConfig(size=100, span=1, age=300)


def test_a_breaker_needs_nothing_but_a_name():
    gate = CircuitBreaker("plain")
    call(gate)
    call(gate, FAILED)
    assert (gate.stats().outcomes, gate.stats().failures) == (2, 1)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("failure_threshold", 0, "failure_threshold must be at least 1"),
        ("success_threshold", 0, "success_threshold must be at least 1"),
        ("max_probes", 0, "max_probes must be at least 1"),
        ("ramp_start", 0, "ramp_start must be at least 1"),
        ("recovery_timeout", 0, "recovery_timeout must be above 0 seconds"),
        ("recovery_timeout", float("nan"), "recovery_timeout must be a finite number, not nan"),
        ("slow_threshold", 0, "slow_threshold must be above 0 seconds"),
        ("streak_span", -1, "streak_span can't be negative; use 0 seconds for none"),
        ("ramp_timeout", -1, "ramp_timeout can't be negative; use 0 seconds for none"),
        ("failure_rate", 0, "failure_rate must be above 0 and at most 1"),
        ("failure_rate", 1.01, "failure_rate must be above 0 and at most 1"),
        ("slow_rate", 0, "slow_rate must be above 0 and at most 1"),
    ],
)
def test_a_breaker_that_could_never_work_is_refused_at_birth(field, value, sentence):
    with pytest.raises(ValueError, match=f"^BreakerConfig: {sentence}$"):
        BreakerConfig(**{field: value})


def test_a_breaker_at_the_edge_of_sense_is_accepted():
    BreakerConfig(
        failure_threshold=1, success_threshold=1, streak_span=0, ramp_timeout=0, failure_rate=1
    )


@pytest.mark.parametrize(
    ("window", "sentence"),
    [
        ({"size": -1}, "size and span can't be negative, and one must be above 0"),
        ({"span": -1}, "size and span can't be negative, and one must be above 0"),
        ({"size": 0, "span": 0}, "size and span can't be negative, and one must be above 0"),
        ({"age": 0.5}, "age must be above 0 and at least span; raise age"),
        ({"span": 0, "age": 0}, "age must be above 0 and at least span; raise age"),
    ],
)
def test_a_window_that_could_hold_nothing_is_refused_at_birth(window, sentence):
    with pytest.raises(ValueError, match=f"^WindowConfig: {sentence}$"):
        WindowConfig(**window)


def test_a_default_window_is_widened_for_a_large_threshold_and_no_other():
    assert BreakerConfig(failure_threshold=50).window.size == 100
    assert BreakerConfig(failure_threshold=51).window.size == 102
    by_time = WindowConfig(size=0, span=5)
    assert BreakerConfig(failure_threshold=51, window=by_time).window == by_time


def test_a_window_is_widened_only_as_far_as_it_must_and_keeps_its_times():
    assert _widened(WindowConfig(size=1), 20) == WindowConfig(size=40)
    assert _widened(WindowConfig(size=10, span=2, age=600), 20) == WindowConfig(40, 2, 600)
    assert _widened(WindowConfig(size=50), 20) == WindowConfig(size=50)


def _widened(window, threshold):
    return BreakerConfig(failure_threshold=threshold, window=window).window


def test_a_listener_may_reset_what_it_hears_of(clock):
    def reset(event):
        if event.after == "open":
            gate.reset()

    gate = breaker(clock, on_event=reset)
    calls(gate, 5, FAILED)
    assert gate.stats().state is State.CLOSED
    admitted(gate)
