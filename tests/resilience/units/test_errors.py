"""The error tree: who is whose child, what each says, and what verdict it carries."""

import pickle

import pytest

from koo import errors
from koo.errors import (
    CircuitOpen,
    DeadlineExceeded,
    ExternalServiceError,
    KooError,
    RateLimited,
    RateLimitError,
    Rejected,
    ServiceConnectionError,
    ServiceTimeoutError,
)

ALL = [getattr(errors, name) for name in errors.__all__]
REFUSALS = [error for error in ALL if issubclass(error, Rejected)]
SERVICE_ERRORS = [error for error in ALL if issubclass(error, ExternalServiceError)]


def test_every_error_is_a_koo_error():
    assert all(issubclass(error, KooError) for error in ALL)


def test_what_is_listed_is_all_there_is_in_order():
    defined = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert sorted(defined) == errors.__all__ == sorted(errors.__all__)


def test_the_drawing_names_every_error():
    assert all(name in errors.__doc__ for name in errors.__all__)


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_is_no_error_of_the_service(error):
    assert not issubclass(error, ExternalServiceError)


@pytest.mark.parametrize("error", REFUSALS)
def test_each_refusal_says_in_words_of_its_own_what_was_refused(error):
    assert str(error("orders")).startswith("orders: ")
    others = {other.what for other in REFUSALS if other is not error}
    assert error.what not in others


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        (Rejected("orders"), "orders: refused; waiting alone does not help"),
        (Rejected("orders", 0), "orders: refused; try again"),
        (Rejected("orders", 0.0), "orders: refused; try again"),
        (Rejected("orders", 0.004), "orders: refused; try again in 0.1 s"),
        (RateLimited("orders", 2.26), "orders: rate limit reached; try again in 2.3 s"),
        (
            CircuitOpen("orders", 60, "5 attempts in a row failed"),
            "orders: circuit open (5 attempts in a row failed); try again in 60.0 s",
        ),
    ],
)
def test_a_refusal_says_what_why_and_when(refusal, sentence):
    assert str(refusal) == sentence


def test_a_refusal_carries_who_refused_and_when_to_come_back():
    refusal = CircuitOpen("orders", 3.0, "probing")
    assert (refusal.gate, refusal.retry_after, refusal.cause, refusal.line) == (
        "orders",
        3.0,
        "probing",
        None,
    )


def test_a_deadline_is_also_pythons_own_timeout():
    assert issubclass(DeadlineExceeded, TimeoutError)
    assert issubclass(ServiceTimeoutError, TimeoutError)
    assert issubclass(ServiceConnectionError, ConnectionError)


@pytest.mark.parametrize(
    ("name", "retryable", "trips"),
    [
        ("AccessDeniedError", False, False),
        ("ApiKeyError", False, False),
        ("ContentRefusedError", False, False),
        ("ContextTooLongError", False, False),
        ("ExternalServiceError", False, False),
        ("InvalidRequestError", False, False),
        ("QuotaExceededError", False, False),
        ("RateLimitError", True, False),
        ("ServiceConnectionError", True, True),
        ("ServiceRejected", False, False),
        ("ServiceTimeoutError", True, True),
        ("ServiceUnavailableError", True, True),
        ("StreamTruncatedError", True, True),
    ],
)
def test_the_verdict_sits_on_the_class(name, retryable, trips):
    error = getattr(errors, name)
    assert (error.retryable, error.trips) == (retryable, trips)


def test_every_service_error_has_a_kind_of_its_own():
    kinds = [error.kind for error in SERVICE_ERRORS]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize("error", SERVICE_ERRORS)
def test_a_service_error_names_the_service_and_carries_what_was_told(error):
    raised = error("claude", "busy; ask later", retry_after=3.0, request_id="req-1", usage=7)
    assert str(raised) == "claude: busy; ask later"
    assert (raised.service, raised.detail) == ("claude", "busy; ask later")
    assert (raised.retry_after, raised.request_id, raised.usage) == (3.0, "req-1", 7)


@pytest.mark.parametrize(
    "error", [RateLimitError("claude", "busy", retry_after=3.0), CircuitOpen("orders", 3.0, "why")]
)
def test_an_error_survives_the_way_to_another_process(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.retry_after) == (type(error), str(error), 3.0)
