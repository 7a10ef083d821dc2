"""The Anthropic Messages API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from ..faults import Fault
from .content import Call, Unreadable, anthropic, sealed
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

BEARER = "bearer "

OVERLOADED = Surface(529, "overloaded_error", "", "Overloaded")
SURFACES = {
    Fault.RATE_LIMIT: Surface(
        429,
        "rate_limit_error",
        "",
        "This request would exceed your organization's rate limit for this minute.",
    ),
    Fault.SPEND_LIMIT: Surface(
        429,
        "rate_limit_error",
        "enforced_spend_limit_reached",
        "You have reached your monthly spend limit.",
    ),
    Fault.OUT_OF_MONEY: Surface(
        400,
        "invalid_request_error",
        "",
        "Your credit balance is too low to access the Anthropic API.",
    ),
    Fault.WRONG_KEY: Surface(401, "authentication_error", "", "invalid x-api-key"),
    Fault.NO_ACCESS: Surface(
        403,
        "permission_error",
        "",
        "Your API key does not have permission to use the specified resource.",
    ),
    Fault.UNKNOWN_MODEL: Surface(404, "not_found_error", "", "model: {model}"),
    Fault.TOO_LONG: Surface(
        400, "invalid_request_error", "", "prompt is too long: 1000001 tokens > 1000000 maximum"
    ),
    Fault.INVALID_REQUEST: Surface(400, "invalid_request_error", "", "{detail}"),
    Fault.SERVER_ERROR: Surface(500, "api_error", "", "Internal server error"),
    Fault.UNAVAILABLE: Surface(503, "api_error", "", "Service unavailable"),
    Fault.GATEWAY_TIMEOUT: Surface(504, "timeout_error", "", "Request timed out"),
}


class Anthropic:
    """Messages, whole and streamed; the key as ``x-api-key`` or Bearer."""

    base_path = ""
    completion_paths: tuple[str, ...] = ("/v1/messages",)
    models_paths: tuple[str, ...] = ("/v1/models",)
    tokens_per_image = 4_784
    tokens_of_tools = 530

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """Either header counts."""
        del query
        return headers.get("x-api-key", "") or bearer(headers)

    def read(self, document: Document, path: Mapping[str, str]) -> Asked:
        """``max_tokens`` is not optional here."""
        del path
        max_tokens = document.get("max_tokens")
        if not isinstance(max_tokens, int) or max_tokens < 1:
            raise Unreadable("max_tokens: Field required")
        prompt = read_messages(document)
        return Asked(
            read_model(document),
            prompt,
            max_tokens,
            document.get("stream") is True,
            carried=anthropic.read(document),
        )

    def headers(self, request_id: str, limits: Limits) -> dict[str, str]:
        """The requests and tokens of this minute; resets are moments."""
        told = {"request-id": request_id, "anthropic-organization-id": "org-simulated"}
        for kind, limit in limits.told():
            name = f"anthropic-ratelimit-{kind}"
            told |= {
                f"{name}-limit": str(limit.most),
                f"{name}-remaining": str(limit.remaining),
                f"{name}-reset": _rfc3339(limits.now + limit.reset_after),
            }
        return told

    def answer(self, reply: Reply) -> Document:
        """A message."""
        stop_reason = _stop_reason(reply)
        content = [] if reply.is_refused else [{"type": "text", "text": reply.text}]
        if reply.calls:
            content = [_block(call, call.arguments) for call in reply.calls]
        thought = [_thought(reply)] if reply.thinking else []
        return {**_message(reply), "content": [*thought, *content], "stop_reason": stop_reason}

    def events(self, reply: Reply, asked: Asked) -> list[bytes]:
        """From message_start to message_stop, which tells that it is whole."""
        del asked
        ending: Document = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
        used = {"output_tokens": reply.output_tokens, **_thought_of(reply)}
        return [
            _event("message_start", message=_message(replace(reply, output_tokens=1, thinking=""))),
            *(_pondered(reply) if reply.thinking else ()),
            *(_called(reply) if reply.calls else _said(reply)),
            _event("message_delta", delta=ending, usage=used),
            _event("message_stop"),
        ]

    def stream_error(self, trouble: Trouble) -> bytes:
        """An ``error`` event, which comes with the request's id like an error answer."""
        return sse(_error(trouble.request_id, "overloaded_error", "Overloaded"), "error")

    def wrong(self, trouble: Trouble) -> Wrong:
        """The vendor's status, type, code and words."""
        surface = SURFACES.get(trouble.fault, OVERLOADED)
        document = _error(trouble.request_id, surface.type, surface.says(trouble))
        if surface.code:
            document["error"]["details"] = {"error_code": surface.code}
        if trouble.fault is not Fault.RATE_LIMIT:
            return Wrong(surface.status, document)
        return Wrong(surface.status, document, {"retry-after": seconds(trouble.retry_after)})

    def missing_key(self, request_id: str) -> Wrong:
        """401, like a wrong one, with other words."""
        return Wrong(
            401, _error(request_id, "authentication_error", "x-api-key header is required")
        )

    def models(self, names: tuple[str, ...]) -> Document:
        """One page."""
        data = [
            {"type": "model", "id": name, "display_name": name, "created_at": _rfc3339(0.0)}
            for name in names
        ]
        return {"data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]}


def _pondered(reply: Reply) -> Iterator[bytes]:
    """As the vendor has it, the signature comes at the end, and all at once."""
    begun = {"type": "thinking", "thinking": "", "signature": ""}
    yield _event("content_block_start", index=0, content_block=begun)
    half = len(reply.thinking) // 2
    for text in (reply.thinking[:half], reply.thinking[half:]):
        delta = {"type": "thinking_delta", "thinking": text}
        yield _event("content_block_delta", index=0, delta=delta)
    seal = {"type": "signature_delta", "signature": sealed(reply.thinking)}
    yield _event("content_block_delta", index=0, delta=seal)
    yield _event("content_block_stop", index=0)


def _said(reply: Reply) -> Iterator[bytes]:
    place = int(bool(reply.thinking))
    yield _event("content_block_start", index=place, content_block={"type": "text", "text": ""})
    yield _event("ping")
    for text in [] if reply.is_refused else reply.pieces():
        delta = {"type": "text_delta", "text": text}
        yield _event("content_block_delta", index=place, delta=delta)
    yield _event("content_block_stop", index=place)


def _called(reply: Reply) -> Iterator[bytes]:
    for place, call in enumerate(reply.calls, start=bool(reply.thinking)):
        yield _event("content_block_start", index=place, content_block=_block(call, {}))
        for piece in call.pieces():
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield _event("content_block_delta", index=place, delta=delta)
        yield _event("content_block_stop", index=place)


def _block(call: Call, arguments: object) -> Document:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments}


