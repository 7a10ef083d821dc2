"""However many calls hang, the next one costs the breaker the same."""

import sys

import pytest

from koo.resilience import ONE_REQUEST, SUCCESS, BreakerConfig, CircuitBreaker
from koo.testing import FakeClock


def steps_of_a_call_beside(hung):
    """How many lines of Python a call runs through while *hung* others are overdue."""
    clock, steps = FakeClock(), 0
    config = BreakerConfig(slow_threshold=1.0, failure_threshold=10**6)
    gate = CircuitBreaker("dep", config, clock=clock)
    held = [gate.admit(ONE_REQUEST) for _ in range(hung)]
    clock.advance(2)
    gate.admit(ONE_REQUEST).settle(SUCCESS)

    def counted(*_):
        nonlocal steps
        steps += 1
        return counted

    before = sys.gettrace()
    sys.settrace(counted)
    try:
        gate.admit(ONE_REQUEST).settle(SUCCESS)
    finally:
        sys.settrace(before)
    del held
    return steps


@pytest.mark.parametrize("hung", [20, 500])
def test_a_call_takes_as_many_steps_beside_many_that_hang_as_beside_one(hung):
    assert steps_of_a_call_beside(hung) == steps_of_a_call_beside(1)
