"""The wire formats: what every vendor has in common, and each one's own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .anthropic import Anthropic
from .content import Call, Unreadable, sample
from .form import (
    Asked,
    Dialect,
    Document,
    Limit,
    Limits,
    Reply,
    Trouble,
    Wrong,
    count_tokens,
    first_tokens,
    page,
)
from .gemini import Gemini
from .openai import OpenAI
from .perplexity import Perplexity
from .responses import Responses

__all__ = [
    "DIALECTS",
    "Anthropic",
    "Asked",
    "Call",
    "Dialect",
    "Document",
    "Gemini",
    "Limit",
    "Limits",
    "OpenAI",
    "Perplexity",
    "Reply",
    "Responses",
    "Trouble",
    "Unreadable",
    "Wrong",
    "count_tokens",
    "first_tokens",
    "page",
    "sample",
]

DIALECTS: Final[Mapping[str, type[Dialect]]] = MappingProxyType(
    {
        "claude": Anthropic,
        "openai": OpenAI,
        "gemini": Gemini,
        "perplexity": Perplexity,
        "openai-responses": Responses,
    }
)
