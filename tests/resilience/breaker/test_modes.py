"""What a person may do to a breaker."""

import pytest

from koo.resilience import SUCCESS, Mode, ModeChanged, State, StateChanged, StateRenewed
from koo.testing import FakeClock

from ..tools import FAILED, admitted, breaker, call, calls, refused, trip


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def gate(clock):
    return breaker(clock)


def test_an_isolated_breaker_refuses_whatever_the_time(gate, clock):
    gate.isolate("the supplier asked us to stop")
    clock.advance(1e6)
    refusal = refused(gate)
    assert refusal.retry_after is None
    assert str(refusal) == (
        "dep: circuit open (the supplier asked us to stop); waiting alone does not help"
    )
    assert (gate.stats().mode, gate.stats().state) == (Mode.ISOLATED, State.OPEN)
    assert gate.stats().retry_after is None


def test_a_check_in_the_background_does_not_end_an_isolation(gate):
    gate.isolate("by hand")
    gate.half_open()
    assert refused(gate).retry_after is None


def test_what_was_in_flight_when_it_was_isolated_moves_nothing(gate):
    early = admitted(gate)
    gate.isolate("by hand")
    early.settle(SUCCESS)
    assert gate.stats().state is State.OPEN


@pytest.mark.parametrize("end", ["release", "reset"])
def test_an_isolation_ends_by_hand_and_admission_is_ramped(gate, end):
    gate.isolate("by hand")
    getattr(gate, end)()
    permits = [admitted(gate), admitted(gate)]
    assert refused(gate).cause == "recovering"
    assert (gate.stats().mode, gate.stats().state) == (Mode.NORMAL, State.CLOSED)
    del permits


def test_an_isolation_of_an_open_breaker_keeps_it_open_and_says_why(gate):
    trip(gate)
    gate.isolate("by hand")
    assert gate.stats().cause == "by hand"
    assert refused(gate).retry_after is None


def test_releasing_what_is_not_isolated_moves_no_state(gate, clock):
    trip(gate)
    gate.release()
    assert gate.stats().state is State.OPEN
    clock.advance(60)
    admitted(gate)


def test_a_breaker_forced_closed_admits_all_counts_all_and_never_opens(gate, clock):
    trip(gate)
    gate.force_close()
    for _ in range(50):
        permits = [admitted(gate) for _ in range(10)]
        clock.advance(1)
        for permit in permits:
            permit.settle(FAILED)
    assert (gate.stats().state, gate.stats().mode) == (State.CLOSED, Mode.FORCED_CLOSED)
    assert gate.stats().failures == 100


def test_once_released_a_breaker_that_was_forced_closed_judges_by_what_it_counted(gate, clock):
    gate.force_close()
    calls(gate, 50, FAILED)
    clock.advance(3)
    gate.release()
    call(gate, FAILED)
    assert gate.stats().state is State.OPEN


def test_a_disabled_breaker_admits_all_and_counts_nothing(gate, clock):
    trip(gate)
    gate.disable()
    for _ in range(50):
        call(gate, FAILED)
        clock.advance(1)
    assert (gate.stats().state, gate.stats().outcomes) == (State.CLOSED, 0)
    assert gate.stats().mode is Mode.DISABLED


def test_a_released_breaker_that_was_disabled_starts_empty(gate):
    gate.disable()
    calls(gate, 50, FAILED)
    gate.release()
    calls(gate, 4, FAILED)
    assert gate.stats().state is State.CLOSED
    call(gate, FAILED)
    assert gate.stats().state is State.OPEN


def test_a_shadow_admits_all_and_counts_exactly_what_it_would_have_refused(gate, clock):
    gate.shadow()
    calls(gate, 5, FAILED)
    assert gate.stats().state is State.OPEN
    for _ in range(17):
        call(gate)
    assert gate.stats().would_reject_total == 17
    assert gate.stats().rejected_total == 0
    clock.advance(60)
    probe = admitted(gate)
    call(gate)
    assert gate.stats().would_reject_total == 18
    probe.settle(SUCCESS)
    call(gate)
    assert gate.stats().state is State.CLOSED


def test_what_a_shadow_would_have_refused_is_no_evidence(gate):
    gate.shadow()
    trip_by = 5
    calls(gate, trip_by, FAILED)
    calls(gate, 100, FAILED)
    assert gate.stats().outcomes == trip_by


