"""Perplexity: Chat Completions with sources, a bill in every answer, and no list of models."""

from __future__ import annotations

from dataclasses import replace

from ..faults import Fault
from .form import Asked, Document, Reply, Surface, Trouble, Wrong, seconds, sse
from .openai import OpenAI, finish_of

INPUT_USD_PER_TOKEN = 1e-6
OUTPUT_USD_PER_TOKEN = 1e-6
SEARCH_USD_PER_REQUEST = 5e-3

OVERLOADED = Surface(503, "service_unavailable", "", "The service is overloaded.")
SURFACES = {
    Fault.RATE_LIMIT: Surface(429, "rate_limit_exceeded", "", "Request rate limit exceeded."),
    Fault.SPEND_LIMIT: Surface(
        429, "insufficient_quota", "", "You have reached your monthly spending limit."
    ),
    Fault.OUT_OF_MONEY: Surface(
        401,
        "insufficient_quota",
        "",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    Fault.WRONG_KEY: Surface(401, "invalid_api_key", "", "Invalid API key provided."),
    Fault.NO_ACCESS: Surface(403, "forbidden", "", "You may not use this resource."),
    Fault.UNKNOWN_MODEL: Surface(400, "invalid_model", "", "Invalid model '{model}'."),
    Fault.TOO_LONG: Surface(
        400, "bad_request", "", "This model's maximum context length is 127072 tokens."
    ),
    Fault.INVALID_REQUEST: Surface(400, "bad_request", "", "{detail}"),
    Fault.SERVER_ERROR: Surface(500, "internal_server_error", "", "Internal server error"),
    Fault.UNAVAILABLE: Surface(503, "service_unavailable", "", "Service unavailable"),
    Fault.GATEWAY_TIMEOUT: Surface(504, "gateway_timeout", "", "The request timed out"),
}


class Perplexity(OpenAI):
    """Its base URL is without a version; errors carry the status as ``code``."""

    base_path = ""
    completion_paths: tuple[str, ...] = ("/chat/completions", "/v1/chat/completions")
    models_paths: tuple[str, ...] = ()

    def answer(self, reply: Reply) -> Document:
        """A chat completion and where it is from."""
        return {**super().answer(reply), "citations": [], "search_results": []}

    def events(self, reply: Reply, asked: Asked) -> list[bytes]:
        """Each chunk counts what came so far; the last has the reason and no ``[DONE]`` follows."""
        del asked
        pieces = reply.pieces()
        chunks = []
        for number, piece in enumerate(pieces, 1):
            is_last = number == len(pieces)
            tokens = reply.output_tokens if is_last else min(number, reply.output_tokens)
            told = self.usage(replace(reply, output_tokens=tokens))
            choice = _choice(piece, finish_of(reply) if is_last else None)
            chunks.append({**self._frame(reply, ".chunk"), "choices": [choice], "usage": told})
        return [sse(chunk) for chunk in chunks]

    def usage(self, reply: Reply) -> Document:
        """What is billed, with the real charge."""
        input_cost = reply.input_tokens * INPUT_USD_PER_TOKEN
        output_cost = reply.output_tokens * OUTPUT_USD_PER_TOKEN
        return {
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
            "search_context_size": "low",
            "cost": {
                "input_tokens_cost": round(input_cost, 6),
                "output_tokens_cost": round(output_cost, 6),
                "request_cost": SEARCH_USD_PER_REQUEST,
                "total_cost": round(input_cost + output_cost + SEARCH_USD_PER_REQUEST, 6),
            },
        }

    def wrong(self, trouble: Trouble) -> Wrong:
        """As OpenAI's, with words of its own."""
        surface = SURFACES.get(trouble.fault, OVERLOADED)
        document = _error(surface.status, surface.type, surface.says(trouble))
        if trouble.fault is not Fault.RATE_LIMIT:
            return Wrong(surface.status, document)
        return Wrong(surface.status, document, {"retry-after": seconds(trouble.retry_after)})

    def missing_key(self, request_id: str) -> Wrong:
        """The same as for a wrong one."""
        del request_id
        return Wrong(401, _error(401, "invalid_api_key", "Invalid API key provided."))


def _choice(piece: str, finish: str | None) -> Document:
    delta = {"role": "assistant", "content": piece}
    return {"index": 0, "delta": delta, "message": delta, "finish_reason": finish}


def _error(status: int, kind: str, message: str) -> Document:
    return {"error": {"message": message, "type": kind, "code": status}}
