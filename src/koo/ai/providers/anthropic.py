"""Anthropic Messages, as of anthropic-version 2026-10-21."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from ..asking import Part, Question, Thought, ToolCall
from ..provider import Terms, Usage
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
from .growing import Growing, Manner
from .wire import (
    Answer,
    Document,
    Hearing,
    count_of,
    dig,
    listed,
    more_than_text,
    number_of,
    parse,
    place_at,
    terms_of,
    text_at,
    usage_of,
)

__all__ = ["Anthropic"]

VERSION: Final = "2026-10-21"

#: What a stream brings in pieces.
_MANNER: Final = Manner(frozenset({"citations", "partial_json", "signature", "text", "thinking"}))
#: What can be handed back, and what proves that the model has thought it.
_THOUGHTS: Final[Mapping[str, str]] = MappingProxyType(
    {"thinking": "signature", "redacted_thinking": "data"}
)

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
        opens=r"^(you have reached your .{0,80}api usage limits|your credit balance is too low)",
    ),
    Rule.on(NO_ACCESS, words="organization_on_hold"),
    Rule.on(NO_ACCESS, 400, opens=r"^this organization has been disabled"),
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

_TERMS: Final = {
    "inference_geo": "inference_geo",
    "service_tier": "service_tier",
    "speed": "speed",
}
#: What a count is made of, in the words of the price table.
_PARTS: Final = (
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_reasoning_tokens",
    "web_searches",
)
#: Requests that another model than the one asked has served.
_OF_OTHERS: Final = frozenset({"advisor_message", "fallback_message"})
_BATCH: Final = ("processing", "batch")


class Anthropic:
    """The Messages API; the base URL is without the version path."""

    rules: ClassVar[tuple[Rule, ...]] = RULES
    endings: ClassVar[frozenset[str]] = frozenset(
        {"end_turn", "max_tokens", "model_context_window_exceeded", "pause_turn"}
        | {"stop_sequence", "tool_use"}
    )
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
        text = "".join([text_at(block, "text") for block in blocks])
        usage, parts = self.usage(dig(document, "usage")), more_than_text(self.parts(document))
        return Answer(text, finish, usage, finish == "refusal", parts)

    def hear(self, hearing: Hearing, document: object) -> str:
        """From ``message_start``, which counts the input, to ``message_stop``."""
        match text_at(document, "type"):
            case "message_start":
                hearing.body.grow(dig(document, "message"), _MANNER)
                told = _counted(dig(document, "message", "usage"))
                hearing.count(self.usage(told))
                # What of the output was counted so early is never the whole of it.
                hearing.counts = {name: told[name] for name in told if name != "output_tokens"}
            case "content_block_start":
                block = dig(document, "content_block")
                hearing.call_pieces += text_at(block, "type") == "tool_use"
                _block_of(hearing, document).grow(block, _MANNER)
                return text_at(block, "text")
            case "content_block_delta":
                delta = dig(document, "delta")
                hearing.call_pieces += text_at(delta, "type") == "input_json_delta"
                _block_of(hearing, document).grow(_without_type(delta), _MANNER)
                return text_at(delta, "text")
            case "message_delta":
                hearing.body.grow(dig(document, "delta"), _MANNER)
                hearing.body.grow({"usage": _counted(dig(document, "usage"))}, _MANNER)
                hearing.finish = text_at(document, "delta", "stop_reason") or hearing.finish
                hearing.refused = hearing.finish == "refusal"
                hearing.counts |= _counted(dig(document, "usage"))
                hearing.count(self.usage(hearing.counts))
            case "message_stop":
                hearing.is_over, hearing.is_whole = True, bool(hearing.finish)
                hearing.count(self.usage(hearing.counts))
        return ""

    def whole(self, hearing: Hearing) -> object:
        """The message that began, with its blocks."""
        message = hearing.body.whole()
        for block in listed(message.get("content")):
            if isinstance(block, dict) and (told := block.pop("partial_json", "")):
                read = parse(str(told).encode(errors="surrogatepass"))
                block["input"] = told if read is None else read
        return message

    def parts(self, document: object) -> Iterator[Part]:
        """The blocks that can be handed back."""
        for block in listed(dig(document, "content")):
            match kind := text_at(block, "type"):
                case "tool_use":
                    arguments = written(dig(block, "input"))
                    yield ToolCall(text_at(block, "id"), text_at(block, "name"), arguments)
                case "thinking" | "redacted_thinking":
                    if text_at(block, _THOUGHTS[kind]):
                        yield Thought(anthropic.VENDOR, written(block))
                case _:
                    yield text_at(block, "text")

    def most_per_image(self, model: str) -> int | None:
        """The models that look closest scale it down to 4,784 tokens."""
        del model
        return 5_000

    def usage(self, usage: object) -> Usage | None:
        """Cached input is counted apart by the vendor, and joined to the input here.

        So is what it took to sum up what was said; what another model took has another price.
        """
        requests = [(text_at(one, "type"), one) for one in listed(dig(usage, "iterations"))]
        if any(kind in _OF_OTHERS for kind, _ in requests):
            return None
        counted = [usage, *(one for kind, one in requests if kind == "compaction")]
        try:
            taken, given, *parts = map(sum, zip(*map(_counts, counted), strict=True))
            return usage_of(taken, given, *zip(_PARTS, parts, strict=True))
        except ValueError:
            return None

    def terms(self, document: object) -> Terms:
        """The tier, the speed and the region; a batch is a tier of the vendor's."""
        terms = terms_of(dig(document, "usage"), _TERMS)
        return tuple([_BATCH if term == ("service_tier", "batch") else term for term in terms])

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
        return tuple(text_at(one, "id") for one in listed(dig(document, "data")))


def _counts(usage: object) -> tuple[int, ...]:
    """All input, all output, and what of them has a price of its own, in the order of `_PARTS`."""
    told = usage if isinstance(usage, dict) else {}
    read = number_of(told.get("cache_read_input_tokens"))
    written = number_of(told.get("cache_creation_input_tokens"))
    lasting = told.get("cache_creation")
    return (
        count_of(told.get("input_tokens")) + read + written,
        count_of(told.get("output_tokens")),
        read,
        written,
        number_of(dig(lasting, "ephemeral_5m_input_tokens")),
        number_of(dig(lasting, "ephemeral_1h_input_tokens")),
        number_of(dig(told.get("output_tokens_details"), "thinking_tokens")),
        number_of(dig(told.get("server_tool_use"), "web_search_requests")),
    )


def _block_of(hearing: Hearing, document: object) -> Growing:
    """The block that an event is of."""
    return hearing.body.at("content", place_at(document, 0))


def _without_type(delta: object) -> dict[str, object]:
    """What a delta adds to its block, whose type is another; of citations it tells one at once."""
    told = dict(delta) if isinstance(delta, dict) else {}
    if text_at(told, "type") == "citations_delta":
        return {"citations": [told.get("citation")]}
    told.pop("type", None)
    return told


def _counted(usage: object) -> dict[str, object]:
    """The counts in an event; the last event of a stream repeats some of the first's as null."""
    found = usage.items() if isinstance(usage, dict) else ()
    return {name: count for name, count in found if count is not None}
