"""Gemini generateContent, API version v1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import ClassVar, Final
from urllib.parse import quote

from ..asking import Part, Question, Thought, ToolCall
from ..provider import Terms, Usage
from ..verdicts import (
    BAD_KEY,
    BROKEN,
    DAY_SPENT,
    NO_ACCESS,
    NO_MODEL,
    NO_MONEY,
    OVERLOADED,
    TIMED_OUT,
    TOO_FAST,
    TOO_LONG,
    Rule,
    Surface,
)
from .bodies import gemini, written
from .growing import Manner
from .wire import (
    Answer,
    Document,
    Hearing,
    begun,
    count_of,
    dig,
    listed,
    more_than_text,
    number_of,
    terms_of,
    text_at,
    usage_of,
)

__all__ = ["Gemini"]

#: What a stream brings in pieces.
_MANNER: Final = Manner(pieces=frozenset({"parts"}), places=frozenset({"candidates"}))
_TERMS: Final = {"serviceTier": "service_tier"}
_MODALITIES: Final = ("AUDIO", "IMAGE", "VIDEO")

_NO_QUOTA: Final = (
    # A list of quotas follows Google's own sentences, which quote nothing.
    r"^(you exceeded your current quota[^'\"\[]{0,2000}?)?(quota exceeded for metric: \S{1,200} )?"
    r"limit: 0(?![\d.])"
)
_DAY_METRIC: Final = r"^quota exceeded for (quota )?metric '[^'\"\[]{0,100}\bper day'"

# A quota of nothing is refused with a wait that will not help, so it comes before both quotas.
RULES: Final = (
    Rule.on(BAD_KEY, words="API_KEY_INVALID UNAUTHENTICATED"),
    Rule.on(BAD_KEY, 400, 403, opens=r"^(your )?api key (expired|not valid|was reported)"),
    Rule.on(NO_MONEY, words="payment_required BILLING_DISABLED"),
    Rule.on(NO_MONEY, 402),
    Rule.on(NO_ACCESS, 429, says=_NO_QUOTA),
    Rule.on(DAY_SPENT, 429, words="PER_DAY quota_exceeded"),
    Rule.on(DAY_SPENT, 429, opens=r"\bper day\b|\bdaily (limit|quota)"),
    Rule.on(DAY_SPENT, 429, says=_DAY_METRIC),
    Rule.on(TOO_FAST, 429),
    Rule.on(NO_ACCESS, 400, words="FAILED_PRECONDITION", says=r"location"),
    Rule.on(NO_MONEY, 400, words="FAILED_PRECONDITION"),
    Rule.on(NO_ACCESS, words="PERMISSION_DENIED"),
    Rule.on(TOO_LONG, 400, says=r"token count .{0,80}exceeds|exceeds the maximum number of tokens"),
    Rule.on(NO_MODEL, words="NOT_FOUND"),
    Rule.on(OVERLOADED, words="UNAVAILABLE"),
    Rule.on(TIMED_OUT, words="DEADLINE_EXCEEDED"),
    Rule.on(BROKEN, words="INTERNAL CANCELLED ABORTED"),
)


class Gemini:
    """The generateContent API; the base URL is without the version path."""

    rules: ClassVar[tuple[Rule, ...]] = RULES
    endings: ClassVar[frozenset[str]] = frozenset({"continuation", "max_tokens", "stop"})
    models_path: ClassVar[str | None] = "/v1/models?pageSize=1000"

    def headers(self, api_key: str) -> Mapping[str, str]:
        """The key in a header, so that it is in no address."""
        return {"x-goog-api-key": api_key}

    def path(self, question: Question) -> str:
        """A path for each model; without ``alt=sse`` a stream would be one long array."""
        method = "streamGenerateContent?alt=sse" if question.streams else "generateContent"
        return f"/v1/models/{quote(question.model, safe='')}:{method}"

    def document(self, question: Question) -> Document:
        """The body of a generation."""
        limits: dict[str, object] = {"maxOutputTokens": question.max_tokens}
        if question.prompt.temperature is not None:
            limits["temperature"] = question.prompt.temperature
        document: dict[str, object] = {
            "contents": gemini.conversation(question.prompt),
            "generationConfig": {**limits, **gemini.format_of(question.prompt)},
            **gemini.extras(question.prompt),
        }
        if question.prompt.system is not None:
            document["systemInstruction"] = {"parts": [{"text": question.prompt.system}]}
        return document

    def hear(self, hearing: Hearing, document: object) -> str:
        """A chunk of the form of an answer; the last one has a ``finishReason``."""
        finish = text_at(document, "candidates", 0, "finishReason")
        blocked = text_at(document, "promptFeedback", "blockReason")
        if blocked or finish:
            hearing.finish, hearing.is_whole = blocked or finish, True
            hearing.refused = bool(blocked) or finish.lower() not in self.endings
        hearing.count(self.usage(dig(document, "usageMetadata")))
        parts = dig(document, "candidates", 0, "content", "parts")
        hearing.call_pieces += sum(isinstance(part, ToolCall) for part in _parts(parts))
        hearing.body.grow(document, _MANNER)
        return "".join(_spoken(parts))

    def whole(self, hearing: Hearing) -> object:
        """The answer, in which a text is one part again."""
        document = hearing.body.whole()
        content = dig(document, "candidates", 0, "content")
        if isinstance(content, dict):
            content["parts"] = list(_joined(listed(content.get("parts"))))
        return document

    def parts(self, document: object) -> Iterator[Part]:
        """What the first candidate says without what it thought, but with its signatures."""
        return _parts(dig(document, "candidates", 0, "content", "parts"))

    def read(self, document: object) -> Answer | None:
        """The first candidate's text without its thoughts; a block is a refusal."""
        usage = self.usage(dig(document, "usageMetadata"))
        if blocked := text_at(document, "promptFeedback", "blockReason"):
            return Answer("", blocked, usage, refused=True)
        candidate = dig(document, "candidates", 0)
        finish = text_at(candidate, "finishReason")
        if not finish:
            return None
        parts = dig(candidate, "content", "parts")
        text, told = "".join(_spoken(parts)), more_than_text(_parts(parts))
        return Answer(text, finish, usage, finish.lower() not in self.endings, told)

    def most_per_image(self, model: str) -> int | None:
        """The older models cut it into at most 24 tiles of 258 tokens, the newer bill 1,120."""
        del model
        return 10_000

    def usage(self, usage: object) -> Usage | None:
        """Thoughts are counted beside the candidates, tool results beside the prompt."""
        if not isinstance(usage, dict):
            return None
        try:
            thoughts = number_of(usage.get("thoughtsTokenCount"))
            tools = number_of(usage.get("toolUsePromptTokenCount"))
            return usage_of(
                count_of(usage.get("promptTokenCount")) + tools,
                number_of(usage.get("candidatesTokenCount")) + thoughts,
                ("cache_read_tokens", number_of(usage.get("cachedContentTokenCount"))),
                ("output_reasoning_tokens", thoughts),
                *_modal("input", usage.get("promptTokensDetails")),
                *_modal("output", usage.get("candidatesTokensDetails")),
            )
        except ValueError:
            return None

    def terms(self, document: object) -> Terms:
        """The tier."""
        return terms_of(dig(document, "usageMetadata"), _TERMS)

    def surface(self, status: int, document: object) -> Surface:
        """``{"error": {"code", "message", "status", "details": [...]}}``; code may be a word.

        Where an array was asked for, it is its only element. Its message may be the error itself.
        """
        document = _innermost(_alone(document))
        return Surface(
            status,
            type=text_at(document, "error", "status"),
            code=text_at(document, "error", "code"),
            message=text_at(document, "error", "message"),
            reasons=tuple(_reasons(document)),
            readable=isinstance(document, dict),
        )

    def delay(self, document: object) -> str:
        """The delay of RetryInfo, like ``46s``."""
        delays = (text_at(detail, "retryDelay") for detail in _details(_alone(document)))
        return next(filter(None, delays), "")

    def models(self, document: object) -> tuple[str, ...]:
        """The names of ``models``, without their folder."""
        names = (text_at(one, "name") for one in listed(dig(document, "models")))
        return tuple(name.removeprefix("models/") for name in names)


