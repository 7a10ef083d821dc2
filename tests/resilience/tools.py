"""What the floor's tests share: outcomes by name, and gates asked in one word."""

from koo.errors import Rejected
from koo.resilience import (
    ABANDONED,
    ONE_REQUEST,
    SUCCESS,
    BreakerConfig,
    CircuitBreaker,
    Failure,
    Permit,
    RetryClass,
)

FAILED = Failure(retryable=True, trips=True, cause="boom")
WRONG = Failure(retryable=False, trips=False, cause="not found")
CONFLICTED = Failure(retryable=True, trips=False, retry_class=RetryClass.CONFLICT)
THROTTLED = Failure(retryable=True, trips=False, retry_class=RetryClass.THROTTLED)
EVERY_OUTCOME = (SUCCESS, FAILED, WRONG, CONFLICTED, THROTTLED, ABANDONED)


def breaker(clock, *, random=lambda: 0.0, on_event=lambda _: None, **config):
    """A breaker called "dep" that draws no jitter."""
    return CircuitBreaker(
        "dep", BreakerConfig(**config), clock=clock, random=random, on_event=on_event
    )


def admitted(gate, ask=ONE_REQUEST) -> Permit:
    """The permit that *gate* must give."""
    answer = gate.admit(ask)
    assert isinstance(answer, Permit), f"refused: {answer}"
    return answer


def refused(gate, ask=ONE_REQUEST) -> Rejected:
    """The refusal that *gate* must give."""
    answer = gate.admit(ask)
    if isinstance(answer, Permit):
        answer.cancel()
    assert isinstance(answer, Rejected)
    return answer


def call(gate, outcome=SUCCESS, ask=ONE_REQUEST) -> None:
    """One call through *gate* that ends at once with *outcome*."""
    admitted(gate, ask).settle(outcome)


def calls(gate, number, outcome=SUCCESS) -> None:
    """So many calls, one after the other, in no time."""
    for _ in range(number):
        call(gate, outcome)


def trip(gate) -> None:
    """Fail until *gate* is open."""
    while isinstance(answer := gate.admit(ONE_REQUEST), Permit):
        answer.settle(FAILED)
