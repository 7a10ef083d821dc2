"""A listener that moved the breaker when it became half-open was too late for that very call."""

import pytest

from koo.errors import CircuitOpen
from koo.resilience import (
    ONE_REQUEST,
    BreakerConfig,
    CircuitBreaker,
    Mode,
    Permit,
    State,
    StateChanged,
)
from koo.testing import FakeClock

RECOVERY = 10.0


def _answer(move):
    """What the first call after the wait gets, when a listener then makes this *move*."""
    clock = FakeClock()

    def listen(event):
        if isinstance(event, StateChanged) and event.after == State.HALF_OPEN:
            move(gate)

    config = BreakerConfig(recovery_timeout=RECOVERY)
    gate = CircuitBreaker("dep", config, clock=clock, random=lambda: 0.0, on_event=listen)
    gate.open_until(RECOVERY, "dead")
    clock.advance(RECOVERY)
    return gate, gate.admit(ONE_REQUEST)


def test_a_breaker_that_a_listener_isolates_refuses_the_call_that_would_probe():
    gate, answer = _answer(lambda gate: gate.isolate("by a listener"))
    assert isinstance(answer, CircuitOpen)
    assert answer.retry_after is None
    assert (gate.stats().mode, gate.stats().rejected_total) == (Mode.ISOLATED, 1)


@pytest.mark.parametrize("seconds", [30, 0])
def test_a_breaker_that_a_listener_opens_again_refuses_the_call_that_would_probe(seconds):
    _, answer = _answer(lambda gate: gate.open_until(seconds, "by a listener"))
    assert isinstance(answer, CircuitOpen)
    assert (answer.gate, answer.cause) == ("dep", "by a listener")
    assert answer.retry_after == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("move", "after"),
    [(lambda gate: gate.reset(), State.CLOSED), (lambda gate: None, State.HALF_OPEN)],
    ids=["closes", "looks on"],
)
def test_a_call_goes_through_a_breaker_that_a_listener_closes_or_leaves_alone(move, after):
    gate, answer = _answer(move)
    assert isinstance(answer, Permit)
    assert gate.stats().state is after
    answer.cancel()
