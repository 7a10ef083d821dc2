"""What Anthropic sends when it does not answer as asked, as of anthropic-version 2026-10-21."""

from __future__ import annotations

import gzip
import json
from functools import partial

from .form import Scenario, events_of, told

INVALID = "invalid_request_error"
RATE = "rate_limit_error"
QUOTES = "[$prompt]"
CACHED: dict[str, object] = {
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
    "output_tokens_details": {"thinking_tokens": 3},
}


def error(kind: str, message: str = "It failed.", code: str = "") -> str:
    """An error's body; its message quotes the prompt, so that who repeats it is found out."""
    told_of: dict[str, object] = {"type": kind, "message": f"{message} {QUOTES}"}
    if code:
        told_of["details"] = {"error_code": code}
    return json.dumps({"type": "error", "error": told_of, "request_id": "$request_id"})


def answer(stop_reason: str, text: str = "Because.", **usage: object) -> str:
    """A message that ended for *stop_reason*."""
    content = [{"type": "text", "text": text}] if text else []
    used = {"input_tokens": 12, "output_tokens": 5, **usage}
    document = {"type": "message", "role": "assistant", "model": "$model", "content": content}
    return json.dumps({**document, "stop_reason": stop_reason, "usage": used})


def spoken(**usage: object) -> str:
    """A message as a stream, whose input is counted first and its output last."""
    counted = {"input_tokens": 12, **usage, "output_tokens": 1}
    thought = counted.pop("output_tokens_details", None)
    begun = {"type": "message", "role": "assistant", "model": "$model", "content": []}
    block = {"index": 0, "content_block": {"type": "text", "text": ""}}
    ended = {"output_tokens": 5, "output_tokens_details": thought}
    return events_of(
        {"type": "message_start", "message": {**begun, "usage": counted}},
        {"type": "content_block_start", **block},
        *(_delta(text) for text in ("Beca", "use.")),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": ended},
        {"type": "message_stop"},
    )


def _delta(text: str) -> dict[str, object]:
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


case = partial(Scenario, "claude")
inside = partial(case, event="error")


def sound(name: str, before: bytes, body: bytes, after: bytes = b"") -> Scenario:
    """A good answer in a form that is rare, and valid."""
    framed = before.replace(b"$length", str(len(body)).encode())
    return case(name, 0, "", raw=framed + b"\r\n\r\n" + body + after)


JSON = b"content-type: application/json\r\nconnection: close"
OK = b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\ncontent-length: $length"
GOOD = answer("end_turn").encode()
CHUNKED = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (GOOD[:9], GOOD[9:]))

WINDOWS = (
    ("anthropic-ratelimit-requests-remaining", "0"),
    ("anthropic-ratelimit-requests-reset", "$moment"),
    ("anthropic-ratelimit-tokens-remaining", "900"),
    ("anthropic-ratelimit-tokens-reset", "2099-01-01T00:00:00Z"),
)
SPENT = "You have reached your specified API usage limits. You will regain access on $day."
POOR = "Your credit balance is too low to access the Anthropic API. Go to Plans & Billing."
LINKED = "linked_organization"

