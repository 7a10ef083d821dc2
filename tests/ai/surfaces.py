"""The error answers of the vendors, as rows: what came back, and what it must mean.

Every message carries the canary, which stands for a prompt or a key that a vendor quotes.
"""

import json
from dataclasses import dataclass, field

from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Perplexity
from koo.errors import (
    AccessDeniedError,
    ApiKeyError,
    ContentRefusedError,
    ContextTooLongError,
    ExternalServiceError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServiceTimeoutError,
    ServiceUnavailableError,
)

CANARY = "canary in a coal mine"
#: 2026-11-23T00:00:00Z
NOW = 1_795_392_000.0
HTML = f"<html>{CANARY}</html>"


@dataclass(frozen=True)
class Row:
    name: str
    wire: type
    status: int
    body: str
    error: type[ExternalServiceError]
    wait: float | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def readable(self) -> bool:
        try:
            json.loads(self.body)
        except ValueError:
            return False
        return True


def _claude(kind: str, message: str = "", code: str | None = None) -> str:
    error = {"type": kind, "message": f"{message} {CANARY}"}
    if code:
        error["details"] = {"error_code": code}
    return json.dumps({"type": "error", "error": error, "request_id": "req_1"})


def _openai(kind: str | None, code: object, message: str = "") -> str:
    error = {"message": f"{message} {CANARY}", "type": kind, "param": None, "code": code}
    return json.dumps({"error": error})


def _gemini(status: str, message: str = "", *details: object, code: object = 0) -> str:
    error = {"code": code, "message": f"{message} {CANARY}", "status": status}
    return json.dumps({"error": error | {"details": list(details)}})


def _quota(quota_id: str) -> dict[str, object]:
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [{"quotaId": quota_id}, "odd"]}


def _retry(delay: str) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def _reason(reason: str) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}


KEY, DENIED, QUOTA, RATE = ApiKeyError, AccessDeniedError, QuotaExceededError, RateLimitError
LONG, REFUSED, WRONG = ContextTooLongError, ContentRefusedError, InvalidRequestError
DOWN, SLOW = ServiceUnavailableError, ServiceTimeoutError

_INVALID = "invalid_request_error"
_PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
_PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
_PLAN = "You exceeded your current quota, please check your plan and billing details."

