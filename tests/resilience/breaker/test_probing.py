"""Half-open: what one probe may do, and what it can't."""

import gc

import pytest

from koo.resilience import ABANDONED, SUCCESS, Ask, Deadline, State
from koo.testing import FakeClock

from ..tools import CONFLICTED, FAILED, THROTTLED, WRONG, admitted, breaker, call, refused, trip


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def gate(clock):
    """A breaker whose wait is over."""
    gate = breaker(clock)
    trip(gate)
    clock.advance(60)
    return gate


def test_one_probe_at_a_time(gate):
    admitted_probe = admitted(gate)
    assert "probing" in str(refused(gate))
    admitted_probe.settle(SUCCESS)
    admitted(gate)


def test_of_a_thousand_calls_at_recovery_one_reaches_the_dependency(gate):
    answers = [gate.admit(Ask()) for _ in range(1000)]
    assert sum(hasattr(answer, "settle") for answer in answers) == 1


def test_never_more_probes_than_permitted(clock):
    gate = breaker(clock, max_probes=3)
    trip(gate)
    clock.advance(60)
    probes = [admitted(gate) for _ in range(3)]
    refused(gate)
    probes[1].cancel()
    admitted(gate)


def test_enough_successes_close(gate):
    call(gate)
    assert (gate.stats().state, gate.stats().successes) == (State.HALF_OPEN, 1)
    call(gate)
    assert (gate.stats().state, gate.stats().successes) == (State.CLOSED, 0)
    assert gate.stats().cause == "2 probes succeeded"


def test_the_first_decisive_failure_opens_again(gate):
    call(gate)
    call(gate, FAILED)
    assert gate.stats().state is State.OPEN
    assert gate.stats().cause == "a probe failed; last: boom"
    assert gate.stats().retry_after == 120


@pytest.mark.parametrize("proof_of_life", [WRONG, CONFLICTED])
def test_a_probe_refused_as_wrong_is_proof_of_life(gate, proof_of_life):
    call(gate, proof_of_life)
    call(gate, proof_of_life)
    assert gate.stats().state is State.CLOSED


@pytest.mark.parametrize("silence", [THROTTLED, ABANDONED])
def test_a_probe_that_says_nothing_goes_back(gate, silence):
    for _ in range(100):
        call(gate, silence)
    assert (gate.stats().state, gate.stats().successes) == (State.HALF_OPEN, 0)
    admitted(gate)


def test_a_cancelled_probe_goes_back(gate):
    for _ in range(100):
        admitted(gate).cancel()
    assert gate.stats().state is State.HALF_OPEN
    admitted(gate)


def test_a_probe_that_is_dropped_goes_back(gate):
    admitted(gate)
    gc.collect()
    assert gate.stats().state is State.HALF_OPEN
    admitted(gate)


def test_a_hung_probe_costs_one_lease_and_no_more(gate, clock):
    hung = admitted(gate)
    clock.advance(59.999)
    assert refused(gate).retry_after == pytest.approx(0.001)
    clock.advance(0.001)
    second = admitted(gate)
    assert gate.stats().probes == 1
    second.settle(SUCCESS)
    call(gate)
    assert gate.stats().state is State.CLOSED
    del hung


def test_an_expired_lease_changes_neither_state_nor_generation(gate, clock):
    hung = admitted(gate)
    before = gate.stats()
    clock.advance(1000)
    admitted(gate)
    assert (gate.stats().state, gate.stats().generation) == (before.state, before.generation)
    hung.cancel()


def test_a_late_outcome_counts_while_half_open_in_its_generation(gate, clock):
    late = admitted(gate)
    clock.advance(61)
    second = admitted(gate)
    late.settle(SUCCESS)
    second.settle(SUCCESS)
    assert gate.stats().state is State.CLOSED


def test_a_late_failure_of_a_probe_opens_again(gate, clock):
    late = admitted(gate)
    clock.advance(61)
    admitted(gate).cancel()
    late.settle(FAILED)
    assert gate.stats().state is State.OPEN


def test_a_late_outcome_does_not_free_the_slot_of_the_probe_after_it(gate, clock):
    late = admitted(gate)
    clock.advance(61)
    second = admitted(gate)
    late.settle(SUCCESS)
    refused(gate)
    second.cancel()


def test_a_lease_ends_with_the_attempts_own_deadline(gate, clock):
    hung = admitted(gate, Ask(deadline=Deadline.after(5, clock.monotonic())))
    assert refused(gate).retry_after == 5
    clock.advance(5)
    admitted(gate)
    del hung


@pytest.mark.parametrize(
    ("told", "lease"), [([0.5], 0.5), ([10], 10), ([90, 10], 90), ([10, 90], 90)]
)
def test_a_lease_lasts_as_long_as_the_longest_attempt(gate, clock, told, lease):
    for seconds in told:
        gate.lease_for(seconds)
    hung = admitted(gate, Ask(deadline=Deadline.after(500, clock.monotonic())))
    clock.advance(lease - 0.001)
    assert refused(gate).cause == "probing"
    clock.advance(0.001)
    admitted(gate)
    del hung