SCENARIOS = (
    case("bad-key", 401, error("authentication_error", "invalid x-api-key $key")),
    case("no-permission", 403, error("permission_error", "Your key may not use this resource.")),
    case("billing", 402, error("billing_error", "There is an issue with your billing.")),
    case("own-spend-limit", 400, error(INVALID, SPENT), wait=691_200),
    case("credit-too-low", 400, error(INVALID, POOR)),
    case("credit-too-low-framed", 400, error(INVALID, f"Error: {POOR}")),
    case("on-hold", 400, error(INVALID, code="organization_on_hold")),
    case("disabled", 400, error(INVALID, "This organization has been disabled.")),
    case("rate-limit", 429, error(RATE), told(retry_after="$seconds"), 12),
    case("rate-limit-date", 429, error(RATE), told(retry_after="$date"), 12),
    case("rate-limit-reset", 429, error(RATE), WINDOWS, 30),
    case("rate-limit-hour", 429, error(RATE), told(retry_after="$seconds"), 3600),
    case("rate-limit-silent", 429, error(RATE)),
    case("ramp-limit", 429, error(RATE, code="ramp_limit_exceeded"), told(retry_after="5"), 5),
    case("spend-cap", 429, error(RATE, code="enforced_spend_limit_reached")),
    case("spend-cap-windows", 429, error(RATE, code="enforced_spend_limit_reached"), WINDOWS, 1),
    case("contract-cap", 429, error(RATE, code="contract_spend_limit_reached")),
    case("linked-spend", 402, error("billing_error", code=f"{LINKED}_spend_limit_reached")),
    case("linked-billing", 402, error("billing_error", code=f"{LINKED}_billing_unavailable")),
    case("overloaded", 529, error("overloaded_error", "Overloaded")),
    case("overloaded-wait", 529, error("overloaded_error"), told(retry_after="$seconds"), 20),
    case("compaction", 529, error("overloaded_error", code="compaction_unavailable")),
    case("key-service", 503, error("api_error", code="cmek_key_unreachable")),
    case("timeout", 504, error("timeout_error", "Request timed out")),
    case("server-error", 500, error("api_error", "Internal server error")),
    case("no-retry", 500, error("api_error"), told(x_should_retry="false")),
    case("retry-in-vain", 400, error(INVALID), told(x_should_retry="true")),
    case("too-long", 400, error(INVALID, "prompt is too long: 210000 tokens > 200000 maximum")),
    case(
        "too-long-with-answer",
        400,
        error(INVALID, "input length and `max_tokens` exceed context limit: 190000 + 20000"),
    ),
    case("too-large", 413, error("request_too_large", "Request exceeds the maximum size")),
    case("blocked", 400, error(INVALID, "Output blocked by content filtering policy")),
    case("no-model", 404, error("not_found_error", "model: $model")),
    case("bad-request", 400, error(INVALID, "max_tokens: Field required")),
    case(
        "bad-request-quoting",
        400,
        error(INVALID, "messages.0: 'Your credit balance is too low' is not allowed"),
    ),
    inside("overloaded-inside", 200, error("overloaded_error", "Overloaded")),
    inside("rate-limit-inside", 200, error(RATE)),
    inside("spend-cap-inside", 200, error(RATE, code="enforced_spend_limit_reached")),
    inside("own-spend-limit-inside", 200, error(INVALID, SPENT), wait=691_200),
    inside("server-error-inside", 200, error("api_error")),
    inside("timeout-inside", 200, error("timeout_error")),
    inside("bad-request-inside", 200, error(INVALID)),
    inside("too-long-inside", 200, error(INVALID, "prompt is too long: 2 tokens > 1 maximum")),
    inside("bad-key-inside", 200, error("authentication_error")),
    inside("new-word-inside", 200, error("weather_error")),
    sound("keep-alive-lines", OK, b"\n" * 50 + GOOD),
    sound("byte-order-mark", OK, b"\xef\xbb\xbf" + GOOD),
    sound("interim", b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, GOOD),
    sound("compressed", OK + b"\r\ncontent-encoding: gzip", gzip.compress(GOOD, mtime=0)),
    sound("old-http", b"HTTP/1.0 200 OK\r\ncontent-type: text/plain", GOOD),
    sound("no-reason", b"HTTP/1.1 200 \r\n" + JSON + b"\r\ncontent-length: $length", GOOD),
    sound(
        "trailers",
        b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\ntransfer-encoding: chunked",
        CHUNKED + b"0\r\nx-cost: 1\r\n\r\n",
    ),
    case("refusal", 200, answer("refusal", "")),
    case("window-full", 200, answer("model_context_window_exceeded")),
    case("cut-off", 200, answer("max_tokens")),
    case("cached", 200, answer("end_turn", "Because.", **CACHED), events=spoken(**CACHED)),
)
