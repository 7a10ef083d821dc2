"""Gemini's generateContent and streamGenerateContent."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping

from ..faults import Fault
from .content import Unreadable, gemini, sealed
from .form import (
    Asked,
    Document,
    Limits,
    Reply,
    Surface,
    Trouble,
    Wrong,
    seconds,
    sse,
    texts_of,
)

UNLIMITED_TOKENS = 65_536
RPC = "type.googleapis.com/google.rpc"
DAY = 86_400.0

OVERLOADED = Surface(503, "UNAVAILABLE", "", "The model is overloaded. Please try again later.")
SURFACES = {
    Fault.RATE_LIMIT: Surface(
        429,
        "RESOURCE_EXHAUSTED",
        "GenerateRequestsPerMinutePerProjectPerModel",
        "You exceeded your current quota, please check your plan. Please retry in {wait}s.",
    ),
    Fault.SPEND_LIMIT: Surface(
        429,
        "RESOURCE_EXHAUSTED",
        "GenerateRequestsPerDayPerProjectPerModel",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    Fault.OUT_OF_MONEY: Surface(
        402, "RESOURCE_EXHAUSTED", "", "Your prepayment credits are depleted."
    ),
    Fault.WRONG_KEY: Surface(
        400,
        "INVALID_ARGUMENT",
        "API_KEY_INVALID",
        "API key not valid. Please pass a valid API key.",
    ),
    Fault.NO_ACCESS: Surface(403, "PERMISSION_DENIED", "", "The caller does not have permission"),
    Fault.UNKNOWN_MODEL: Surface(
        404, "NOT_FOUND", "", "models/{model} is not found for API version v1beta."
    ),
    Fault.TOO_LONG: Surface(
        400,
        "INVALID_ARGUMENT",
        "",
        "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
    ),
    Fault.INVALID_REQUEST: Surface(400, "INVALID_ARGUMENT", "", "{detail}"),
    Fault.SERVER_ERROR: Surface(500, "INTERNAL", "", "An internal error has occurred."),
    Fault.UNAVAILABLE: Surface(503, "UNAVAILABLE", "", "The service is currently unavailable."),
    Fault.GATEWAY_TIMEOUT: Surface(
        504, "DEADLINE_EXCEEDED", "", "Deadline expired before operation could complete."
    ),
}


class Gemini:
    """Model and method are in the path, the key is in a header or in the query."""

    base_path = ""
    completion_paths: tuple[str, ...] = (
        "/{version:v1|v1beta}/models/{model:[^/:]+}:{method:generateContent|streamGenerateContent}",
    )
    models_paths: tuple[str, ...] = ("/{version:v1|v1beta}/models",)
    tokens_per_image = 6_192
    tokens_of_tools = 50

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """Either counts."""
        return headers.get("x-goog-api-key", "") or query.get("key", "")

    def read(self, document: Document, path: Mapping[str, str]) -> Asked:
        """The prompt is in ``contents``, the limit in ``generationConfig``."""
        contents = document.get("contents")
        if not isinstance(contents, list) or not contents:
            raise Unreadable("* GenerateContentRequest.contents: contents is not specified")
        told = (content for content in contents if isinstance(content, dict))
        config = document.get("generationConfig")
        limit = config.get("maxOutputTokens") if isinstance(config, dict) else None
        return Asked(
            path["model"],
            "\n".join(text for content in told for text in texts_of(content.get("parts"))),
            limit if isinstance(limit, int) else UNLIMITED_TOKENS,
            path["method"].startswith("stream"),
            stream_type="text/event-stream" if path.get("alt") == "sse" else "application/json",
            carried=gemini.read(document),
        )

    def headers(self, request_id: str, limits: Limits) -> dict[str, str]:
        """Gemini tells neither an id nor its limits."""
        del request_id, limits
        return {"server": "scaffolding on HTTPServer2", "vary": "Origin, X-Origin, Referer"}

    def answer(self, reply: Reply) -> Document:
        """One candidate; a refused prompt has none."""
        frame = _frame(reply)
        if reply.is_refused:
            return {**frame, "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
        return {**frame, "candidates": [_candidate(_parts(reply), _finish(reply))]}

    def events(self, reply: Reply, asked: Asked) -> list[bytes]:
        """Chunks, each of the form of an answer; the last has a finishReason."""
        chunks = [self.answer(reply)] if reply.is_refused else _chunks(reply)
        if asked.stream_type == "text/event-stream":
            return [sse(chunk) for chunk in chunks]
        return _as_array(chunks)

    def stream_error(self, trouble: Trouble) -> bytes:
        """A chunk that is an error."""
        return sse(_error(OVERLOADED, trouble))

    def wrong(self, trouble: Trouble) -> Wrong:
        """The vendor's status, words and details; the time to wait is only in the details."""
        surface = SURFACES.get(trouble.fault, OVERLOADED)
        return Wrong(surface.status, _error(surface, trouble))

    def missing_key(self, request_id: str) -> Wrong:
        """403: without a key one is nobody."""
        del request_id
        words = "Method doesn't allow unregistered callers. Please use API Key to call this API."
        return Wrong(403, {"error": {"code": 403, "message": words, "status": "PERMISSION_DENIED"}})

    def models(self, names: tuple[str, ...]) -> Document:
        """All on one page."""
        methods = ["generateContent", "countTokens"]
        return {
            "models": [
                {"name": f"models/{name}", "supportedGenerationMethods": methods} for name in names
            ]
        }