def _thought(reply: Reply) -> Document:
    return {"type": "thinking", "thinking": reply.thinking, "signature": sealed(reply.thinking)}


def bearer(headers: Mapping[str, str]) -> str:
    """The key of an Authorization header, empty if there is none."""
    authorization = headers.get("authorization", "")
    is_bearer = authorization.lower().startswith(BEARER)
    return authorization[len(BEARER) :].strip() if is_bearer else ""


def _message(reply: Reply) -> Document:
    """A message that has not said anything yet."""
    return {
        "id": f"msg_{reply.request_id.removeprefix('req_')}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": reply.output_tokens,
            **_thought_of(reply),
            "service_tier": "standard",
        },
    }


def _thought_of(reply: Reply) -> Document:
    """What of the output was thought."""
    if not reply.thinking:
        return {}
    return {"output_tokens_details": {"thinking_tokens": reply.thinking_tokens}}


def _stop_reason(reply: Reply) -> str:
    if reply.is_refused:
        return "refusal"
    if reply.calls:
        return "tool_use"
    return "max_tokens" if reply.is_cut_off else "end_turn"


def _event(kind: str, **content: object) -> bytes:
    return sse({"type": kind, **content}, kind)


def _error(request_id: str, kind: str, message: str) -> Document:
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": request_id,
    }


def _rfc3339(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
