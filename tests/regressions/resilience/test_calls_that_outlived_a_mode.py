"""A call that was admitted in one mode is no evidence in another."""

from itertools import permutations

import pytest

from koo.resilience import (
    ONE_REQUEST,
    SUCCESS,
    BreakerConfig,
    CircuitBreaker,
    Failure,
    Mode,
    Permit,
    State,
)
from koo.testing import FakeClock

FAILED = Failure(retryable=True, trips=True)
ENTER = {
    Mode.NORMAL: lambda gate: gate.release(),
    Mode.ISOLATED: lambda gate: gate.isolate("by hand"),
    Mode.FORCED_CLOSED: lambda gate: gate.force_close(),
    Mode.DISABLED: lambda gate: gate.disable(),
    Mode.SHADOW: lambda gate: gate.shadow(),
}
#: An isolation admits nothing that could outlive it.
PAIRS = [pair for pair in permutations(Mode, 2) if pair[0] is not Mode.ISOLATED]


def breaker(clock, **config):
    return CircuitBreaker("dep", BreakerConfig(**config), clock=clock, random=lambda: 0.0)


def admitted(gate):
    answer = gate.admit(ONE_REQUEST)
    assert isinstance(answer, Permit), f"refused: {answer}"
    return answer


@pytest.mark.parametrize("outcome", [SUCCESS, FAILED], ids=["success", "failure"])
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_what_was_admitted_in_one_mode_moves_nothing_in_another(before, after, outcome):
    clock = FakeClock()
    gate = breaker(clock, failure_threshold=1)
    ENTER[before](gate)
    early = [admitted(gate) for _ in range(3)]
    ENTER[after](gate)
    as_entered = gate.stats()
    for permit in early:
        permit.settle(outcome)
    assert gate.stats() == as_entered
    assert as_entered.outcomes == 0


@pytest.mark.parametrize("outcome", [SUCCESS, FAILED], ids=["success", "failure"])
@pytest.mark.parametrize(("before", "after"), list(permutations([Mode.NORMAL, Mode.SHADOW], 2)))
def test_a_probe_of_one_mode_decides_nothing_in_another(before, after, outcome):
    clock = FakeClock()
    gate = breaker(clock, success_threshold=1)
    ENTER[before](gate)
    gate.open_until(5, "busy")
    clock.advance(5)
    probe = admitted(gate)
    ENTER[after](gate)
    assert gate.stats().probes == 0
    probe.settle(outcome)
    assert gate.stats().state is State.HALF_OPEN
    admitted(gate).settle(outcome)
    assert gate.stats().state is not State.HALF_OPEN


def test_calls_that_hung_in_one_mode_are_not_slow_in_another():
    clock = FakeClock()
    gate = breaker(clock, slow_threshold=1.0, failure_threshold=2)
    gate.force_close()
    hung = [admitted(gate) for _ in range(5)]
    clock.advance(2)
    gate.release()
    admitted(gate).settle(SUCCESS)
    assert gate.stats().state is State.CLOSED
    del hung


@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.SHADOW])
def test_a_mode_that_is_entered_again_keeps_what_it_has(mode):
    """A release of what is not held, as a careful operator does it, forgets no call on its way."""
    gate = breaker(FakeClock(), failure_threshold=1)
    ENTER[mode](gate)
    early = admitted(gate)
    ENTER[mode](gate)
    early.settle(FAILED)
    assert gate.stats().state is State.OPEN
