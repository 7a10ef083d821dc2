"""What an error means unless its owner says otherwise."""

import socket
import ssl
from asyncio import CancelledError

import pytest

from koo import errors
from koo.errors import (
    CircuitOpen,
    ContentRefusedError,
    DeadlineExceeded,
    KooError,
    RateLimitError,
    ServiceTimeoutError,
)
from koo.resilience import Failure, RetryClass, classify_by_type
from koo.resilience.classifier import (
    cancellations_behind,
    comes_from_a_cancellation,
    refusal_in,
)


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "i/o"),
        ConnectionError(),
        ConnectionResetError(),
        ConnectionRefusedError(),
        BrokenPipeError(),
        TimeoutError(),
        socket.gaierror(-2, "unknown"),
        ssl.SSLError("handshake"),
        DeadlineExceeded("too late"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_network_and_the_clock_raise_is_worth_a_retry_and_trips(error):
    verdict = classify_by_type(error)
    assert (verdict.retryable, verdict.trips) == (True, True)
    assert verdict.cause == type(error).__name__


@pytest.mark.parametrize(
    "error",
    [ValueError(), KeyError(), TypeError(), AssertionError(), RuntimeError(), LookupError()],
)
def test_a_callers_own_mistake_says_nothing_about_the_dependency(error):
    verdict = classify_by_type(error)
    assert (verdict.retryable, verdict.trips) == (False, False)
    assert verdict.cause == type(error).__name__


SERVICE_ERRORS = [
    getattr(errors, name)
    for name in errors.__all__
    if issubclass(getattr(errors, name), errors.ExternalServiceError)
]


@pytest.mark.parametrize("kind", SERVICE_ERRORS)
def test_a_service_error_carries_its_own_verdict(kind):
    verdict = classify_by_type(kind("claude", "detail", retry_after=3.0))
    assert (verdict.retryable, verdict.trips) == (kind.retryable, kind.trips)
    assert (verdict.retry_after, verdict.cause) == (3.0, kind.kind)


@pytest.mark.parametrize("kind", SERVICE_ERRORS)
def test_only_a_429_is_throttled(kind):
    throttled = classify_by_type(kind("claude", "")).retry_class is RetryClass.THROTTLED
    assert throttled is (kind is RateLimitError)


def test_a_group_is_retryable_only_if_all_of_it_is():
    both = ExceptionGroup("", [OSError(), OSError()])
    mixed = ExceptionGroup("", [OSError(), ValueError()])
    assert classify_by_type(both).retryable
    assert not classify_by_type(mixed).retryable


def test_a_group_trips_if_any_of_it_does():
    assert classify_by_type(ExceptionGroup("", [ValueError(), OSError()])).trips
    assert not classify_by_type(ExceptionGroup("", [ValueError(), KeyError()])).trips


def test_a_group_waits_as_long_as_its_most_patient_member():
    group = ExceptionGroup(
        "",
        [
            RateLimitError("a", "", retry_after=3.0),
            ServiceTimeoutError("b", ""),
            RateLimitError("c", "", retry_after=7.0),
        ],
    )
    assert classify_by_type(group).retry_after == 7.0


def test_a_group_in_a_group_is_looked_into():
    group = ExceptionGroup("", [ExceptionGroup("", [ContentRefusedError("a", "")]), OSError()])
    assert classify_by_type(group) == Failure(retryable=False, trips=True, cause="OSError")


def test_a_group_names_the_worst_of_its_members_as_its_cause():
    """A breaker that opens says why; what came beside the failure is not the reason."""
    members = [CircuitOpen("inner"), ValueError(), ServiceTimeoutError("a", "")]
    assert classify_by_type(ExceptionGroup("", members)).cause == "timeout"
    assert classify_by_type(ExceptionGroup("", members[:2])).cause == "CircuitOpen"


def test_a_group_that_was_only_throttled_is_throttled():
    """Its calls were answered; a breaker must not take them for anything else."""
    group = ExceptionGroup("", [RateLimitError("a", ""), RateLimitError("b", "")])
    assert classify_by_type(group).retry_class is RetryClass.THROTTLED


def test_a_group_of_which_one_was_throttled_waits_as_the_throttled_do():
    group = ExceptionGroup("", [ServiceTimeoutError("a", ""), RateLimitError("b", "")])
    verdict = classify_by_type(group)
    assert (verdict.retry_class, verdict.trips) == (RetryClass.THROTTLED, True)


def test_too_little_time_to_begin_is_a_refusal_that_says_so():
    late = DeadlineExceeded("late")
    late.refused_by = "ai:lab"
    refusal = refusal_in(late)
    assert (refusal.gate, refusal.retry_after) == ("ai:lab", None)
    assert refusal.cause == "too little time to begin"


def test_what_nobody_cancelled_fails_under_the_name_of_what_it_looks_like():
    error = KooError("cancelled by nobody")
    error.__cause__ = CancelledError()
    failure = classify_by_type(error)
    assert (failure.cause, failure.retryable, failure.trips) == ("cancelled", False, True)


CUT = CancelledError()
CUT_BY_A_SCOPE = CancelledError("Cancelled by cancel scope 7f3a")
ENDED = DeadlineExceeded("late")


def after(error, cut, cause=None):
    """*error*, raised while *cut* was being handled."""
    error.__context__, error.__cause__ = cut, cause
    return error


@pytest.mark.parametrize(
    ("error", "is_a_callers"),
    [
        (OSError("gone"), False),
        (after(OSError("gone"), CUT), True),
        (after(KooError("renamed"), after(OSError("gone"), CUT)), True),
        # asyncio's own limit, and a policy's.
        (after(TimeoutError(), CUT, cause=CUT), False),
        (after(DeadlineExceeded("late"), CUT, cause=CUT), False),
        (after(TimeoutError("renamed"), CUT, cause=CUT), True),
        (after(TimeoutError(), CUT), True),
        # anyio's.
        (after(TimeoutError(), CUT_BY_A_SCOPE), False),
        (after(TimeoutError("renamed"), CUT_BY_A_SCOPE), True),
        (after(TimeoutError(), CUT_BY_A_SCOPE, cause=ENDED), True),
        (after(OSError("gone"), CUT_BY_A_SCOPE), True),
        (after(DeadlineExceeded("late"), CUT_BY_A_SCOPE), True),
    ],
    ids=repr,
)
def test_what_comes_of_a_cancellation_is_told_from_what_a_limit_inside_has_cut(error, is_a_callers):
    assert comes_from_a_cancellation(error) is is_a_callers


def a_blocks_end(_kind, group):
    """Whoever ends a block is told what *_kind* of error it ends with."""
    raise group


def passed_on(_kind, group):
    a_blocks_end(None, group)


def raised_while_being_cut(by, kind, leaves):
    try:
        raise CUT
    except CancelledError:
        with pytest.raises(ExceptionGroup) as caught:
            by(kind, ExceptionGroup("failed inside", leaves))
        return caught.value


@pytest.mark.parametrize(
    ("by", "kind", "leaves", "is_a_callers"),
    [
        (a_blocks_end, CancelledError, [OSError("gone")], False),
        (a_blocks_end, None, [OSError("gone")], True),
        (a_blocks_end, CancelledError, [after(OSError("gone"), CUT)], True),
        (a_blocks_end, CancelledError, [after(OSError("gone"), CUT), OSError("gone")], False),
        (passed_on, CancelledError, [OSError("gone")], True),
    ],
    ids=["failed", "begun in cleanup", "cut", "one of them failed", "passed on"],
)
def test_a_group_that_has_cut_its_own_block_has_failed(by, kind, leaves, is_a_callers):
    group = raised_while_being_cut(by, kind, leaves)
    assert (next(cancellations_behind(group), None) is not None) is is_a_callers
