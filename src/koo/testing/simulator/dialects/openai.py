"""OpenAI's Chat Completions, and the servers that speak it too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..faults import Fault
from .anthropic import bearer
from .content import Call, openai
from .form import (
    Asked,
    Document,
    Limits,
    Reply,
    Surface,
    Trouble,
    Wrong,
    read_messages,
    read_model,
    seconds,
    sse,
)

DONE = b"data: [DONE]\n\n"
UNLIMITED_TOKENS = 1_000_000

OVERLOADED = Surface(
    503,
    "service_unavailable_error",
    "server_is_overloaded",
    "The engine is currently overloaded, please try again later",
)
SURFACES = {
    Fault.RATE_LIMIT: Surface(
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for {model} on requests per min (RPM). Please try again in {wait}s.",
    ),
    Fault.SPEND_LIMIT: Surface(
        429,
        "insufficient_quota",
        "organization_spend_limit_exceeded",
        "Your organization has reached its spend limit.",
    ),
    Fault.OUT_OF_MONEY: Surface(
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    Fault.WRONG_KEY: Surface(
        401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: test****."
    ),
    Fault.NO_ACCESS: Surface(
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    Fault.UNKNOWN_MODEL: Surface(
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    Fault.TOO_LONG: Surface(
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 128000 tokens.",
    ),
    Fault.INVALID_REQUEST: Surface(400, "invalid_request_error", "", "{detail}"),
    Fault.SERVER_ERROR: Surface(
        500, "server_error", "", "The server had an error while processing your request."
    ),
    Fault.UNAVAILABLE: Surface(
        503, "server_error", "", "The server is currently unavailable, please try again later"
    ),
    Fault.GATEWAY_TIMEOUT: Surface(504, "server_error", "", "The request timed out"),
}


class OpenAI:
    """Chat completions, whole and streamed; the key as Bearer."""

    base_path = "/v1"
    completion_paths: tuple[str, ...] = ("/chat/completions",)
    models_paths: tuple[str, ...] = ("/models",)
    tokens_per_image = 6_150
    tokens_of_tools = 20

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """Bearer only."""
        del query
        return bearer(headers)

    def read(self, document: Document, path: Mapping[str, str]) -> Asked:
        """Both names of the token limit count."""
        del path
        limit = document.get("max_completion_tokens", document.get("max_tokens"))
        options = document.get("stream_options")
        return Asked(
            read_model(document),
            read_messages(document),
            limit if isinstance(limit, int) else UNLIMITED_TOKENS,
            document.get("stream") is True,
            isinstance(options, dict) and options.get("include_usage") is True,
            carried=openai.read_chat(document),
        )

    def headers(self, request_id: str, limits: Limits) -> dict[str, str]:
        """The requests and tokens of this minute; resets are durations."""
        told = {"x-request-id": request_id, "openai-version": "2020-10-01"}
        for kind, limit in limits.told():
            told |= {
                f"x-ratelimit-limit-{kind}": str(limit.most),
                f"x-ratelimit-remaining-{kind}": str(limit.remaining),
                f"x-ratelimit-reset-{kind}": f"{round(limit.reset_after * 1000)}ms",
            }
        return told

    def answer(self, reply: Reply) -> Document:
        """A chat completion."""
        message = {
            "role": "assistant",
            "content": None if reply.is_refused or reply.calls else reply.text,
            "refusal": reply.text if reply.is_refused else None,
            **({"tool_calls": [_call(call) for call in reply.calls]} if reply.calls else {}),
        }
        choice = {"index": 0, "message": message, "finish_reason": finish_of(reply)}
        return {**self._frame(reply, ""), "choices": [choice], "usage": self.usage(reply)}

    def events(self, reply: Reply, asked: Asked) -> list[bytes]:
        """Chunks up to ``[DONE]``; the one with a finish_reason tells that it is whole."""
        frame = self._frame(reply, ".chunk")
        deltas: list[Document] = [{"role": "assistant", "content": ""}]
        deltas += _called(reply.calls) if reply.calls else _said(reply)
        chunks = [{**frame, "choices": [_choice(delta, None)]} for delta in deltas]
        chunks.append({**frame, "choices": [_choice({}, finish_of(reply))]})
        if asked.wants_usage:
            chunks.append({**frame, "choices": [], "usage": self.usage(reply)})
        return [*(sse(chunk) for chunk in chunks), DONE]

    def usage(self, reply: Reply) -> Document:
        """What is billed."""
        return {
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": reply.thinking_tokens,
                "audio_tokens": 0,
            },
        }

    def stream_error(self, trouble: Trouble) -> bytes:
        """A chunk that is an error."""
        return sse(_error(OVERLOADED, trouble))

    def wrong(self, trouble: Trouble) -> Wrong:
        """The vendor's status, type, code and words."""
        surface = SURFACES.get(trouble.fault, OVERLOADED)
        document = _error(surface, trouble)
        if trouble.fault is not Fault.RATE_LIMIT:
            return Wrong(surface.status, document)
        wait = {
            "retry-after": seconds(trouble.retry_after),
            "retry-after-ms": str(round(trouble.retry_after * 1000)),
        }
        return Wrong(surface.status, document, wait)

    def missing_key(self, request_id: str) -> Wrong:
        """401, like a wrong one, with other words and no code."""
        del request_id
        words = "You didn't provide an API key. Provide it in an Authorization header."
        error = {"message": words, "type": "invalid_request_error", "param": None, "code": None}
        return Wrong(401, {"error": error})

    def models(self, names: tuple[str, ...]) -> Document:
        """All on one page."""
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "system"} for name in names
        ]
        return {"object": "list", "data": data}

    def _frame(self, reply: Reply, suffix: str) -> Document:
        return {
            "id": f"chatcmpl-{reply.request_id.removeprefix('req_')}",
            "object": f"chat.completion{suffix}",
            "created": int(reply.created),
            "model": reply.model,
            "service_tier": "default",
        }


def finish_of(reply: Reply) -> str:
    """Why it ended, in OpenAI's words."""
    if reply.is_refused:
        return "content_filter"
    if reply.calls:
        return "tool_calls"
    return "length" if reply.is_cut_off else "stop"


def _said(reply: Reply) -> list[Document]:
    return [{"content": piece} for piece in reply.pieces()]


def _called(calls: tuple[Call, ...]) -> Iterator[Document]:
    for place, call in enumerate(calls):
        named = _call(call)
        named["function"]["arguments"] = ""
        yield {"tool_calls": [{"index": place, **named}]}
        for piece in call.pieces():
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def _call(call: Call) -> Document:
    function = {"name": call.name, "arguments": call.text}
    return {"id": call.id, "type": "function", "function": function}


def _choice(delta: Document, finish: str | None) -> Document:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _error(surface: Surface, trouble: Trouble) -> Document:
    return {
        "error": {
            "message": surface.says(trouble),
            "type": surface.type,
            "param": None,
            "code": surface.code or None,
        }
    }
