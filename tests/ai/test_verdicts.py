"""Every surface of an error has one verdict: its class, its wait, what it does to a breaker."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koo.ai import NOTHING, PacedSpent, Phase, Surface, Told, Usage, Wire, billed, classify, judge
from koo.ai.pacing.waits import named_wait, without_windows
from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Perplexity, Responses
from koo.ai.verdicts import _with_own_status, appraise
from koo.errors import (
    AccessDeniedError,
    ApiKeyError,
    ContentRefusedError,
    ContextTooLongError,
    ExternalServiceError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServiceConnectionError,
    ServiceTimeoutError,
    ServiceUnavailableError,
    StreamTruncatedError,
)
from koo.resilience import RetryClass, Success

from .surfaces import CANARY, ERRORS, NOW

KEY = ApiKeyError
DENIED = AccessDeniedError
QUOTA = QuotaExceededError
RATE = RateLimitError
LONG = ContextTooLongError
REFUSED = ContentRefusedError
WRONG = InvalidRequestError
DOWN = ServiceUnavailableError
SLOW = ServiceTimeoutError


def _judged(row):
    wire: Wire = row.wire()
    status, headers, document = row.answer()
    surface = wire.surface(status, document)
    verdict = judge(surface, wire.rules)
    told = headers if verdict.windows else without_windows(headers)
    wait = named_wait(told, message=surface.own_words, delay=wire.delay(document), now=NOW)
    return verdict, wait if verdict.waits else None


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: f"{row.service}-{row.surface}")
def test_a_surface_has_the_verdict_of_its_row(row):
    verdict, wait = _judged(row)
    assert verdict.error is row.error
    assert wait == (None if row.wait is None else pytest.approx(row.wait))


@pytest.mark.parametrize("wire", [Anthropic, OpenAI, Gemini, Compatible])
def test_every_rule_decides_some_row_and_every_word_of_it_is_sent_by_somebody(wire):
    surfaces = [row.wire().surface(*row.answer()[::2]) for row in ERRORS if row.wire is wire]
    inherited = OpenAI.rules if wire is Compatible else ()
    own = [rule for rule in wire.rules if rule not in inherited]
    decided = [_first(wire.rules, surface) for surface in surfaces]
    assert [rule for rule in own if rule not in decided] == []
    said = {word for surface in surfaces for word in surface.words}
    assert {word for rule in own for word in rule.words} <= said


def _first(rules, surface):
    """The rule that decides; None if it is the status."""
    own = _with_own_status(surface)
    return next((rule for rule in rules if rule.fits(own)), None)


RESPONSES = [
    ({"type": "error", "code": "insufficient_quota", "message": "x", "param": None}, QUOTA),
    ({"type": "error", "error": {"type": "insufficient_quota", "code": None}}, QUOTA),
    ({"type": "response.failed", "response": {"error": {"code": "server_error"}}}, DOWN),
    ({"type": "response.failed", "response": {"error": {"code": "bio_policy"}}}, REFUSED),
    ({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded"}}}, RATE),
    ({"status": "failed", "error": {"code": "credit_balance_exhausted"}}, QUOTA),
]


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(("document", "error"), RESPONSES)
def test_what_the_responses_api_says_inside_a_200_is_understood(document, error, phase):
    surface = replace(OpenAI().surface(200, document), phase=phase)
    assert judge(surface, OpenAI.rules).error is error


def test_no_verdict_repeats_what_the_vendor_wrote():
    for row in ERRORS:
        verdict, _ = _judged(row)
        assert CANARY not in verdict.what + verdict.cure
    told = [str(row.answer()[2]) for row in ERRORS]
    assert sum(CANARY in document for document in told) > 150


@pytest.mark.parametrize(
    ("status", "known"),
    [
        (400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"),
        (403, "permission_error"), (404, "not_found_error"), (413, "request_too_large"),
        (429, "rate_limit_error"), (500, "api_error"), (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)  # fmt: skip
def test_inside_a_200_a_word_or_a_number_counts_as_the_status_it_stands_for(status, known):
    expected = judge(Surface(status), ())
    assert judge(Surface(200, type=known), ()) is expected
    assert judge(Surface(200, code=str(status)), ()) is expected
    assert judge(Surface(200, code=str(status), phase=Phase.STREAM), ()) is expected


def test_with_another_status_a_word_does_not_change_it():
    assert judge(Surface(500, type="billing_error"), ()).error is DOWN
    assert judge(Surface(500, code="402"), ()).error is DOWN


def test_an_unknown_word_inside_a_200_is_a_failure_and_not_unreadable():
    assert "can't be read" not in judge(Surface(200, type="weather_error"), ()).what
    assert "can't be read" not in judge(Surface(200, message="?"), ()).what
    assert "can't be read" in judge(Surface(200), ()).what


@pytest.mark.parametrize(
    ("surface", "bill"),
    [
        (Surface(429, type="rate_limit_error"), NOTHING),
        (Surface(500), NOTHING),
        (Surface(200, type="rate_limit_error"), NOTHING),
        (Surface(200, type="api_error"), None),
        (Surface(200), None),
        (Surface(200, type="rate_limit_error", phase=Phase.STREAM), None),
    ],
)
def test_what_had_begun_has_an_unknown_bill(surface, bill):
    assert billed(surface, judge(surface, ())) is bill


def test_a_key_that_has_a_successor_is_worth_another_attempt_and_says_nothing_about_load():
    for error in (KEY, DENIED, QUOTA):
        failure = classify(error("claude", "x", retry_after=0.0, retryable=True))
        assert (failure.retryable, failure.trips) == (True, False)
        assert failure.retry_class is RetryClass.RESOLVED


def test_a_service_may_forbid_a_retry_but_not_order_one():
    assert not classify(DOWN("claude", "x", retryable=False)).retryable
    assert classify(DOWN("claude", "x")).retryable


_FIELDS = st.sampled_from(
    ["error", "type", "code", "message", "status", "details", "metadata", "violations", "quotaId",
     "reason", "retryDelay", "choices", "content", "usage", "candidates", "headers", "finishReason",
     "error_code", "limit_source", "detail", "promptFeedback", "usageMetadata", "finish_reason"]
)  # fmt: skip
_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.decimals()
    | st.sampled_from(["429", "insufficient_quota", "RESOURCE_EXHAUSTED", "46s", "limit: 0"])
)  # fmt: skip
_DOCUMENTS = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from([Anthropic, OpenAI, Responses, Gemini, Compatible, Perplexity]),
    st.integers(0, 999),
    _DOCUMENTS,
    st.sampled_from(Phase),
)
def test_whatever_a_vendor_sends_has_a_verdict(wire, status, document, phase):
    surface = replace(wire().surface(status, document), phase=phase)
    verdict = judge(surface, wire.rules)
    assert issubclass(verdict.error, ExternalServiceError)
    wait = named_wait({}, message=surface.own_words, delay=wire().delay(document), now=NOW)
    assert wait is None or wait > 0
    assert billed(surface, verdict) in {None, NOTHING}
    wire().read(document)


@pytest.mark.parametrize("wire", [Anthropic, OpenAI, Responses, Gemini, Compatible, Perplexity])
def test_every_status_has_a_verdict_even_without_a_readable_body(wire):
    for status in range(100, 600):
        for document in (None, [], {}, "text", {"error": None}, {"error": {"code": 7}}, 3):
            verdict = judge(wire().surface(status, document), wire.rules)
            assert issubclass(verdict.error, ExternalServiceError)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, WRONG), (401, KEY), (402, QUOTA), (403, DENIED), (404, WRONG), (405, WRONG),
        (408, SLOW), (409, DOWN), (410, WRONG), (413, LONG), (418, WRONG), (424, DOWN), (425, DOWN),
        (429, RATE), (498, DOWN), (499, DOWN), (500, DOWN), (502, DOWN), (503, DOWN), (504, SLOW),
        (520, DOWN), (529, DOWN), (200, DOWN), (204, DOWN), (101, DOWN),
    ],
)  # fmt: skip
def test_without_any_words_the_status_decides(status, error):
    assert judge(Surface(status), ()).error is error


def test_a_403_that_the_vendor_did_not_write_is_no_verdict_on_the_key():
    assert judge(Surface(403, readable=False), Anthropic.rules).error is DOWN


@pytest.mark.parametrize(
    ("error", "retryable", "trips", "retry_class"),
    [
        (KEY, False, False, RetryClass.TRANSIENT),
        (DENIED, False, False, RetryClass.TRANSIENT),
        (QUOTA, False, False, RetryClass.TRANSIENT),
        (WRONG, False, False, RetryClass.TRANSIENT),
        (LONG, False, False, RetryClass.TRANSIENT),
        (REFUSED, False, False, RetryClass.TRANSIENT),
        (RATE, True, False, RetryClass.THROTTLED),
        (SLOW, True, True, RetryClass.TRANSIENT),
        (ServiceConnectionError, True, True, RetryClass.TRANSIENT),
        (DOWN, True, True, RetryClass.TRANSIENT),
        (StreamTruncatedError, True, True, RetryClass.TRANSIENT),
    ],
)
def test_the_class_carries_the_verdict_to_the_policy(error, retryable, trips, retry_class):
    failure = classify(error("claude", "something", retry_after=3.0))
    assert (failure.retryable, failure.trips) == (retryable, trips)
    assert failure.retry_class is retry_class
    assert failure.retry_after == 3.0
    assert failure.cause == "something"


def test_what_a_failure_cost_is_unknown_until_somebody_priced_it():
    assert classify(DOWN("claude", "x")).spent is None
    assert classify(DOWN("claude", "x", usage=Usage(3, 4))).spent is None
    assert classify(DOWN("claude", "x", usage=NOTHING)).spent == PacedSpent(1, 0, 0)
    priced = Usage(3, 4, nanousd=9)
    assert classify(REFUSED("claude", "x", usage=priced)).spent == PacedSpent(1, 7, 9, 4)


def test_a_timeout_is_retried_and_trips_and_an_unknown_error_is_not_retried():
    assert classify(TimeoutError()).retryable
    assert classify(TimeoutError()).trips
    mistake = classify(KeyError("secret"))
    assert (mistake.retryable, mistake.trips, mistake.cause) == (False, True, "KeyError")


def test_what_an_answer_told_of_limits_reaches_the_gates():
    error = DOWN("claude", "x")
    assert classify(error).advice is None
    error.told = Told(at=3.0)
    assert classify(error).advice == Told(at=3.0)


def test_a_value_that_is_no_completion_has_spent_nothing_that_is_known():
    assert appraise("a list of models") == Success()
