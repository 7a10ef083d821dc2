"""A wait that was no number made the errors that bore it break their verdict, or the policy."""

import pytest

from koo.errors import (
    ExternalServiceError,
    RateLimitError,
    Rejected,
    ServiceRejected,
    ServiceUnavailableError,
)
from koo.resilience import CircuitBreaker, Policy, RetryClass, RetryConfig, classify_by_type
from koo.testing import running_clock

NO_NUMBERS = [
    pytest.param(wait, id=f"{wait!r:.6}")
    for wait in ("7", True, float("nan"), float("inf"), 10**400, [7])
]
FIRST_ERROR = ConnectionResetError("the first attempt")


def failing(*errors):
    """An operation that raises *errors* one after another, and how many are left."""
    left = list(errors)

    async def operation():
        raise left.pop(0)

    return operation, left


def retrying(**parts):
    return Policy(
        "dep", retry=RetryConfig(max_retries=1), clock=running_clock(), random=lambda: 0.0, **parts
    )


@pytest.mark.parametrize("wait", NO_NUMBERS)
def test_a_wait_that_is_no_number_is_noted_and_counts_as_none(wait):
    error = RateLimitError("claude", "busy", retry_after=wait)
    assert error.retry_after is None
    assert error.__notes__ == [
        f"RateLimitError: retry_after must be a finite number, not {wait!r}; nobody waits for it"
    ]


@pytest.mark.parametrize("wait", [None, 0, 7, 2.5, -3.0])
def test_a_wait_that_is_a_number_or_none_is_kept_without_a_word(wait):
    error = RateLimitError("claude", "busy", retry_after=wait)
    assert error.retry_after == wait
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize("wait", NO_NUMBERS)
def test_an_error_keeps_its_verdict_in_spite_of_its_wait(wait):
    throttled = classify_by_type(RateLimitError("claude", "busy", retry_after=wait))
    assert (throttled.retryable, throttled.retry_class) == (True, RetryClass.THROTTLED)
    down = classify_by_type(ServiceUnavailableError("claude", "down", retry_after=wait))
    assert (down.retryable, down.trips, down.retry_after) == (True, True, None)


@pytest.mark.parametrize("wait", [*NO_NUMBERS, -3.0])
async def test_an_error_is_retried_and_counted_in_spite_of_its_wait(wait):
    breaker = CircuitBreaker("dep", clock=running_clock())
    errors = [ServiceUnavailableError("claude", "down", retry_after=wait) for _ in range(2)]
    operation, left = failing(*errors)
    with pytest.raises(ExternalServiceError) as caught:
        await retrying(gates=[breaker]).run(operation)
    assert caught.value is errors[1]
    assert (left, breaker.stats().failures) == ([], 2)


@pytest.mark.parametrize("wait", [*NO_NUMBERS, -3.0])
@pytest.mark.parametrize("refusal", [ServiceRejected, Rejected])
async def test_a_refusal_inside_is_told_of_in_spite_of_its_wait(refusal, wait):
    inside = refused(refusal, wait)
    operation, _ = failing(FIRST_ERROR, inside)
    with pytest.raises(ConnectionResetError) as caught:
        await retrying().run(operation)
    assert caught.value is FIRST_ERROR
    assert any(note.startswith("dep: no further attempt;") for note in caught.value.__notes__)


@pytest.mark.parametrize("wait", NO_NUMBERS)
@pytest.mark.parametrize("refusal", [ServiceRejected, Rejected])
async def test_of_a_group_the_refusal_without_a_known_wait_counts_as_the_longest(refusal, wait):
    operation, _ = failing(ExceptionGroup("both", [Rejected("gate", 3.0), refused(refusal, wait)]))
    outcome = await retrying().outcome(operation)
    assert isinstance(outcome.error, ExceptionGroup)


@pytest.mark.parametrize("wait", NO_NUMBERS)
def test_a_refusal_names_no_moment_that_it_does_not_know(wait):
    assert str(Rejected("gate", wait)) == "gate: refused; waiting alone does not help"


def refused(kind, wait):
    if kind is Rejected:
        return Rejected("inner", wait)
    return ServiceRejected("inner", "refused", retry_after=wait)


@pytest.mark.parametrize("wait", NO_NUMBERS)
def test_a_time_that_no_float_can_hold_is_refused_in_a_sentence(wait):
    with pytest.raises(ValueError, match="must be a finite number, not"):
        Policy("dep", timeout=wait)
