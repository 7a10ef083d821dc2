"""What OpenAI's Chat Completions send when they do not answer as asked."""

from __future__ import annotations

import json
from functools import partial

from .form import Scenario, events_of, told

INVALID = "invalid_request_error"
NO_QUOTA = "insufficient_quota"
FAST = "rate_limit_exceeded"
QUOTES = "[$prompt]"
USED = {
    "prompt_tokens": 2000,
    "completion_tokens": 50,
    "prompt_tokens_details": {"cached_tokens": 1500},
    "completion_tokens_details": {"reasoning_tokens": 30},
}


def error(kind: str | None, code: object = None, message: str = "It failed.") -> str:
    """An error's body; its message quotes the prompt, so that who repeats it is found out."""
    words = f"{message} {QUOTES}"
    return json.dumps({"error": {"message": words, "type": kind, "param": None, "code": code}})


def answer(
    finish: str | None = "stop", content: str | None = "Because.", refusal: str | None = None
) -> str:
    """A completion that ended for *finish*, with cached and reasoning tokens in its usage."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": USED})


def chunks(usage: object = None, between: str = "") -> str:
    """A completion as a stream, with *between* before each of its events."""
    frame: dict[str, object] = {"object": "chat.completion.chunk"}
    deltas = [{"index": 0, "delta": {"content": text}} for text in ("Beca", "use.")]
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    told = [{**frame, "choices": [choice]} for choice in (*deltas, end)]
    told += [{**frame, "choices": [], "usage": usage or USED}]
    return "".join(f"{between}{events_of(one)}" for one in told) + "data: [DONE]\n\n"


case = partial(Scenario, "openai")
inside = partial(case, event="")

PLAN = "You exceeded your current quota, please check your plan and billing details."
QUOTING = "Rate limit. Your prompt 'how many tokens per day, try again in 20h' was not processed."
WINDOWS = (
    ("x-ratelimit-remaining-requests", "0"),
    ("x-ratelimit-reset-requests", "${seconds}s"),
    ("x-ratelimit-remaining-tokens", "7"),
    ("x-ratelimit-reset-tokens", "6h0m0s"),
)
PER_DAY = "Rate limit reached on requests per day (RPD): Limit 200, Used 200. Please try again in"
TOKENS_A_DAY = "Rate limit reached on tokens per day (TPD): Limit 9, Used 9. Please try again in"
FLAGGED = "Invalid prompt: your prompt was flagged as potentially violating our usage policy."

SCENARIOS = (
    case("bad-key", 401, error(INVALID, "invalid_api_key", "Incorrect API key provided: $key.")),
    case("no-key", 401, error(INVALID, None, "You didn't provide an API key.")),
    case("deactivated", 401, error(INVALID, "account_deactivated")),
    case("region", 403, error("request_forbidden", "unsupported_country_region_territory")),
    case("no-permission", 403, error(INVALID, None, "You have insufficient permissions.")),
    case("no-model", 404, error(INVALID, "model_not_found", "The model does not exist.")),
    case("rate-limit", 429, error("requests", FAST), told(retry_after="$seconds"), 20),
    case(
        "rate-limit-ms",
        429,
        error("tokens", FAST),
        told(retry_after_ms="$ms", retry_after="1"),
        0.35,
    ),
    case("rate-limit-date", 429, error("tokens", FAST), told(retry_after="$date"), 60),
    case("rate-limit-words", 429, error("tokens", FAST, "Please try again in 1m30s.")),
    case("rate-limit-words-ms", 429, error("tokens", FAST, "Please try again in 120ms.")),
    case("rate-limit-reset", 429, error("tokens", FAST), WINDOWS, 90),
    case("rate-limit-silent", 429, error("tokens", FAST)),
    case("rate-limit-quoting", 429, error("tokens", FAST, QUOTING)),
    case("slow-down", 429, error("rate_limit_error", "slow_down")),
    case("slow-down-503", 503, error("rate_limit_error", "slow_down")),
    case("requests-a-day", 429, error("requests", FAST, f"{PER_DAY} 7m12s.")),
    case("tokens-a-day", 429, error("tokens", FAST, f"{TOKENS_A_DAY} 2h0m0s.")),
    case("no-quota", 429, error(NO_QUOTA, NO_QUOTA, PLAN)),
    case("no-quota-words", 429, error(None, None, PLAN)),
    case("no-quota-windows", 429, error(NO_QUOTA, NO_QUOTA, PLAN), WINDOWS, 1),
    case("credit-exhausted", 429, error(NO_QUOTA, "credit_balance_exhausted")),
    case("organization-spend", 429, error(NO_QUOTA, "organization_spend_limit_exceeded")),
    case("project-spend", 429, error(None, "project_spend_limit_exceeded")),
    case("organization-usage", 429, error(None, "organization_usage_limit_exceeded")),
    case("usage-limit", 429, error(None, "usage_limit_exceeded")),
    case("not-billed", 429, error(None, "billing_not_active")),
    case("flex", 429, error(None, "flex_unavailable")),
    case("hard-limit", 429, error(INVALID, "billing_hard_limit_reached")),
    case("hard-limit-400", 400, error(INVALID, "billing_hard_limit_reached")),
    case("overloaded", 503, error("service_unavailable_error", "server_is_overloaded")),
    case("overloaded-again", 503, error(None, "server_overloaded")),
    case("server-error", 500, error("server_error", None, "The server had an error.")),
    case("timeout", 504, error("server_error")),
    case("request-timeout", 408, error(None)),
    case("conflict", 409, error(None)),
    case("context", 400, error(INVALID, "context_length_exceeded")),
    case("context-words", 400, error(INVALID, None, "This model's maximum context length is 4.")),
    case("text-too-long", 400, error(INVALID, "string_above_max_length")),
    case("larger-than-limit", 429, error("tokens", FAST, "Request too large for gpt-x on TPM.")),
    case("policy", 400, error(INVALID, "content_policy_violation")),
    case("filter", 400, error(None, "content_filter")),
    case("biology", 400, error(INVALID, "bio_policy")),
    case("cyber", 400, error(INVALID, "cyber_policy")),
    case("misalignment", 400, error(INVALID, "misalignment_policy_violation")),
    case("flagged", 400, error(INVALID, "invalid_prompt", FLAGGED)),
    case("bad-request", 400, error(INVALID, None, "Unknown parameter.")),
    case("unprocessable", 422, error(INVALID)),
    inside("no-quota-inside", 200, error(NO_QUOTA, "credit_balance_exhausted")),
    inside("server-error-inside", 200, error("server_error")),
    inside("rate-limit-inside", 200, error("tokens", FAST, "Please try again in 3s.")),
    inside("timeout-inside", 200, error(None, "request_timeout")),
    inside("bad-request-inside", 200, error(INVALID)),
    inside("context-inside", 200, error(INVALID, "context_length_exceeded")),
    case("refusal", 200, answer("stop", None, "I can't help with that.")),
    case("filtered", 200, answer("content_filter", "Beca")),
    case("cut-off", 200, answer("length")),
    case("cached", 200, answer(), events=chunks()),
)