def test_a_shadow_moves_as_if_it_were_in_charge(clock):
    shadow, real = breaker(clock), breaker(clock)
    shadow.shadow()
    for gate in (shadow, real):
        calls(gate, 5, FAILED)
    clock.advance(60)
    for gate in (shadow, real):
        call(gate, FAILED)
    mine, theirs = shadow.stats(), real.stats()
    assert (mine.state, mine.generation, mine.cause) == (
        theirs.state,
        theirs.generation + 1,
        theirs.cause,
    )
    assert (mine.retry_after, theirs.retry_after) == (0.0, 120.0)


def test_a_reset_closes_and_forgets(gate, clock):
    trip(gate)
    gate.reset()
    assert (gate.stats().state, gate.stats().failures) == (State.CLOSED, 0)
    assert gate.stats().cause == "reset by hand"
    clock.advance(3)
    calls(gate, 4, FAILED)
    assert gate.stats().state is State.CLOSED


def test_a_reset_is_ramped(gate):
    trip(gate)
    gate.reset()
    permits = [admitted(gate), admitted(gate)]
    refused(gate)
    del permits


def test_calls_in_flight_at_a_reset_can_not_open_it_again(gate):
    early = [admitted(gate) for _ in range(100)]
    gate.reset()
    for permit in early:
        permit.settle(FAILED)
    assert (gate.stats().state, gate.stats().outcomes) == (State.CLOSED, 0)


def test_a_reset_says_whose_word_it_was(gate):
    gate.reset("an operator pressed the button")
    assert gate.stats().cause == "an operator pressed the button"


# -- what is told of it ------------------------------------------------------------------------

OPENED = StateChanged("dep", "closed", "open", "5 of the last 5 attempts failed; last: boom")


def told(clock, *deeds):
    """What a breaker tells while *deeds* are done to it, after its first opening."""
    heard = []
    gate = breaker(clock, on_event=heard.append)
    trip(gate)
    assert heard == [OPENED]
    for deed in deeds:
        deed(gate)
    return heard[1:]


def isolate(gate):
    gate.isolate("maintenance")


INTO_ISOLATION = [
    StateRenewed("dep", "open", "maintenance"),
    ModeChanged("dep", "normal", "isolated", "maintenance"),
]


@pytest.mark.parametrize(
    ("deed", "events"),
    [
        (isolate, INTO_ISOLATION),
        (
            lambda gate: gate.force_close(),
            [
                StateChanged("dep", "open", "closed", "closed by hand"),
                ModeChanged("dep", "normal", "forced_closed", "closed by hand"),
            ],
        ),
        (
            lambda gate: gate.disable(),
            [
                StateChanged("dep", "open", "closed", "disabled by hand"),
                ModeChanged("dep", "normal", "disabled", "disabled by hand"),
            ],
        ),
        (
            lambda gate: gate.shadow(),
            [ModeChanged("dep", "normal", "shadow", "only watching, by hand")],
        ),
        (lambda gate: gate.reset(), [StateChanged("dep", "open", "closed", "reset by hand")]),
        (lambda gate: gate.open_until(900, "busy"), [StateRenewed("dep", "open", "busy")]),
        (lambda gate: gate.release(), []),
    ],
)
def test_whatever_is_done_by_hand_is_told(clock, deed, events):
    assert told(clock, deed) == events


def test_what_is_done_twice_is_a_mode_but_once(clock):
    again = [StateRenewed("dep", "open", "maintenance")]
    assert told(clock, isolate, isolate) == INTO_ISOLATION + again


@pytest.mark.parametrize(
    ("end", "events"),
    [
        (
            "release",
            [
                StateChanged("dep", "open", "closed", "released by hand"),
                ModeChanged("dep", "isolated", "normal", "released by hand"),
            ],
        ),
        (
            "reset",
            [
                StateChanged("dep", "open", "closed", "reset by hand"),
                ModeChanged("dep", "isolated", "normal", "reset by hand"),
            ],
        ),
        ("shadow", [ModeChanged("dep", "isolated", "shadow", "only watching, by hand")]),
    ],
)
def test_the_end_of_an_isolation_is_told_whoever_ends_it(clock, end, events):
    assert told(clock, isolate, lambda gate: getattr(gate, end)()) == INTO_ISOLATION + events


def test_a_reset_of_a_closed_breaker_is_told_because_failures_are_forgotten(clock):
    heard = []
    gate = breaker(clock, on_event=heard.append)
    calls(gate, 3, FAILED)
    gate.reset()
    assert heard == [StateRenewed("dep", "closed", "reset by hand")]


def test_a_mode_is_in_force_when_it_is_told(clock):
    seen = []
    gate = breaker(clock, on_event=lambda _: seen.append((gate.stats().mode, gate.stats().state)))
    gate.isolate("maintenance")
    assert seen == [(Mode.ISOLATED, State.OPEN)] * 2
