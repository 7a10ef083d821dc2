"""What Gemini sends when it does not answer as asked."""

from __future__ import annotations

import json
from functools import partial

from .form import Scenario, events_of

RPC = "type.googleapis.com/google.rpc"
QUOTES = "[$prompt]"


def error(status: str, message: str = "It failed.", *details: object, code: object = None) -> str:
    """An error's body; its message quotes the prompt, so that who repeats it is found out."""
    words = {"code": code, "message": f"{message} {QUOTES}", "status": status}
    kept = {name: value for name, value in words.items() if value}
    return json.dumps({"error": {**kept, **({"details": details} if details else {})}})


def quota(name: str, metric: str = "generate_content_requests") -> dict[str, object]:
    """The quota that was exceeded."""
    violation = {
        "quotaMetric": f"generativelanguage.googleapis.com/{metric}",
        "quotaId": name,
        "quotaDimensions": {"location": "global", "model": "$model"},
    }
    return {"@type": f"{RPC}.QuotaFailure", "violations": [violation]}


def retry(delay: str) -> dict[str, object]:
    """How long to wait."""
    return {"@type": f"{RPC}.RetryInfo", "retryDelay": delay}


def reason(word: str) -> dict[str, object]:
    """Why."""
    return {"@type": f"{RPC}.ErrorInfo", "reason": word, "domain": "googleapis.com"}


def answer(finish: str = "", text: str = "Because.", **more: object) -> str:
    """A generation that ended for *finish*, with cached and thinking tokens in its usage."""
    content = {"parts": [{"text": text}], "role": "model"}
    used = {
        "promptTokenCount": 2000,
        "candidatesTokenCount": 20,
        "cachedContentTokenCount": 1500,
        "thoughtsTokenCount": 30,
    }
    candidates = [{"content": content, "finishReason": finish, "index": 0}] if finish else []
    return json.dumps({"candidates": candidates, "usageMetadata": used, **more})


def spoken() -> str:
    """A generation as a stream, each of whose events counts."""
    begun, ended = json.loads(answer("STOP", "Beca")), json.loads(answer("STOP", "use."))
    del begun["candidates"][0]["finishReason"]
    begun["usageMetadata"] |= {"candidatesTokenCount": 10}
    return events_of(begun, ended)


case = partial(Scenario, "gemini")
inside = partial(case, event="")

EXHAUSTED = "RESOURCE_EXHAUSTED"
INVALID = "INVALID_ARGUMENT"
MINUTE = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")
DAY = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
DAY_METRIC = quota("", "generate_requests_per_model_per_day")
PLAN = "You exceeded your current quota, please check your plan and billing details."
METRIC = "Quota exceeded for quota metric 'Generate Content API requests per day'."
NONE = "\\n* Quota exceeded for metric: googleapis.com/free_tier_requests, limit: 0, model: x"
NESTED = json.dumps({"error": {"code": 429, "message": PLAN, "details": [DAY]}})
TOO_MANY = "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."

SCENARIOS = (
    case("bad-key", 400, error(INVALID, "API key not valid: $key", reason("API_KEY_INVALID"))),
    case("expired-key", 400, error(INVALID, "API key expired. Please renew the API key.")),
    case("leaked-key", 403, error("PERMISSION_DENIED", "Your API key was reported as leaked.")),
    case("unauthenticated", 401, error("UNAUTHENTICATED")),
    case("no-permission", 403, error("PERMISSION_DENIED")),
    case("billing-off", 400, error("FAILED_PRECONDITION", "Enable billing on your project.")),
    case("billing-disabled", 403, error("PERMISSION_DENIED", "No.", reason("BILLING_DISABLED"))),
    case("region", 400, error("FAILED_PRECONDITION", "User location is not supported.")),
    case("prepaid-empty", 402, error(EXHAUSTED, "Your prepayment credits are depleted.")),
    case("payment-required", 402, error("", code="payment_required")),
    case("minute", 429, error(EXHAUSTED, PLAN, MINUTE, retry("46s"))),
    case("minute-fraction", 429, error(EXHAUSTED, PLAN, MINUTE, retry("0.500s"))),
    case("minute-words", 429, error(EXHAUSTED, "Please retry in 34.5s.")),
    case("minute-silent", 429, error(EXHAUSTED, "Resource has been exhausted (check quota).")),
    case("minute-quoting", 429, error(EXHAUSTED, "Try later: [what is my daily limit]")),
    case("minute-quoting-none", 429, error(EXHAUSTED, "Try later: [set limit: 0]")),
    case("day", 429, error(EXHAUSTED, PLAN, DAY, retry("35640s"))),
    case("day-silent", 429, error(EXHAUSTED, PLAN, DAY)),
    case("day-and-minute", 429, error(EXHAUSTED, PLAN, MINUTE, DAY)),
    case("day-by-metric", 429, error(EXHAUSTED, PLAN, DAY_METRIC)),
    case("day-by-words", 429, error(EXHAUSTED, "Quota exceeded for requests per day.")),
    case("day-by-metric-words", 429, error(EXHAUSTED, METRIC)),
    case("day-in-message", 429, error("Too Many Requests", NESTED, code=429)),
    case("day-by-code", 429, error("", code="quota_exceeded")),
    case("no-quota-for-model", 429, error(EXHAUSTED, "limit: 0, model: x", DAY, retry("12s"))),
    case("no-quota-in-list", 429, error(EXHAUSTED, f"{PLAN} {NONE}", MINUTE, retry("12s"))),
    case("limit-below-one", 429, error(EXHAUSTED, "limit: 0.5", MINUTE)),
    case("overloaded", 503, error("UNAVAILABLE", "The model is overloaded.")),
    case("deadline", 504, error("DEADLINE_EXCEEDED")),
    case("internal", 500, error("INTERNAL")),
    case("cancelled", 499, error("CANCELLED")),
    case("aborted", 409, error("ABORTED")),
    case("context", 400, error(INVALID, TOO_MANY)),
    case("no-model", 404, error("NOT_FOUND", "models/$model is not found.")),
    case("bad-request", 400, error(INVALID, "Invalid JSON payload received.")),
    case("bad-request-quoting", 400, error(INVALID, "Invalid value: 'API key expired'")),
    inside("overloaded-inside", 200, error("UNAVAILABLE", code=503)),
    inside("minute-inside", 200, error(EXHAUSTED, PLAN, MINUTE, retry("9s"), code=429)),
    inside("day-inside", 200, error(EXHAUSTED, PLAN, DAY, retry("35640s"), code=429)),
    inside("internal-inside", 200, error("INTERNAL", code=500)),
    case("in-an-array", 503, f"[{error('UNAVAILABLE', code=503)}]"),
    case("empty", 200, "{}"),
    case("no-candidates", 200, answer()),
    case("blocked-prompt", 200, answer(promptFeedback={"blockReason": "PROHIBITED_CONTENT"})),
    case("safety", 200, answer("SAFETY", "")),
    case("recitation", 200, answer("RECITATION", "")),
    case("blocklist", 200, answer("BLOCKLIST", "")),
    case("prohibited", 200, answer("PROHIBITED_CONTENT", "")),
    case("spii", 200, answer("SPII", "")),
    case("model-armor", 200, answer("MODEL_ARMOR", "")),
    case("malformed", 200, answer("MALFORMED_RESPONSE", "")),
    case("malformed-call", 200, answer("MALFORMED_FUNCTION_CALL", "")),
    case("continuation", 200, answer("CONTINUATION")),
    case("cut-off", 200, answer("MAX_TOKENS")),
    case("cached", 200, answer("STOP"), events=spoken()),
)
