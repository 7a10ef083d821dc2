"""What OpenAI's Responses send when they do not answer as asked; other errors are as in chats."""

from __future__ import annotations

import json
from functools import partial

from .form import Scenario, events_of
from .openai import INVALID, NO_QUOTA, QUOTES, error

USAGE = {
    "input_tokens": 2000,
    "input_tokens_details": {"cached_tokens": 1500, "cache_write_tokens": 200},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 30},
}
TEXT = {"type": "output_text", "text": "Because."}
REFUSAL = {"type": "refusal", "refusal": "I can't help with that."}


def response(status: str, content: object = TEXT, *, reason: str = "", code: str = "") -> str:
    """A response that came to *status*, for *reason* if incomplete and with *code* if failed."""
    reasoning = {"type": "reasoning", "summary": []}
    message = {"type": "message", "role": "assistant", "content": [content]}
    document = {
        "object": "response",
        "status": status,
        "error": {"code": code, "message": f"It failed. {QUOTES}"} if code else None,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [reasoning, message],
        "usage": USAGE,
    }
    return json.dumps(document)


def spoken() -> str:
    """A response as a stream, whose last event holds all of it."""
    whole = {"type": "response.completed", "response": json.loads(response("completed"))}
    return events_of({"type": "response.output_text.delta", "delta": "Because."}, whole)


def event(code: str, message: str = "It failed.") -> str:
    """An ``error`` event, which has no frame."""
    words = f"{message} {QUOTES}"
    return json.dumps({"type": "error", "code": code, "message": words, "param": None})


def failed(code: str) -> str:
    """The event that ends a response which failed."""
    return json.dumps({"type": "response.failed", "response": json.loads(_failure(code))})


def _failure(code: str) -> str:
    return response("failed", code=code)


case = partial(Scenario, "openai-responses")
inside = partial(case, event="error")
ended = partial(case, event="response.failed")

SCENARIOS = (
    case("bad-key", 401, error(INVALID, "invalid_api_key")),
    case("no-quota", 429, error(NO_QUOTA, NO_QUOTA)),
    case("biology", 400, error(INVALID, "bio_policy")),
    case("failed", 200, response("failed", code="server_error")),
    case("failed-rate", 200, response("failed", code="rate_limit_exceeded")),
    case("failed-policy", 200, response("failed", code="misalignment_policy_violation")),
    case("cancelled", 200, response("cancelled")),
    case("queued", 200, response("queued")),
    inside("no-quota-inside", 200, event(NO_QUOTA)),
    case("no-quota-nameless", 200, event(NO_QUOTA), event=""),
    inside("no-credit-inside", 200, error(NO_QUOTA, "credit_balance_exhausted")),
    ended("failed-inside", 200, failed("server_error")),
    ended("policy-inside", 200, failed("bio_policy")),
    case("refusal", 200, response("completed", REFUSAL)),
    case("filtered", 200, response("incomplete", reason="content_filter")),
    case("cut-off", 200, response("incomplete", reason="max_output_tokens")),
    case("cached", 200, response("completed"), events=spoken()),
)