def test_a_lease_is_made_longer_by_an_attempt_that_takes_longer(gate, clock):
    hung = admitted(gate)
    hung.extend_lease(clock.monotonic() + 500)
    hung.extend_lease(clock.monotonic() + 5)
    clock.advance(499)
    assert refused(gate).retry_after == 1
    clock.advance(1)
    admitted(gate)
    del hung


def test_a_lease_that_is_over_is_not_made_longer(gate, clock):
    lost = admitted(gate)
    clock.advance(60)
    lost.extend_lease(clock.monotonic() + 500)
    probe = admitted(gate)
    lost.extend_lease(clock.monotonic() + 500)
    assert gate.stats().probes == 1
    probe.cancel()
    lost.extend_lease(clock.monotonic() + 500)
    assert gate.stats().probes == 0


def test_what_was_settled_or_is_no_probe_has_no_lease_to_make_longer(clock):
    gate = breaker(clock, slow_threshold=9.0)
    call = admitted(gate)
    trip(gate)
    clock.advance(60)
    probe = admitted(gate)
    probe.cancel()
    for permit in (call, probe):
        permit.extend_lease(clock.monotonic() + 500)
    assert gate.stats().probes == 0


@pytest.mark.parametrize("late", [SUCCESS, FAILED, WRONG])
def test_what_began_before_the_trip_moves_nothing_after_it(clock, late):
    gate = breaker(clock)
    early = [admitted(gate) for _ in range(100)]
    trip(gate)
    for permit in early[:30]:
        permit.settle(late)
    assert gate.stats().state is State.OPEN
    clock.advance(60)
    probe = admitted(gate)
    for permit in early[30:60]:
        permit.settle(late)
    assert (gate.stats().state, gate.stats().successes) == (State.HALF_OPEN, 0)
    refused(gate)
    probe.settle(SUCCESS)
    call(gate)
    for permit in early[60:]:
        permit.settle(late)
    assert (gate.stats().state, gate.stats().outcomes) == (State.CLOSED, 0)


@pytest.mark.parametrize("late", [SUCCESS, FAILED])
def test_a_probe_of_the_last_half_open_says_nothing_in_the_next(clock, late):
    gate = breaker(clock, max_probes=2, success_threshold=1)
    trip(gate)
    clock.advance(60)
    first, second = admitted(gate), admitted(gate)
    first.settle(FAILED)
    clock.advance(120)
    probe = admitted(gate)
    second.settle(late)
    assert gate.stats().state is State.HALF_OPEN
    probe.settle(SUCCESS)
    assert gate.stats().state is State.CLOSED


def test_a_probe_of_an_older_half_open_that_is_cancelled_frees_no_slot(gate):
    old = admitted(gate)
    gate.reset()
    trip(gate)
    gate.half_open()
    probe = admitted(gate)
    old.cancel()
    refused(gate)
    probe.cancel()
    admitted(gate)


def test_settling_a_probe_twice_is_ignored_and_counted(gate):
    probe = admitted(gate)
    probe.settle(SUCCESS)
    probe.settle(SUCCESS)
    probe.settle(FAILED)
    probe.cancel()
    assert (gate.stats().state, gate.stats().successes) == (State.HALF_OPEN, 1)
    assert gate.stats().double_settled_total == 3


def test_an_isolation_while_probing_ends_the_probes(gate):
    probe = admitted(gate)
    gate.isolate("by hand")
    probe.settle(SUCCESS)
    assert refused(gate).retry_after is None


def test_looking_never_begins_a_probe(gate):
    for _ in range(10):
        assert gate.stats().state is State.OPEN
    assert gate.stats().retry_after == 0


def test_looking_never_ends_a_lease(gate, clock):
    hung = admitted(gate)
    clock.advance(100)
    assert [gate.stats().probes for _ in range(3)] == [0, 0, 0]
    second = admitted(gate)
    assert gate.stats().probes == 1
    del hung, second


def test_a_photograph_says_when_the_next_probe_may_go(gate, clock):
    assert gate.stats().retry_after == 0
    probe = admitted(gate)
    clock.advance(20)
    assert gate.stats().retry_after == 40
    probe.cancel()
    assert gate.stats().retry_after == 0


def test_a_lease_that_was_extended_is_still_one_and_ends_with_its_probe(gate, clock):
    probe = admitted(gate)
    probe.extend_lease(clock.monotonic() + 90)
    assert gate.stats().probes == 1
    clock.advance(80)
    assert refused(gate).retry_after == 10
    probe.cancel()
    assert gate.stats().probes == 0
