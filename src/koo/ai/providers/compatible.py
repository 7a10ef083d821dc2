"""Those who speak OpenAI's Chat Completions with an accent.

Groq, OpenRouter, Mistral, DeepSeek, vLLM, Ollama; and Perplexity, whose accent is strongest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

from ..asking import Question
from ..provider import Usage
from ..verdicts import (
    DAY_SPENT,
    NO_ACCESS,
    NO_MONEY,
    OVERLOADED,
    REFUSED,
    TOO_FAST,
    TOO_LONG,
    Rule,
    Surface,
)
from .bodies import CannotCarry
from .openai import RULES, OpenAI
from .wire import Document, count_of, dig, nanousd_of, number_of, text_at, usage_of

__all__ = ["Compatible", "Perplexity", "Plain"]

_OUT_OF_MONEY: Final = (
    r"insufficient (balance|credit|fund|quota)|out of credit|exceeded your current quota|"
    r"credit (limit|balance)|spending limit|payment required"
)

_OPENROUTER_BUDGETS: Final = (
    "openrouter_guardrail_budget openrouter_workspace_budget openrouter_key_limit"
)

COMPATIBLE_RULES: Final = (
    # Too much money in flight; it comes back by itself.
    Rule.on(TOO_FAST, 402, words="openrouter_in_flight_budget"),
    Rule.on(NO_MONEY, words=_OPENROUTER_BUDGETS),
    Rule.on(NO_MONEY, 401, 402, 403, 429, opens=_OUT_OF_MONEY),
    Rule.on(DAY_SPENT, 429, says=r"^rate limit exceeded: free-models-per-day\b"),
    # About one prompt and not about the key, so it must not shut the service.
    Rule.on(REFUSED, 403, words="moderated"),
    Rule.on(REFUSED, 403, says=r"moderation|flagged"),
    *RULES,
    Rule.on(NO_ACCESS, words="organization_restricted"),
    Rule.on(OVERLOADED, words="capacity_exceeded"),
    Rule.on(
        TOO_LONG, 400, says=r"context (length|window|size)|too many tokens|maximum .{0,80}tokens"
    ),
)

#: What servers say for OpenAI's ``stop``, ``length`` and ``tool_calls``.
_OTHER_ENDINGS: Final = frozenset(
    {"complete", "end_turn", "eos", "eos_token", "stop_sequence"}
    | {"max_tokens", "model_context_window_exceeded", "model_length"}
    | {"tool_use"}
)
_DELAYS: Final = (
    ("retry_after_seconds",),
    ("retry_after",),
    ("resets_at",),
    ("headers", "Retry-After"),
    ("headers", "X-RateLimit-Reset"),
)


class Compatible(OpenAI):
    """Any OpenAI-compatible server; the base URL is as the OpenAI SDK takes it."""

    rules: ClassVar[tuple[Rule, ...]] = COMPATIBLE_RULES
    endings: ClassVar[frozenset[str]] = OpenAI.endings | _OTHER_ENDINGS
    limit_field: ClassVar[str] = "max_tokens"
    image_detail: ClassVar[dict[str, object]] = {}
    schema_options: ClassVar[dict[str, object]] = {}

    def most_per_image(self, model: str) -> int | None:
        """Each server counts as it likes."""
        del model
        return None

    def usage(self, usage: object) -> Usage | None:
        """As OpenAI's; what the server itself says it charges (OpenRouter) is believed.

        With a key of one's own there (``is_byok``) that is but its fee, and the upstream vendor
        sends a bill too: unless it is named, nobody knows the cost.
        """
        counted = super().usage(usage)
        fee = nanousd_of(dig(usage, "cost"))
        if counted is None or fee is None:
            return counted
        upstream = nanousd_of(dig(usage, "cost_details", "upstream_inference_cost"))
        match dig(usage, "is_byok"), upstream:
            case False, _:
                return replace(counted, nanousd=fee, is_cost_told=True)
            case True, None:
                return None
            case _:
                return replace(counted, nanousd=fee + (upstream or 0), is_cost_told=True)

    def surface(self, status: int, document: object) -> Surface:
        """As OpenAI's, and what OpenRouter adds in ``metadata``."""
        metadata = dig(document, "error", "metadata")
        moderated = "moderated" if dig(metadata, "flagged_input") is not None else ""
        reasons = tuple(filter(None, (text_at(metadata, "limit_source"), moderated)))
        return replace(super().surface(status, document), reasons=reasons)

    def delay(self, document: object) -> str:
        """Of OpenRouter: a moment, or seconds, or the headers of whom it asked."""
        metadata = dig(document, "error", "metadata")
        return next(filter(None, (text_at(metadata, *path) for path in _DELAYS)), "")


class Plain(Compatible):
    """A compatible server that refuses ``stream_options`` and counts without being asked."""

    stream_options: ClassVar[Document] = {}


class Perplexity(Plain):
    """Perplexity: no tools, no list of models, and a bill of its own in every answer."""

    models_path: ClassVar[str | None] = None

    def document(self, question: Question) -> Document:
        """As a chat, but its models call nobody."""
        if question.prompt.tools:
            raise CannotCarry("perplexity knows no tools; ask another service")
        return super().document(question)

    def usage(self, usage: object) -> Usage | None:
        """Reasoning and citations come beside the completion; ``cost`` is the real charge."""
        if not isinstance(usage, dict):
            return None
        try:
            reasoning = number_of(usage.get("reasoning_tokens"))
            citations = number_of(usage.get("citation_tokens"))
            return usage_of(
                count_of(usage.get("prompt_tokens")),
                count_of(usage.get("completion_tokens")) + reasoning + citations,
                ("output_reasoning_tokens", reasoning),
                ("output_citation_tokens", citations),
                ("web_searches", number_of(usage.get("num_search_queries"))),
                nanousd=nanousd_of(dig(usage, "cost", "total_cost")),
            )
        except ValueError:
            return None
