"""What a breaker says of its moves and refusals: people read it at night."""

import pytest

from koo.resilience import Failure, Mode, State
from koo.testing import FakeClock

from ..tools import CONFLICTED, FAILED, WRONG, admitted, breaker, call, calls, refused, trip


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def gate(clock):
    return breaker(clock)


def probing(gate, clock):
    trip(gate)
    clock.advance(60)
    return admitted(gate)


def recovered(gate, clock):
    probing(gate, clock).settle(CONFLICTED)
    call(gate)


def isolated(gate):
    gate.isolate("maintenance")
    gate.release()


MOVES = {
    "5 of the last 5 attempts failed; last: boom": lambda gate, clock: trip(gate),
    "the wait is over; probing": probing,
    "a probe failed; last: boom": lambda gate, clock: probing(gate, clock).settle(FAILED),
    "2 probes succeeded": recovered,
    "the dependency answers again": lambda gate, clock: (trip(gate), gate.half_open()),
    "the pool dialled": lambda gate, clock: (trip(gate), gate.half_open("the pool dialled")),
    "overloaded": lambda gate, clock: gate.open_until(30, "overloaded"),
    "maintenance": lambda gate, clock: gate.isolate("maintenance"),
    "released by hand": lambda gate, clock: isolated(gate),
    "reset by hand": lambda gate, clock: (trip(gate), gate.reset()),
    "closed by hand": lambda gate, clock: (trip(gate), gate.force_close()),
    "disabled by hand": lambda gate, clock: (trip(gate), gate.disable()),
}


@pytest.mark.parametrize(("cause", "move"), MOVES.items(), ids=MOVES)
def test_every_move_says_why(gate, clock, cause, move):
    move(gate, clock)
    assert gate.stats().cause == cause


def test_a_wait_that_is_prolonged_says_why_anew(gate):
    trip(gate)
    gate.open_until(3000, "overloaded")
    assert gate.stats().cause == "overloaded"


def test_a_refusal_while_open_says_why_and_when(gate):
    trip(gate)
    assert str(refused(gate)) == (
        "dep: circuit open (5 of the last 5 attempts failed; last: boom); try again in 60.0 s"
    )


def test_a_refusal_while_isolated_says_that_waiting_does_not_help(gate):
    gate.isolate("maintenance")
    assert str(refused(gate)) == "dep: circuit open (maintenance); waiting alone does not help"


def test_a_refusal_beside_a_probe_says_when_its_lease_ends(gate, clock):
    probe = probing(gate, clock)
    clock.advance(10)
    assert str(refused(gate)) == "dep: circuit open (probing); try again in 50.0 s"
    probe.cancel()


def test_a_refusal_on_the_ramp_says_when_it_is_over(gate, clock):
    recovered(gate, clock)
    held = [admitted(gate) for _ in range(2)]
    clock.advance(0.5)
    assert str(refused(gate)) == "dep: circuit open (recovering); try again in 1.5 s"
    assert [permit.cancel() for permit in held]


def test_the_refusal_that_slowness_causes_says_so(clock):
    gate = breaker(clock, slow_threshold=2.0)
    hung = [admitted(gate) for _ in range(5)]
    clock.advance(3)
    assert str(refused(gate)) == (
        "dep: circuit open (calls take longer than 2 s); try again in 60.0 s"
    )
    assert len(hung) == 5


def test_a_probe_that_fails_and_names_a_longer_wait_is_believed(gate, clock):
    probing(gate, clock).settle(Failure(retryable=True, trips=True, retry_after=1000))
    assert gate.stats().retry_after == 1000


@pytest.mark.parametrize("slow_threshold", [None, 50.0])
def test_after_the_ramp_every_kind_of_outcome_still_counts(clock, slow_threshold):
    gate = breaker(clock, slow_threshold=slow_threshold)
    recovered(gate, clock)
    on_the_ramp = admitted(gate)
    clock.advance(3)
    calls(gate, 2, CONFLICTED)
    calls(gate, 2, FAILED)
    call(gate, WRONG)
    call(gate)
    on_the_ramp.settle(FAILED)
    assert (gate.stats().outcomes, gate.stats().failures) == (7, 3)


def test_an_isolated_breaker_that_becomes_a_shadow_goes_on_as_if_in_charge(gate):
    gate.isolate("maintenance")
    gate.shadow()
    probe = admitted(gate)
    stats = gate.stats()
    assert (stats.mode, stats.state, stats.probes) == (Mode.SHADOW, State.HALF_OPEN, 1)
    probe.cancel()