# fmt: off
ANTHROPIC = [
    Row("claude bad key", Anthropic, 401, _claude("authentication_error"), KEY),
    Row("claude permission", Anthropic, 403, _claude("permission_error"), DENIED),
    Row("claude billing", Anthropic, 402, _claude("billing_error"), QUOTA),
    Row(
        "claude own spend limit as 400", Anthropic, 400,
        _claude(_INVALID, "You have reached your specified API usage limits. You will regain"
                " access on 2026-12-01 at 00:00 UTC."),
        QUOTA, 8 * 86_400.0,
    ),
    Row("claude credit too low as 400", Anthropic, 400,
        _claude(_INVALID, "Your credit balance is too low to access the API."), QUOTA),
    Row("claude organisation on hold", Anthropic, 400,
        _claude(_INVALID, code="organization_on_hold"), DENIED),
    Row("claude rate limit", Anthropic, 429, _claude("rate_limit_error"), RATE, 12.0,
        {"retry-after": "12"}),
    Row("claude rate limit, reset header only", Anthropic, 429, _claude("rate_limit_error"), RATE,
        30.0, {"anthropic-ratelimit-requests-remaining": "0",
               "anthropic-ratelimit-requests-reset": "2026-11-23T00:00:30Z",
               "anthropic-ratelimit-tokens-remaining": "900",
               "anthropic-ratelimit-tokens-reset": "2026-11-23T00:09:00Z"}),
    Row("claude acceleration limit", Anthropic, 429,
        _claude("rate_limit_error", code="ramp_limit_exceeded"), RATE, 5.0, {"retry-after": "5"}),
    Row("claude tier spend cap as 429", Anthropic, 429,
        _claude("rate_limit_error", code="enforced_spend_limit_reached"), QUOTA),
    Row("claude contract cap as 429", Anthropic, 429,
        _claude("rate_limit_error", code="contract_spend_limit_reached"), QUOTA),
    Row("claude linked organisation spend", Anthropic, 402,
        _claude("billing_error", code="linked_organization_spend_limit_reached"), QUOTA),
    Row("claude linked organisation billing", Anthropic, 402,
        _claude("billing_error", code="linked_organization_billing_unavailable"), QUOTA),
    Row("claude overloaded", Anthropic, 529, _claude("overloaded_error"), DOWN),
    Row("claude overloaded with a wait", Anthropic, 529, _claude("overloaded_error"), DOWN, 20.0,
        {"retry-after": "20"}),
    Row("claude compaction unavailable", Anthropic, 529,
        _claude("overloaded_error", code="compaction_unavailable"), DOWN),
    Row("claude key service unreachable", Anthropic, 503,
        _claude("api_error", code="cmek_key_unreachable"), DOWN),
    Row("claude gateway timeout", Anthropic, 504, _claude("timeout_error"), SLOW),
    Row("claude server error", Anthropic, 500, _claude("api_error"), DOWN),
    Row("claude prompt too long", Anthropic, 400,
        _claude(_INVALID, "prompt is too long: 210000 tokens > 200000 maximum"), LONG),
    Row("claude context exceeded with max_tokens", Anthropic, 400,
        _claude(_INVALID, "input length and `max_tokens` exceed context limit: 190000 + 20000"),
        LONG),
    Row("claude bytes too many", Anthropic, 413, _claude("request_too_large"), LONG),
    Row("claude output blocked", Anthropic, 400,
        _claude(_INVALID, "Output blocked by content filtering policy"), REFUSED),
    Row("claude no such model", Anthropic, 404, _claude("not_found_error"), WRONG),
    Row("claude bad request", Anthropic, 400, _claude(_INVALID, "max_tokens: required"), WRONG),
    Row("claude overload inside a 200", Anthropic, 200, _claude("overloaded_error"), DOWN),
    Row("claude rate limit inside a 200", Anthropic, 200, _claude("rate_limit_error"), RATE),
    Row("claude bad request inside a 200", Anthropic, 200, _claude(_INVALID), WRONG),
    Row("claude 502 from a proxy", Anthropic, 502, HTML, DOWN),
    Row("claude 403 from a proxy", Anthropic, 403, HTML, DOWN),
    Row("claude redirect", Anthropic, 307, HTML, WRONG),
    Row("claude answer that is no JSON", Anthropic, 200, HTML, DOWN),
]

