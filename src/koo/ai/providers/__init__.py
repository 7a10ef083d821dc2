"""The vendors that koo speaks to, each by its own wire format over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from ...resilience import SYSTEM_CLOCK, Clock
from ..config import ServiceConfig
from ..provider import Provider
from ..rotation import Rotation
from .anthropic import Anthropic
from .compatible import Compatible, Perplexity, Plain
from .gemini import Gemini
from .http import HTTPProvider
from .openai import OpenAI, Responses
from .sessions import Sessions
from .wire import Answer, Hearing, Wire

__all__ = [
    "Answer",
    "Anthropic",
    "Compatible",
    "Gemini",
    "HTTPProvider",
    "Hearing",
    "OpenAI",
    "Perplexity",
    "Plain",
    "Responses",
    "Sessions",
    "Wire",
    "connect",
    "read_for",
]

_WIRES: Final[Mapping[str, type[Wire]]] = MappingProxyType(
    {
        "anthropic": Anthropic,
        "openai": OpenAI,
        "openai-responses": Responses,
        "gemini": Gemini,
        "perplexity": Perplexity,
        "compatible": Compatible,
    }
)

#: Compatible servers that answer 422 to a field that they don't know, by their host.
_STRICT: Final = frozenset({"api.mistral.ai"})


def connect(
    config: ServiceConfig, *, sessions: Sessions | None = None, clock: Clock = SYSTEM_CLOCK
) -> Provider:
    """The provider that *config* describes; nothing is opened before the first request.

    With several keys it is a :class:`Rotation` of one for each.
    """
    sessions, wire = sessions or Sessions(), _wire_of(config)
    providers = [
        HTTPProvider(one, wire, sessions=sessions, clock=clock)
        for one in (replace(config, api_key=key) for key in config.api_keys or (None,))
    ]
    return Rotation(providers, clock=clock) if len(providers) > 1 else providers[0]


def read_for(config: ServiceConfig, *, clock: Clock = SYSTEM_CLOCK) -> HTTPProvider:
    """Who reads the answers that others have received from the service of *config*."""
    return HTTPProvider(config, _wire_of(config), clock=clock)


def _wire_of(config: ServiceConfig) -> Wire:
    if urlsplit(config.base_url).hostname in _STRICT:
        return Plain()
    return _WIRES[config.vendor]()
