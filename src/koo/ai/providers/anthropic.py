"""Anthropic Messages, as of anthropic-version 2026-10-21."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from ..asking import Question, ToolCall
from ..provider import Usage
from ..verdicts import (
    BAD_KEY,
    BAD_REQUEST,
    BROKEN,
    GREW_TOO_FAST,
    NO_ACCESS,
    NO_MODEL,
    NO_MONEY,
    OVERLOADED,
    REFUSED,
    TIMED_OUT,
    TOO_FAST,
    TOO_LONG,
    Rule,
    Surface,
)
from .bodies import anthropic, written
from .wire import Answer, Document, Hearing, dig, number_at, place_at, text_at, usage_of

__all__ = ["Anthropic"]

VERSION: Final = "2026-10-21"

RULES: Final = (
    Rule.on(
        NO_MONEY,
        words=(
            "billing_error enforced_spend_limit_reached contract_spend_limit_reached "
            "linked_organization_spend_limit_reached linked_organization_billing_unavailable"
        ),
    ),
    Rule.on(
        NO_MONEY,
        *(400, 403, 429),
        says=r"^(you have reached your .*api usage limits|your credit balance is too low)",
    ),
    Rule.on(NO_ACCESS, words="organization_on_hold"),
    Rule.on(NO_ACCESS, 400, says=r"^this organization has been disabled"),
    Rule.on(BAD_KEY, words="authentication_error"),
    Rule.on(NO_ACCESS, words="permission_error"),
    Rule.on(GREW_TOO_FAST, words="ramp_limit_exceeded"),
    Rule.on(TOO_FAST, words="rate_limit_error"),
    Rule.on(OVERLOADED, words="overloaded_error compaction_unavailable"),
    Rule.on(TIMED_OUT, words="timeout_error"),
    Rule.on(BROKEN, words="api_error"),
    Rule.on(TOO_LONG, words="request_too_large"),
    Rule.on(TOO_LONG, 400, says=r"prompt is too long|exceeds? (the )?(context|maximum)"),
    Rule.on(REFUSED, 400, says=r"content filtering policy"),
    Rule.on(NO_MODEL, words="not_found_error"),
    Rule.on(BAD_REQUEST, 400, words="invalid_request_error"),
)


class Anthropic:
    """The Messages API; the base URL is without the version path."""

    rules: ClassVar[tuple[Rule, ...]] = RULES
    models_path: ClassVar[str | None] = "/v1/models?limit=1000"

    def headers(self, api_key: str) -> Mapping[str, str]:
        """The key as Bearer, as the official SDK sends it, and the version."""
        return {"Authorization": f"Bearer {api_key}", "anthropic-version": VERSION}

    def path(self, question: Question) -> str:
        """One path for all models."""
        del question
        return "/v1/messages"

    def document(self, question: Question) -> Document:
        """The body of a message."""
        document: dict[str, object] = {
            "model": question.model,
            "max_tokens": question.max_tokens,
            "messages": anthropic.conversation(question.prompt),
            **anthropic.extras(question.prompt),
        }
        if question.prompt.system is not None:
            document["system"] = question.prompt.system
        if question.prompt.temperature is not None:
            document["temperature"] = question.prompt.temperature
        if question.streams:
            document["stream"] = True
        return document

    def read(self, document: object) -> Answer | None:
        """All text blocks, joined."""
        blocks, finish = dig(document, "content"), text_at(document, "stop_reason")
        if not isinstance(blocks, list) or not finish:
            return None
        text = "".join(text_at(block, "text") for block in blocks)
        usage, calls = self.usage(dig(document, "usage")), tuple(_calls(blocks))
        return Answer(text, finish, usage, finish == "refusal", calls)

    def hear(self, hearing: Hearing, document: object) -> str:
        """From ``message_start``, which counts the input, to ``message_stop``."""
        match text_at(document, "type"):
            case "message_start":
                told = _counted(dig(document, "message", "usage"))
                hearing.count(self.usage(told))
                # What of the output was counted so early is never the whole of it.
                hearing.counts = {name: told[name] for name in told if name != "output_tokens"}
            case "content_block_start":
                if text_at(document, "content_block", "type") == "tool_use":
                    self._hear_call(hearing, document)
                return text_at(document, "content_block", "text")
            case "content_block_delta":
                if text_at(document, "delta", "type") == "input_json_delta":
                    self._hear_call(hearing, document)
                return text_at(document, "delta", "text")
            case "message_delta":
                hearing.finish = text_at(document, "delta", "stop_reason") or hearing.finish
                hearing.refused = hearing.finish == "refusal"
                hearing.counts |= _counted(dig(document, "usage"))
                hearing.count(self.usage(hearing.counts))
            case "message_stop":
                hearing.is_over, hearing.is_whole = True, bool(hearing.finish)
                hearing.count(self.usage(hearing.counts))
        return ""

    def _hear_call(self, hearing: Hearing, document: object) -> None:
        """The call's name is in the block that begins, its arguments in what follows."""
        block, piece = dig(document, "content_block"), text_at(document, "delta", "partial_json")
        told = ToolCall(text_at(block, "id"), text_at(block, "name"), piece)
        hearing.call(place_at(document, 0), told)

    def most_per_image(self, model: str) -> int | None:
        """The models that look closest scale it down to 4,784 tokens."""
        del model
        return 5_000

    def usage(self, usage: object) -> Usage | None:
        """Cached input is counted apart by the vendor, and joined to the input here."""
        if (
            not isinstance(usage, dict)
            or "input_tokens" not in usage
            or "output_tokens" not in usage
        ):
            return None
        try:
            read = number_at(usage, "cache_read_input_tokens")
            written = number_at(usage, "cache_creation_input_tokens")
            return usage_of(
                number_at(usage, "input_tokens") + read + written,
                number_at(usage, "output_tokens"),
                ("cache_read_tokens", read),
                ("cache_write_tokens", written),
                (
                    "cache_write_5m_tokens",
                    number_at(usage, "cache_creation", "ephemeral_5m_input_tokens"),
                ),
                (
                    "cache_write_1h_tokens",
                    number_at(usage, "cache_creation", "ephemeral_1h_input_tokens"),
                ),
                (
                    "output_reasoning_tokens",
                    number_at(usage, "output_tokens_details", "thinking_tokens"),
                ),
                ("web_searches", number_at(usage, "server_tool_use", "web_search_requests")),
            )
        except ValueError:
            return None

    def surface(self, status: int, document: object) -> Surface:
        """``{"error": {"type", "message", "details": {"error_code"}}}``."""
        return Surface(
            status,
            type=text_at(document, "error", "type"),
            code=text_at(document, "error", "details", "error_code"),
            message=text_at(document, "error", "message"),
            readable=isinstance(document, dict),
        )

    def delay(self, document: object) -> str:
        """Never in the body."""
        del document
        return ""

    def models(self, document: object) -> tuple[str, ...]:
        """The ids of ``data``."""
        listed = dig(document, "data")
        return tuple(text_at(one, "id") for one in listed) if isinstance(listed, list) else ()


def _calls(blocks: list[object]) -> Iterator[ToolCall]:
    for block in blocks:
        if text_at(block, "type") == "tool_use":
            arguments = written(dig(block, "input"))
            yield ToolCall(text_at(block, "id"), text_at(block, "name"), arguments)


def _counted(usage: object) -> dict[str, object]:
    """The counts in an event; the last event of a stream repeats some of the first's as null."""
    found = usage.items() if isinstance(usage, dict) else ()
    return {name: count for name, count in found if count is not None}