OPENAI = [
    Row("openai bad key", OpenAI, 401, _openai(_INVALID, "invalid_api_key"), KEY),
    Row("openai region", OpenAI, 403,
        _openai("request_forbidden", "unsupported_country_region_territory"), DENIED),
    Row("openai permission", OpenAI, 403, _openai(_INVALID, None), DENIED),
    Row("openai no such model", OpenAI, 404, _openai(_INVALID, "model_not_found"), WRONG),
    Row("openai rate limit, seconds", OpenAI, 429, _openai("requests", "rate_limit_exceeded"), RATE,
        20.0, {"retry-after": "20"}),
    Row("openai rate limit, milliseconds win", OpenAI, 429,
        _openai("tokens", "rate_limit_exceeded"), RATE, 0.35,
        {"retry-after-ms": "350", "retry-after": "1"}),
    Row("openai rate limit, a date", OpenAI, 429, _openai("tokens", "rate_limit_exceeded"), RATE,
        60.0, {"retry-after": "Mon, 23 Nov 2026 00:01:00 GMT"}),
    Row("openai rate limit, in words", OpenAI, 429,
        _openai("tokens", "rate_limit_exceeded", "Limit 60, Used 60. Please try again in 6m0s."),
        RATE, 360.0),
    Row("openai rate limit, in words of milliseconds", OpenAI, 429,
        _openai("tokens", "rate_limit_exceeded", "Please try again in 120ms."), RATE, 0.12),
    Row("openai rate limit, reset header", OpenAI, 429, _openai("tokens", "rate_limit_exceeded"),
        RATE, 90.0, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s",
                     "x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "6h"}),
    Row("openai grew too fast", OpenAI, 429, _openai("rate_limit_error", "slow_down"), RATE),
    Row("openai grew too fast, as it was", OpenAI, 503, _openai("rate_limit_error", "slow_down"),
        RATE),
    Row("openai no money, type and code", OpenAI, 429,
        _openai("insufficient_quota", "insufficient_quota", _PLAN), QUOTA),
    Row("openai credit exhausted", OpenAI, 429,
        _openai("insufficient_quota", "credit_balance_exhausted"), QUOTA),
    Row("openai organisation spend", OpenAI, 429,
        _openai("insufficient_quota", "organization_spend_limit_exceeded"), QUOTA),
    Row("openai project spend", OpenAI, 429,
        _openai(None, "project_spend_limit_exceeded"), QUOTA),
    Row("openai organisation usage", OpenAI, 429,
        _openai(None, "organization_usage_limit_exceeded"), QUOTA),
    Row("openai hard limit", OpenAI, 429, _openai(_INVALID, "billing_hard_limit_reached"), QUOTA),
    Row("openai overloaded", OpenAI, 503,
        _openai("service_unavailable_error", "server_is_overloaded"), DOWN),
    Row("openai server error", OpenAI, 500, _openai("server_error", None), DOWN),
    Row("openai bad gateway", OpenAI, 502, HTML, DOWN),
    Row("openai context", OpenAI, 400, _openai(_INVALID, "context_length_exceeded"), LONG),
    Row("openai one request above the tokens per minute", OpenAI, 429,
        _openai("tokens", "rate_limit_exceeded", "Request too large for gpt-x on tokens per min"),
        LONG),
    Row("openai policy", OpenAI, 400, _openai(_INVALID, "content_policy_violation"), REFUSED),
    Row("openai biology", OpenAI, 400, _openai(_INVALID, "bio_policy"), REFUSED),
    Row("openai misalignment", OpenAI, 400,
        _openai(_INVALID, "misalignment_policy_violation"), REFUSED),
    Row("openai prompt flagged", OpenAI, 400, _openai(_INVALID, "invalid_prompt"), REFUSED),
    Row("openai bad request", OpenAI, 400, _openai(_INVALID, None, "Unknown parameter"), WRONG),
    Row("openai no money inside a 200", OpenAI, 200,
        _openai("insufficient_quota", "credit_balance_exhausted"), QUOTA),
    Row("openai server error inside a 200", OpenAI, 200, _openai("server_error", None), DOWN),
    Row("openai bad request inside a 200", OpenAI, 200, _openai(_INVALID, None), WRONG),
    Row("openai request timeout", OpenAI, 408, _openai(None, None), SLOW),
    Row("openai gateway timeout", OpenAI, 504, _openai("server_error", None), SLOW),
    Row("openai conflict", OpenAI, 409, _openai(None, None), DOWN),
]

GEMINI = [
    Row("gemini bad key as 400", Gemini, 400,
        _gemini("INVALID_ARGUMENT", "API key not valid.", _reason("API_KEY_INVALID")), KEY),
    Row("gemini expired key, by words", Gemini, 400,
        _gemini("INVALID_ARGUMENT", "API key expired. Please renew."), KEY),
    Row("gemini leaked key", Gemini, 403,
        _gemini("PERMISSION_DENIED", "Your API key was reported as leaked."), KEY),
    Row("gemini unauthenticated", Gemini, 401, _gemini("UNAUTHENTICATED"), KEY),
    Row("gemini permission", Gemini, 403, _gemini("PERMISSION_DENIED"), DENIED),
    Row("gemini billing off as 400", Gemini, 400,
        _gemini("FAILED_PRECONDITION", "Please enable billing on your project."), QUOTA),
    Row("gemini region as 400", Gemini, 400,
        _gemini("FAILED_PRECONDITION", "User location is not supported for the API use."), DENIED),
    Row("gemini prepaid empty", Gemini, 402, _gemini("RESOURCE_EXHAUSTED"), QUOTA),
    Row("gemini payment required, a word as code", Gemini, 402,
        _gemini("", code="payment_required"), QUOTA),
    Row("gemini per minute", Gemini, 429,
        _gemini("RESOURCE_EXHAUSTED", _PLAN, _quota(_PER_MINUTE), _retry("46s")), RATE, 46.0),
    Row("gemini per minute, in words", Gemini, 429,
        _gemini("RESOURCE_EXHAUSTED", "Please retry in 34.074824224s."), RATE, 34.074824224),
    Row("gemini per day", Gemini, 429,
        _gemini("RESOURCE_EXHAUSTED", _PLAN, _quota(_PER_DAY), _retry("35640s")), QUOTA, 35640.0),
    Row("gemini per day and per minute", Gemini, 429,
        _gemini("RESOURCE_EXHAUSTED", _PLAN, _quota(_PER_MINUTE), _quota(_PER_DAY)), QUOTA),
    Row("gemini day, a word as code", Gemini, 429, _gemini("", code="quota_exceeded"), QUOTA),
    Row("gemini no quota for the model, and its lie", Gemini, 429,
        _gemini("RESOURCE_EXHAUSTED", "limit: 0, model: gemini-x", _quota(_PER_DAY),
                _retry("12s")), DENIED),
    Row("gemini a limit that begins with nothing", Gemini, 429,
        _gemini("RESOURCE_EXHAUSTED", "limit: 0.5", _quota(_PER_MINUTE)), RATE),
    Row("gemini overloaded", Gemini, 503,
        _gemini("UNAVAILABLE", "The model is overloaded."), DOWN),
    Row("gemini deadline", Gemini, 504, _gemini("DEADLINE_EXCEEDED"), SLOW),
    Row("gemini internal", Gemini, 500, _gemini("INTERNAL"), DOWN),
    Row("gemini context", Gemini, 400,
        _gemini("INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number"
                " of tokens allowed (1048576)."), LONG),
    Row("gemini no such model", Gemini, 404, _gemini("NOT_FOUND"), WRONG),
    Row("gemini bad request", Gemini, 400, _gemini("INVALID_ARGUMENT"), WRONG),
    Row("gemini overload inside a 200", Gemini, 200, _gemini("UNAVAILABLE"), DOWN),
    Row("gemini exhausted inside a 200", Gemini, 200, _gemini("RESOURCE_EXHAUSTED"), RATE),
    Row("gemini empty 200", Gemini, 200, "{}", DOWN),
]

COMPATIBLES = [
    Row("ollama error as text", Compatible, 404, json.dumps({"error": f"model {CANARY}"}), WRONG),
    Row("ollama queue full", Compatible, 503, json.dumps({"error": f"busy {CANARY}"}), DOWN),
    Row("vllm code is a number", Compatible, 400, _openai("BadRequestError", 400), WRONG),
    Row("vllm context", Compatible, 400,
        _openai("BadRequestError", 400, "This model's maximum context length is 4096 tokens."),
        LONG),
    Row("vllm no key", Compatible, 401, json.dumps({"error": "Unauthorized"}), KEY),
    Row("groq capacity", Compatible, 498, _openai("capacity", "capacity_exceeded"), DOWN),
    Row("groq failed dependency", Compatible, 424, _openai(None, None), DOWN),
    Row("groq rate limit", Compatible, 429, _openai("tokens", "rate_limit_exceeded",
        "Rate limit reached. Please try again in 7.66s."), RATE, 7.66),
    Row("groq request too large", Compatible, 413,
        _openai("tokens", "rate_limit_exceeded", "Request too large for model"), LONG),
    Row("deepseek no balance", Compatible, 402, _openai(None, None, "Insufficient Balance"), QUOTA),
    Row("openrouter no credit", Compatible, 402, _openai(None, 402, "Insufficient credits"), QUOTA),
    Row("openrouter reset in milliseconds since 1970", Compatible, 429, _openai(None, 429), RATE,
        15.0, {"x-ratelimit-remaining": "0",
               "x-ratelimit-reset": str(int((NOW + 15) * 1000))}),
    Row("openrouter moderation", Compatible, 403, _openai(None, 403, "flagged"), REFUSED),
    Row("openrouter upstream down", Compatible, 502, _openai(None, 502), DOWN),
    Row("together out of credit as 429", Compatible, 429,
        _openai("credit_limit", None, "Credit limit exceeded"), QUOTA),
    Row("mistral message beside no error", Compatible, 429,
        json.dumps({"message": f"Requests rate limit exceeded {CANARY}"}), RATE),
    Row("perplexity bad key", Perplexity, 401, _openai("unauthorized", 401), KEY),
    Row("perplexity out of credit as 401", Perplexity, 401,
        _openai(None, 401, "You exceeded your current quota: out of credits"), QUOTA),
    Row("perplexity rate limit", Perplexity, 429, _openai("too_many_requests", 429), RATE),
    Row("perplexity down", Perplexity, 500, HTML, DOWN),
]
# fmt: on

ROWS = [*ANTHROPIC, *OPENAI, *GEMINI, *COMPATIBLES]
