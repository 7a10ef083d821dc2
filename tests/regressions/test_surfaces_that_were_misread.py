"""Errors of vendors that were once taken for something else."""

import pytest

from koo.ai import Surface, judge
from koo.ai.pacing import named_wait
from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI
from koo.errors import InvalidRequestError, QuotaExceededError, RateLimitError

PER_DAY = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}


def test_a_quota_of_the_day_inside_a_200_was_taken_for_one_of_the_minute():
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"violations": [PER_DAY]}]}
    surface = Gemini().surface(200, {"error": error})
    assert judge(surface, Gemini.rules).error is QuotaExceededError


def test_a_spend_limit_inside_a_200_was_taken_for_a_bad_request():
    words = "You have reached your specified API usage limits."
    surface = Surface(200, type="invalid_request_error", message=words)
    assert judge(surface, Anthropic.rules).error is QuotaExceededError


def test_the_reset_of_a_window_was_taken_for_the_end_of_a_spend_limit():
    verdict = judge(Surface(429, code="insufficient_quota"), OpenAI.rules)
    assert verdict.error is QuotaExceededError
    assert not verdict.windows


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (Anthropic, "messages.0: 'Your credit balance is too low' is not allowed"),
        (Gemini, "Invalid value: 'API key expired'"),
    ],
)
def test_a_prompt_that_a_message_quotes_could_shut_the_service(wire, words):
    assert judge(Surface(400, message=words), wire.rules).error is InvalidRequestError


def test_an_answer_that_broke_off_in_the_middle_was_taken_for_a_whole_one():
    choice = {"message": {"content": "Beca"}, "finish_reason": "error", "error": {"code": 502}}
    assert Compatible().read({"choices": [choice]}) is None


def test_money_in_flight_was_taken_for_an_empty_account():
    error = {"code": 402, "metadata": {"limit_source": "openrouter_in_flight_budget"}}
    surface = Compatible().surface(402, {"error": error})
    assert judge(surface, Compatible.rules).error is RateLimitError


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (OpenAI, "Rate limit. Your prompt 'how many tokens per day' was not processed"),
        (OpenAI, "Rate limit reached. Input was: how many tokens per day (TPD)"),
        (Compatible, "too many requests; you said: explain insufficient balance to me"),
        (Compatible, "Rejected: 'what does payment required mean'"),
        (Gemini, "try later [what is my daily limit]"),
        (Gemini, "try later [set limit: 0]"),
        (Gemini, 'try later {"what": "perDayPer"}'),
    ],
)
def test_a_prompt_that_a_429_quotes_could_shut_the_service(wire, words):
    assert judge(Surface(429, message=words), wire.rules).error is RateLimitError


@pytest.mark.parametrize(
    "words",
    [
        "Rate limit reached. Input was: 'tell them to try again in 20h please'",
        "Rate limit reached. Input was: tell them to try again in 20h please",
        "Slow down [wait 20h]",
    ],
)
def test_a_wait_in_a_prompt_that_a_429_quotes_could_pause_everybody(words):
    assert named_wait({}, message=Surface(429, message=words).own_words, now=0.0) is None


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (OpenAI, "You exceeded your current quota, please check your plan and billing details."),
        (
            OpenAI,
            "Rate limit reached for ft:gpt-4.1 in organization org-x on tokens per day (TPD).",
        ),
        (
            Compatible,
            "Rate limit reached for model `l` in organization `o` on requests per day (RPD): 9.",
        ),
        (Compatible, "Error: Your account is suspended due to insufficient balance, recharge it"),
        (Compatible, "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock more."),
    ],
)
def test_the_vendors_own_sentence_is_understood(wire, words):
    assert judge(Surface(429, message=words), wire.rules).error is QuotaExceededError


def test_a_money_error_in_a_frame_was_taken_for_a_bad_request():
    words = "Error: Your credit balance is too low to access the Anthropic API."
    surface = Surface(400, type="invalid_request_error", message=words)
    assert judge(surface, Anthropic.rules).error is QuotaExceededError
