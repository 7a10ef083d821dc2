"""OpenAI: Chat Completions, and Responses, which says the same in other words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from ..asking import Part, Question, Thought, ToolCall
from ..provider import Terms, Usage
from ..verdicts import (
    BAD_KEY,
    BROKEN,
    DAY_SPENT,
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
from .bodies import chat, responses, written
from .growing import Growing, Manner
from .wire import (
    Answer,
    Document,
    Hearing,
    count_of,
    counts_in,
    dig,
    listed,
    more_than_text,
    number_of,
    terms_of,
    text_at,
    text_of,
    usage_of,
)

__all__ = ["RULES", "OpenAI", "Responses"]

#: Of requests or of tokens, in words; the type says only which of the two.
PER_DAY: Final = (
    r"^rate limit (reached|exceeded) .{0,200}\bon (requests|tokens) per day\b|\([RT]PD\)"
)

RULES: Final = (
    Rule.on(
        NO_MONEY,
        words=(
            "insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded "
            "project_spend_limit_exceeded organization_usage_limit_exceeded "
            "usage_limit_exceeded billing_hard_limit_reached billing_not_active"
        ),
    ),
    Rule.on(BAD_KEY, words="invalid_api_key account_deactivated"),
    Rule.on(NO_ACCESS, words="unsupported_country_region_territory"),
    Rule.on(NO_MODEL, words="model_not_found"),
    Rule.on(TOO_LONG, words="context_length_exceeded string_above_max_length"),
    Rule.on(TOO_LONG, 400, 413, says=r"maximum context length|prompt is too long"),
    Rule.on(TOO_LONG, 413, 429, opens=r"^request too large"),
    Rule.on(
        REFUSED,
        words=(
            "content_policy_violation content_filter bio_policy cyber_policy "
            "misalignment_policy_violation invalid_prompt"
        ),
    ),
    Rule.on(DAY_SPENT, 429, opens=PER_DAY),
    Rule.on(GREW_TOO_FAST, words="slow_down"),
    Rule.on(TOO_FAST, words="rate_limit_exceeded"),
    Rule.on(NO_MONEY, 429, opens=r"^you exceeded your current quota"),
    Rule.on(
        OVERLOADED,
        words="server_is_overloaded server_overloaded service_unavailable_error flex_unavailable",
    ),
    Rule.on(TIMED_OUT, 408, 504),
    Rule.on(TIMED_OUT, words="request_timeout"),
    Rule.on(BROKEN, words="server_error"),
)

#: What a stream brings in pieces; all else it repeats.
_MANNER: Final = Manner(
    pieces=frozenset(
        {"annotations", "arguments", "content", "reasoning", "reasoning_content"}
        | {"reasoning_details", "refusal"}
    ),
    places=frozenset({"choices", "tool_calls"}),
)
_TERMS: Final = {"service_tier": "service_tier"}
#: What a count is made of, as it is called here and in the price table.
_CACHED: Final = (
    ("cached_tokens", "cache_read_tokens"),
    ("cache_write_tokens", "cache_write_tokens"),
)
_REASONED: Final = (("reasoning_tokens", "output_reasoning_tokens"),)
_TAKEN: Final = (
    *_CACHED,
    ("image_tokens", "input_image_tokens"),
    ("audio_tokens", "input_audio_tokens"),
)
_GIVEN: Final = (*_REASONED, ("audio_tokens", "output_audio_tokens"))
_RESPONDED: Final = frozenset({"completed", "incomplete"})
_ERROR_PATHS: Final = (("error",), ("choices", 0, "error"), ("response", "error"))


class OpenAI:
    """The Chat Completions API; the base URL ends with ``/v1``."""

    rules: ClassVar[tuple[Rule, ...]] = RULES
    endings: ClassVar[frozenset[str]] = frozenset({"function_call", "length", "stop", "tool_calls"})
    models_path: ClassVar[str | None] = "/models"
    #: Bounds hidden reasoning too, which ``max_tokens`` does not.
    limit_field: ClassVar[str] = "max_completion_tokens"
    #: What a body asks for beside the answer when it is to be streamed.
    stream_options: ClassVar[Document] = {"stream_options": {"include_usage": True}}
    #: Beside each picture: left to the vendor, it may be billed as many times as much.
    image_detail: ClassVar[dict[str, object]] = {"detail": "high"}
    #: Beside a schema: without it the schema is but a hint.
    schema_options: ClassVar[dict[str, object]] = {"strict": True}

    def headers(self, api_key: str) -> Mapping[str, str]:
        """The key as Bearer."""
        return {"Authorization": f"Bearer {api_key}"}

    def path(self, question: Question) -> str:
        """One path for all models."""
        del question
        return "/chat/completions"

    def document(self, question: Question) -> Document:
        """The body of a chat."""
        document: dict[str, object] = {
            "model": question.model,
            self.limit_field: question.max_tokens,
            "messages": chat.conversation(question.prompt, self.image_detail),
            **chat.extras(question.prompt, self.schema_options),
        }
        if question.prompt.temperature is not None:
            document["temperature"] = question.prompt.temperature
        if question.streams:
            document |= {"stream": True, **self.stream_options}
        return document

    def read(self, document: object) -> Answer | None:
        """The first choice; a refusal has its own field or its own finish reason."""
        choice = dig(document, "choices", 0)
        if not (isinstance(document, dict) and isinstance(choice, dict)):
            return None
        message, finish = choice.get("message"), text_of(choice.get("finish_reason"))
        if not isinstance(message, dict) or document.get("error") or choice.get("error"):
            return None
        refused = bool(message.get("refusal")) or _is_filtered(finish)
        parts = more_than_text(self.parts(document)) if message.get("tool_calls") else ()
        usage = self.usage(document.get("usage"))
        return Answer(_content(message.get("content")), finish, usage, refused, parts)

    def hear(self, hearing: Hearing, document: object) -> str:
        """A chunk of the first choice; its ``finish_reason`` says that the text is whole.

        Some never send the ``[DONE]`` that follows it, some count in every chunk.
        """
        choice = dig(document, "choices", 0)
        delta = dig(choice, "delta")
        if finish := text_at(choice, "finish_reason"):
            hearing.finish, hearing.is_whole = finish, True
        if dig(delta, "refusal") or _is_filtered(finish):
            hearing.refused = True
        hearing.call_pieces += len(listed(dig(delta, "tool_calls")))
        hearing.body.grow(document, _MANNER)
        hearing.count(self.usage(dig(document, "usage")))
        return _content(dig(delta, "content"))

    def whole(self, hearing: Hearing) -> object:
        """The chat, whose messages come as deltas."""
        document = hearing.body.whole()
        if kind := text_at(document, "object"):
            document["object"] = kind.removesuffix(".chunk")
        document["choices"] = [*map(_with_message, listed(document.get("choices")))]
        return document

    def parts(self, document: object) -> Iterator[Part]:
        """The text of the first choice and its calls."""
        message = dig(document, "choices", 0, "message")
        yield _content(dig(message, "content"))
        for call in listed(dig(message, "tool_calls")):
            arguments = written(dig(call, "function", "arguments"))
            yield ToolCall(
                text_at(call, "id"), text_at(call, "function", "name"), arguments or "{}"
            )

    def most_per_image(self, model: str) -> int | None:
        """In high detail: 8 tiles of 5,667 tokens and 2,833, or 2,500 patches of up to 2.46."""
        return 50_000 if "4o-mini" in model else 10_000

    def usage(self, usage: object) -> Usage | None:
        """Cached and reasoning tokens are part of the whole.

        Some (xAI, Gemini's own chats) count reasoning in the total alone.
        """
        if not isinstance(usage, dict):
            return None
        try:
            asked, given = count_of(usage.get("prompt_tokens")), usage.get("completion_tokens")
            return usage_of(
                asked,
                max(count_of(given), number_of(usage.get("total_tokens")) - asked),
                *counts_in(usage.get("prompt_tokens_details"), _TAKEN),
                *counts_in(usage.get("completion_tokens_details"), _GIVEN),
            )
        except ValueError:
            return None

    def terms(self, document: object) -> Terms:
        """The tier, which a project may have chosen."""
        return terms_of(document, _TERMS)

    def surface(self, status: int, document: object) -> Surface:
        """``{"error": {"message", "type", "param", "code"}}``; code may be text, number or null.

        Some servers write a text instead, some the fields without a frame, some put the error of
        an answer that broke off into its choice; the Responses API puts it into the response.
        """
        found = (dig(document, *path) for path in _ERROR_PATHS)
        error = next(filter(None, found), document)
        return Surface(
            status,
            type=text_at(error, "type"),
            code=text_at(error, "code"),
            message=text_at(error) or text_at(error, "message") or text_at(error, "detail"),
            readable=isinstance(document, dict),
        )

    def delay(self, document: object) -> str:
        """Never in the body."""
        del document
        return ""

    def models(self, document: object) -> tuple[str, ...]:
        """The ids of ``data``."""
        return tuple(text_at(one, "id") for one in listed(dig(document, "data")))


class Responses(OpenAI):
    """The Responses API; what is asked is not kept by the vendor."""

    endings: ClassVar[frozenset[str]] = frozenset({"completed", "max_output_tokens"})

    def path(self, question: Question) -> str:
        """One path for all models."""
        del question
        return "/responses"

    def document(self, question: Question) -> Document:
        """The body of a response."""
        document: dict[str, object] = {
            "model": question.model,
            "max_output_tokens": question.max_tokens,
            "input": responses.conversation(question.prompt, self.image_detail),
            "store": False,
            **responses.extras(question.prompt, self.schema_options),
        }
        if question.prompt.system is not None:
            document["instructions"] = question.prompt.system
        if question.prompt.temperature is not None:
            document["temperature"] = question.prompt.temperature
        if question.streams:
            document["stream"] = True
        return document

    def hear(self, hearing: Hearing, document: object) -> str:
        """Deltas of the text, up to the response itself, which says whether it is whole."""
        match text_at(document, "type"):
            case "response.output_text.delta":
                return text_at(document, "delta")
            case "response.refusal.delta":
                hearing.refused = True
            case "response.output_item.done":
                _keep_thought(hearing.body, dig(document, "item"))
            case "response.function_call_arguments.delta":
                # The call itself stands in the response.
                hearing.call_pieces += 1
            case "response.completed" | "response.incomplete" | "response.failed":
                self._hear_the_end(hearing, dig(document, "response"))
        return ""

    def _hear_the_end(self, hearing: Hearing, response: object) -> None:
        hearing.is_over = True
        answer = self.read(response)
        if answer is not None:
            hearing.is_whole, hearing.finish = True, answer.finish
            hearing.refused |= answer.refused
            hearing.count(answer.usage)
            hearing.body = _with_thoughts(response, hearing.body)

    def whole(self, hearing: Hearing) -> object:
        """The response, which the last event holds."""
        return hearing.body.whole()

    def parts(self, document: object) -> Iterator[Part]:
        """Texts, calls and thoughts, one an item."""
        for item in listed(dig(document, "output")):
            match text_at(item, "type"):
                case "message":
                    yield "".join([text_at(part, "text") for part in listed(dig(item, "content"))])
                case "function_call":
                    arguments = text_at(item, "arguments")
                    yield ToolCall(text_at(item, "call_id"), text_at(item, "name"), arguments)
                case "reasoning" if text_at(item, "encrypted_content"):
                    yield Thought(responses.VENDOR, written(_unnamed(item)))
                case _:
                    pass

    def read(self, document: object) -> Answer | None:
        """All text of all messages; what failed is not an answer."""
        status = text_at(document, "status")
        if status not in _RESPONDED or dig(document, "error"):
            return None
        parts = list(self.parts(document))
        refused = "refusal" in _kinds(dig(document, "output"))
        finish = text_at(document, "incomplete_details", "reason") or status
        return Answer(
            "".join([part for part in parts if isinstance(part, str)]),
            "refusal" if refused else finish,
            self.usage(dig(document, "usage")),
            refused or finish == "content_filter",
            more_than_text(parts),
        )

    def usage(self, usage: object) -> Usage | None:
        """Cached and reasoning tokens are part of the whole, under names of their own."""
        if not isinstance(usage, dict):
            return None
        try:
            return usage_of(
                count_of(usage.get("input_tokens")),
                count_of(usage.get("output_tokens")),
                *counts_in(usage.get("input_tokens_details"), _CACHED),
                *counts_in(usage.get("output_tokens_details"), _REASONED),
            )
        except ValueError:
            return None


def _is_filtered(finish: str) -> bool:
    """Whether the words that came are not all; Gemini's chats say of which kind they were."""
    return finish.startswith("content_filter") or finish == "sensitive"


def _with_message(choice: object) -> dict[str, object]:
    """A choice of a stream as a whole one; some repeat in each chunk a message of their own."""
    told = dict(choice) if isinstance(choice, dict) else {}
    told["message"] = told.pop("delta", None)
    return told


def _unnamed(item: object) -> dict[str, object]:
    """A thought without the names under which the vendor would look for it, and keeps nothing."""
    told = dict(item) if isinstance(item, dict) else {}
    return {name: value for name, value in told.items() if name not in {"id", "status"}}


def _keep_thought(thoughts: Growing, item: object) -> None:
    if text_at(item, "type") == "reasoning":
        thoughts[text_at(item, "id")] = item


def _with_thoughts(response: object, thoughts: Growing) -> Growing:
    """A response with its *thoughts* as they were when they were done, which may say more."""
    found = Growing(response if isinstance(response, dict) else {})
    output = listed(found.get("output"))
    found["output"] = [thoughts.get(text_at(item, "id"), item) for item in output]
    return found


def _kinds(output: object) -> Iterator[str]:
    """Of what kind the parts of all messages are."""
    for item in listed(output):
        if text_at(item, "type") == "message":
            for part in listed(dig(item, "content")):
                yield text_at(part, "type")


def _content(content: object) -> str:
    match content:
        case str():
            return content
        case list():
            return "".join(text_at(part, "text") for part in content)
        case _:
            return ""
