"""OpenAI's Responses: a list of items instead of choices, and a status instead of a reason."""

from __future__ import annotations

from collections.abc import Mapping

from .content import Call, Unreadable, openai, sealed
from .form import Asked, Document, Reply, Trouble, read_model, sse, texts_of
from .openai import OVERLOADED, UNLIMITED_TOKENS, OpenAI


class Responses(OpenAI):
    """Whole and streamed; keys, limits and errors are those of Chat Completions."""

    completion_paths: tuple[str, ...] = ("/responses",)

    def read(self, document: Document, path: Mapping[str, str]) -> Asked:
        """The prompt is in ``input``, a text or a list of messages."""
        del path
        limit = document.get("max_output_tokens")
        return Asked(
            read_model(document),
            _read_input(document),
            limit if isinstance(limit, int) else UNLIMITED_TOKENS,
            document.get("stream") is True,
            carried=openai.read_responses(document),
        )

    def answer(self, reply: Reply) -> Document:
        """A response with one message."""
        return {**self._response(reply, _status(reply)), "output": _output(reply)}

    def events(self, reply: Reply, asked: Asked) -> list[bytes]:
        """From response.created to response.completed or .incomplete; there is no ``[DONE]``."""
        del asked
        begun, status = self._response(reply, "in_progress"), _status(reply)
        kind = "refusal" if reply.is_refused else "output_text"
        pieces = reply.pieces()
        if reply.calls:
            kind, pieces = "function_call_arguments", reply.calls[0].pieces()
        return [
            _event("response.created", 0, response=begun),
            *(
                _event("response.output_item.done", 0, output_index=0, item=thought)
                for thought in _thoughts(reply)
            ),
            *(
                _event(f"response.{kind}.delta", place, output_index=0, delta=piece)
                for place, piece in enumerate(pieces, 1)
            ),
            _event(f"response.{status}", 1_000, response=self.answer(reply)),
        ]

    def usage(self, reply: Reply) -> Document:
        """What is billed, in words of its own."""
        return {
            "input_tokens": reply.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"reasoning_tokens": reply.thinking_tokens},
            "total_tokens": reply.input_tokens + reply.output_tokens,
        }

    def stream_error(self, trouble: Trouble) -> bytes:
        """An ``error`` event, without a frame around the error."""
        told = {"code": OVERLOADED.code, "message": OVERLOADED.says(trouble), "param": None}
        return _event("error", 999, **told)

    def _response(self, reply: Reply, status: str) -> Document:
        reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": f"resp_{reply.request_id.removeprefix('req_')}",
            "object": "response",
            "created_at": int(reply.created),
            "model": reply.model,
            "status": status,
            "error": None,
            "incomplete_details": reason,
            "output": [],
            "usage": None if status == "in_progress" else self.usage(reply),
        }


def _status(reply: Reply) -> str:
    return "incomplete" if reply.is_cut_off else "completed"


def _output(reply: Reply) -> list[Document]:
    if not reply.calls:
        return [*_thoughts(reply), _message(reply)]
    return [
        *_thoughts(reply),
        *map(_called, reply.calls),
    ]


def _thoughts(reply: Reply) -> list[Document]:
    if not reply.thinking:
        return []
    named = {"id": f"rs_{reply.request_id}", "summary": [], "status": "completed"}
    return [{"type": "reasoning", **named, "encrypted_content": sealed(reply.thinking)}]


def _called(call: Call) -> Document:
    return {
        "type": "function_call",
        "id": f"fc_{call.id}",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.text,
        "status": "completed",
    }


def _message(reply: Reply) -> Document:
    kind = ("refusal", "refusal") if reply.is_refused else ("output_text", "text")
    content = {"type": kind[0], kind[1]: reply.text}
    return {"type": "message", "role": "assistant", "status": "completed", "content": [content]}


def _event(kind: str, number: int, **content: object) -> bytes:
    return sse({"type": kind, "sequence_number": number, **content}, kind)


def _read_input(document: Document) -> str:
    asked = document.get("input")
    if isinstance(asked, str) and asked:
        return asked
    if not isinstance(asked, list) or not asked:
        raise Unreadable("input: Field required")
    told = (message for message in asked if isinstance(message, dict))
    return "\n".join(text for message in told for text in texts_of(message.get("content")))
