"""A breaker that looks at time only once counted no call in flight, however long it hung."""

from koo.resilience import (
    ONE_REQUEST,
    SUCCESS,
    BreakerConfig,
    CircuitBreaker,
    Permit,
    State,
    WindowConfig,
)
from koo.testing import FakeClock


def test_calls_that_hang_open_a_breaker_with_a_window_of_time_only():
    clock = FakeClock()
    config = BreakerConfig(slow_threshold=1.0, window=WindowConfig(size=0, span=10.0))
    breaker = CircuitBreaker("dep", config, clock=clock)
    hung = [breaker.admit(ONE_REQUEST) for _ in range(5)]
    clock.advance(1.5)
    assert not isinstance(breaker.admit(ONE_REQUEST), Permit)
    assert breaker.stats().state is State.OPEN
    del hung


def test_more_calls_may_hang_than_the_window_holds():
    """Many quick answers in the last second must not hide that twice as many calls hang."""
    clock = FakeClock()
    config = BreakerConfig(slow_threshold=0.5, window=WindowConfig(size=10, span=10.0))
    breaker = CircuitBreaker("dep", config, clock=clock)
    hung = [breaker.admit(ONE_REQUEST) for _ in range(60)]
    for _ in range(50):
        breaker.admit(ONE_REQUEST).settle(SUCCESS)
    clock.advance(1.0)
    assert not isinstance(breaker.admit(ONE_REQUEST), Permit)
    del hung
