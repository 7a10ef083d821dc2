"""A probe that was throttled says when the next one may come."""

import math

import pytest

from koo.errors import CircuitOpen
from koo.resilience import (
    ABANDONED,
    ONE_REQUEST,
    SUCCESS,
    BreakerConfig,
    CircuitBreaker,
    Failure,
    Permit,
    RetryClass,
    State,
)
from koo.testing import FakeClock


def breaker(clock, **config):
    return CircuitBreaker("dep", BreakerConfig(**config), clock=clock, random=lambda: 0.0)


def admitted(gate):
    answer = gate.admit(ONE_REQUEST)
    assert isinstance(answer, Permit), f"refused: {answer}"
    return answer


def refused(gate):
    answer = gate.admit(ONE_REQUEST)
    assert isinstance(answer, CircuitOpen)
    return answer


def throttled(seconds):
    return Failure(True, False, retry_after=seconds, retry_class=RetryClass.THROTTLED)


@pytest.fixture
def clock():
    return FakeClock()


def probing(clock, **config):
    gate = breaker(clock, **config)
    gate.open_until(0, "a moment")
    return gate


def test_no_probe_goes_before_the_time_that_one_was_told(clock):
    gate = probing(clock, max_probes=3)
    others = [admitted(gate), admitted(gate)]
    admitted(gate).settle(throttled(30.0))
    refusal = refused(gate)
    assert (refusal.retry_after, refusal.cause) == (30.0, "a probe was asked to wait")
    assert refusal.gate == "dep"
    assert gate.stats().retry_after == 30.0
    clock.advance(30)
    assert gate.stats().retry_after == 0
    admitted(gate)
    del others


def test_who_is_refused_hears_when_the_other_probe_is_given_up_too(clock):
    gate = probing(clock, recovery_timeout=10, max_probes=1)
    late = admitted(gate)
    clock.advance(10)
    probe = admitted(gate)
    late.settle(throttled(8.0))
    assert refused(gate).retry_after == gate.stats().retry_after == 10.0
    clock.advance(8)
    assert refused(gate).retry_after == 2.0
    probe.settle(SUCCESS)


def test_it_is_no_evidence_and_no_transition(clock):
    gate = probing(clock, success_threshold=2)
    admitted(gate).settle(SUCCESS)
    before = gate.stats()
    admitted(gate).settle(throttled(30.0))
    after = gate.stats()
    assert (after.state, after.successes, after.generation, after.since) == (
        before.state,
        before.successes,
        before.generation,
        before.since,
    )
    clock.advance(30)
    admitted(gate).settle(SUCCESS)
    assert gate.stats().state is State.CLOSED


def test_of_several_waits_the_longest_counts(clock):
    gate = probing(clock, max_probes=2)
    first, second = admitted(gate), admitted(gate)
    first.settle(throttled(30.0))
    second.settle(throttled(10.0))
    assert refused(gate).retry_after == 30.0


def test_a_wait_is_believed_up_to_an_hour(clock):
    gate = probing(clock)
    admitted(gate).settle(throttled(86_400.0))
    assert refused(gate).retry_after == 3600.0


@pytest.mark.parametrize("outcome", [throttled(None), throttled(0.0), throttled(-5.0), ABANDONED])
def test_without_a_wait_the_next_may_probe_at_once(clock, outcome):
    gate = probing(clock)
    admitted(gate).settle(outcome)
    assert gate.stats().retry_after == 0
    admitted(gate)


def test_a_probe_still_out_is_waited_for_as_well(clock):
    gate = probing(clock, max_probes=2)
    gate.lease_for(50.0)
    held = [admitted(gate)]
    admitted(gate).settle(throttled(10.0))
    clock.advance(10)
    held.append(admitted(gate))
    assert gate.stats().retry_after == 40.0


def test_a_person_who_resets_does_not_wait(clock):
    gate = probing(clock)
    admitted(gate).settle(throttled(30.0))
    gate.reset()
    assert gate.stats().retry_after == 0
    admitted(gate)


def test_a_breaker_half_opened_by_hand_does_not_wait_for_its_old_time(clock):
    gate = breaker(clock)
    gate.open_until(900, "busy")
    gate.half_open()
    assert gate.stats().retry_after == 0
    admitted(gate)


# -- how long it can be kept open ------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [math.inf, -math.inf, math.nan, -1e-9, -1e9, None, "60", True])
def test_it_is_not_kept_open_for_what_is_no_time(clock, seconds):
    gate = breaker(clock)
    before = gate.stats()
    with pytest.raises(
        ValueError, match=r"^CircuitBreaker 'dep': it can't stay open for .*isolate"
    ):
        gate.open_until(seconds, "busy")
    assert gate.stats() == before


def test_the_sentence_names_what_was_given_and_what_to_do(clock):
    with pytest.raises(ValueError, match="inf") as caught:
        breaker(clock).open_until(math.inf, "busy")
    assert str(caught.value) == (
        "CircuitBreaker 'dep': it can't stay open for inf seconds; name 0 or more, or isolate it"
        " to keep it open without an end"
    )


def test_a_mode_that_a_person_has_set_hides_no_mistake(clock):
    gate = breaker(clock)
    gate.isolate("by hand")
    with pytest.raises(ValueError, match="nan"):
        gate.open_until(math.nan, "busy")