def _spoken(parts: object) -> list[str]:
    return [text_at(part, "text") for part in listed(parts) if not dig(part, "thought")]


def _parts(parts: object) -> Iterator[Part]:
    for part in listed(parts):
        signature = text_at(part, "thoughtSignature")
        if name := text_at(part, "functionCall", "name"):
            arguments = written(dig(part, "functionCall", "args"))
            yield ToolCall(text_at(part, "functionCall", "id"), name, arguments, signature)
            continue
        yield from _spoken([part])
        if signature:
            seen = {"text": "", "thoughtSignature": signature}
            yield Thought(gemini.VENDOR, written(seen))


def _joined(parts: list[object]) -> Iterator[object]:
    """*parts*, of which texts that follow one another and are of one kind are one."""
    for kind, run in groupby(parts, _kind):
        if kind is None:
            yield from run
        else:
            yield {**dict(kind), "text": "".join(text_at(part, "text") for part in run)}


def _kind(part: object) -> tuple[tuple[str, object], ...] | None:
    """What a part says beside its text; None if it is more than one."""
    if not isinstance(part, dict) or "text" not in part or set(part) - {"text", "thought"}:
        return None
    return tuple((name, value) for name, value in part.items() if name == "thought")


def _alone(document: object) -> object:
    return dig(document, 0) if isinstance(document, list) else document


def _innermost(document: object) -> object:
    """The error that the message of *document* holds as JSON, with its own details; else it."""
    message = text_at(document, "error", "message")
    inner = begun(message)
    return inner if dig(inner, "error") else document


def _details(document: object) -> list[object]:
    details = dig(document, "error", "details")
    return details if isinstance(details, list) else []


def _reasons(document: object) -> Iterator[str]:
    for detail in _details(document):
        yield text_at(detail, "reason")
        violations = dig(detail, "violations")
        for violation in violations if isinstance(violations, list) else ():
            quota = text_at(violation, "quotaId") + text_at(violation, "quotaMetric")
            if "perday" in quota.lower().replace("_", ""):
                yield "PER_DAY"


def _modal(side: str, details: object) -> Iterator[tuple[str, int]]:
    for detail in details if isinstance(details, list) else ():
        modality = text_at(detail, "modality")
        if modality in _MODALITIES:
            yield f"{side}_{modality.lower()}_tokens", number_of(dig(detail, "tokenCount"))