def _chunks(reply: Reply) -> list[Document]:
    told = [[{"text": text}] for text in reply.pieces()]
    if reply.thinking:
        told.append([{"text": "", "thoughtSignature": sealed(reply.thinking)}])
    *begun, last = [_parts(reply)] if reply.calls else told
    chunks = [{**_frame(reply), "candidates": [_candidate(parts, None)]} for parts in begun]
    return [*chunks, {**_frame(reply), "candidates": [_candidate(last, _finish(reply))]}]


def _parts(reply: Reply) -> list[Document]:
    if not reply.calls:
        signed = {"thoughtSignature": sealed(reply.thinking)} if reply.thinking else {}
        return [{"text": reply.text, **signed}]
    return [
        {
            "functionCall": {"id": call.id, "name": call.name, "args": call.arguments},
            "thoughtSignature": b64encode(call.id.encode()).decode(),
        }
        for call in reply.calls
    ]


def _as_array(chunks: list[Document]) -> list[bytes]:
    """Without ``alt=sse`` a stream is one JSON array, sent element by element."""
    first, *others = [json.dumps(chunk).encode() for chunk in chunks]
    return [b"[" + first, *(b"," + element for element in others), b"]"]


def _frame(reply: Reply) -> Document:
    return {
        "usageMetadata": {
            "promptTokenCount": reply.input_tokens,
            "candidatesTokenCount": reply.output_tokens - reply.thinking_tokens,
            **({"thoughtsTokenCount": reply.thinking_tokens} if reply.thinking else {}),
            "totalTokenCount": reply.input_tokens + reply.output_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": reply.input_tokens}],
        },
        "modelVersion": reply.model,
        "responseId": reply.request_id,
    }


def _candidate(parts: list[Document], finish: str | None) -> Document:
    ended = {} if finish is None else {"finishReason": finish}
    return {"content": {"parts": parts, "role": "model"}, "index": 0, **ended}


def _finish(reply: Reply) -> str:
    return "MAX_TOKENS" if reply.is_cut_off else "STOP"


def _error(surface: Surface, trouble: Trouble) -> Document:
    error = {
        "code": surface.status,
        "message": surface.says(trouble),
        "status": surface.type,
        "details": _details(surface, trouble),
    }
    return {"error": {key: value for key, value in error.items() if value != []}}


def _details(surface: Surface, trouble: Trouble) -> list[Document]:
    match trouble.fault:
        case Fault.RATE_LIMIT:
            return _quota(surface.code, trouble.model, trouble.retry_after)
        case Fault.SPEND_LIMIT:
            return _quota(surface.code, trouble.model, DAY)
        case Fault.WRONG_KEY:
            domain = {"reason": surface.code, "domain": "googleapis.com"}
            return [{"@type": f"{RPC}.ErrorInfo", **domain}]
        case _:
            return []


def _quota(quota: str, model: str, delay: float) -> list[Document]:
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
        "quotaId": quota,
        "quotaDimensions": {"location": "global", "model": model},
    }
    return [
        {"@type": f"{RPC}.QuotaFailure", "violations": [violation]},
        {"@type": f"{RPC}.RetryInfo", "retryDelay": f"{seconds(delay)}s"},
    ]
