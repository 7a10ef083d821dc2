"""The platform's AI services.

response = await query_ai("claude", "Your prompt here")
async for text in stream_ai("claude", "Your prompt here"): ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from core.ai_error_handling import AIErrorHandler, ExternalServiceError, ai_error_handler
from core.answers import ServiceHealth
from koo.ai import AIManager, AIStream, Message, Prompt, Times, Tool, ToolChoice
from koo.resilience import SYSTEM_CLOCK, Clock

__all__ = [
    "ExternalServiceError",
    "HybridAIManager",
    "get_ai_service_health",
    "hybrid_ai_manager",
    "query_ai",
    "reset_ai_service_errors",
    "stream_ai",
]


class HybridAIManager(AIManager):
    """The services of *handler*, which also report as plain dicts."""

    def __init__(self, handler: AIErrorHandler, *, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(handler.services.values(), clock=clock)
        self._handler = handler

    def get_service_health(self, service: str) -> ServiceHealth:
        """The health of *service*. Only looks. ExternalServiceError if there is none."""
        return self._handler.get_service_status(self.find(service))

    def get_all_services_status(self) -> dict[str, ServiceHealth]:
        """The health of every service by its name. Only looks."""
        return self._handler.get_all_services_status()


hybrid_ai_manager: Final = HybridAIManager(ai_error_handler)


async def query_ai(  # noqa: PLR0913 - as below
    service: str,
    prompt: str | Sequence[Message],
    *,
    fallback: Sequence[str] = (),
    system: str | None = None,
    model: str | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    max_cost: Decimal | None = None,
    tools: Sequence[Tool] = (),
    tool_choice: ToolChoice = "auto",
    schema: Mapping[str, object] | None = None,
    timeout: float | None = None,
) -> str:
    """The text that *service* answers to *prompt*.

    Every failure is an ExternalServiceError: an unknown service, a missing key
    (ApiKeyError naming the variable), a refusal of our own limits, a vendor in trouble.
    If it fails, the services in *fallback* are asked in turn. *timeout* bounds the whole
    query in seconds: waiting, attempts, backoff and every fallback; *max_cost* its cost in USD.
    *prompt* may be a conversation, and the answer JSON of *schema*. Which of the *tools* it
    calls a text can't say: `hybrid_ai_manager.ask` does.
    """
    asked = Prompt(
        prompt, system, model, max_tokens, temperature, max_cost, tools, schema, tool_choice
    )
    return await hybrid_ai_manager.query(service, asked, fallback=fallback, timeout=timeout)


def stream_ai(  # noqa: PLR0913 - the documented arguments, and what else a prompt holds
    service: str,
    prompt: str | Sequence[Message],
    *,
    fallback: Sequence[str] = (),
    system: str | None = None,
    model: str | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    max_cost: Decimal | None = None,
    tools: Sequence[Tool] = (),
    tool_choice: ToolChoice = "auto",
    schema: Mapping[str, object] | None = None,
    timeout: float | None = None,
    first_token_timeout: float | None = None,
    idle_timeout: float | None = None,
) -> AIStream:
    """The text that *service* answers to *prompt*, as it comes.

    If it fails before its first text, the services in *fallback* are asked in turn. Every
    failure is an ExternalServiceError; its `partial` is the text that had come. An answer
    that was cut off is one too (StreamTruncatedError). *timeout* bounds the whole in
    seconds, *first_token_timeout* the time until the first text, *idle_timeout* each gap.
    *max_cost* bounds its cost in USD. What it calls of *tools* is in its `completion` at the end.
    """
    asked = Prompt(
        prompt, system, model, max_tokens, temperature, max_cost, tools, schema, tool_choice
    )
    times = Times(timeout, first_token_timeout, idle_timeout)
    return hybrid_ai_manager.stream(service, asked, fallback=fallback, times=times)


def get_ai_service_health(service: str) -> ServiceHealth:
    """The health of *service*. Only looks. ExternalServiceError if there is none."""
    return hybrid_ai_manager.get_service_health(service)


def reset_ai_service_errors(service: str) -> bool:
    """Close the circuit of *service*, forget its errors and its dead key; False if unknown."""
    return hybrid_ai_manager.reset_service_errors(service)
