"""The AI services' variables, and what the AI room is told of each service.

AI_DEFAULT_... --+
AI_<SERVICE>_... +--> ServiceConfig, one for each of the documented four and of AI_SERVICES
its key ---------+
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Final, Self

from pydantic import SecretStr, ValidationError, field_validator, model_validator

from koo.ai import CacheConfig, ServiceConfig, TokenPrice
from koo.resilience import Backoff, BreakerConfig, RetryConfig

from .refusals import SettingsError, explain
from .variables import ROOT, AIVariables, DatabaseVariables, ServiceVariables, zone_of

__all__ = ["DOCUMENTED", "AISettings"]

#: The services of the documentation, and the field that holds each one's key.
DOCUMENTED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "claude": "anthropic_api_key",
        "openai": "openai_api_key",
        "gemini": "gemini_api_key",
        "perplexity": "perplexity_api_key",
    }
)

#: The proxy of a service that has none though the others have.
_DIRECT: Final = "direct"

_NANO: Final = 10**9
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class AISettings(AIVariables, DatabaseVariables):
    """The AI services' variables; :attr:`services` is what they come to."""

    @cached_property
    def own(self) -> Mapping[str, ServiceVariables]:
        """What each service has of its own, by its name."""
        return {name: _read(name) for name in (*DOCUMENTED, *_words(self.ai_services))}

    @cached_property
    def services(self) -> tuple[ServiceConfig, ...]:
        """What the AI room is told: the documented four, and those of AI_SERVICES."""
        return tuple(self._service(name, own) for name, own in self.own.items())

    @field_validator("ai_services")
    @classmethod
    def _check_names(cls, text: str) -> str:
        names = _words(text)
        if not all(map(_NAME.fullmatch, names)):
            raise ValueError("must list lower-case names, separated by commas, like groq,local")
        prefixes = [_prefix(name) for name in (*DOCUMENTED, *names)]
        if len(set(prefixes)) < len(prefixes):
            raise ValueError("names a service twice, or one that is always there")
        if taken := [name for name in names if not _taken(name).isdisjoint(cls.model_fields)]:
            raise ValueError(f"can't name a service {taken[0]}, a word of other variables")
        return text

    @model_validator(mode="after")
    def _check_backoff(self) -> Self:
        if self.ai_retry_max_delay < self.ai_retry_base_delay:
            raise ValueError("AI_RETRY_MAX_DELAY must be at least AI_RETRY_BASE_DELAY")
        if self.ai_max_retries and self.ai_retry_base_delay >= 2 * self.ai_default_timeout:
            raise ValueError("AI_DEFAULT_TIMEOUT must be above half of AI_RETRY_BASE_DELAY")
        return self

    def _service(self, name: str, own: ServiceVariables) -> ServiceConfig:
        budget = self.ai_default_daily_budget if own.daily_budget is None else own.daily_budget
        try:
            return ServiceConfig(
                name=name,
                api_key=self._key(name, own),
                base_url=own.base_url,
                model=own.model,
                requests_per_minute=own.requests_per_minute or self.ai_default_requests_per_minute,
                requests_per_hour=own.requests_per_hour or self.ai_default_requests_per_hour,
                requests_per_day=own.requests_per_day or self.ai_default_requests_per_day,
                tokens_per_minute=own.tokens_per_minute or self.ai_default_tokens_per_minute,
                max_concurrent=own.max_concurrent or self.ai_default_max_concurrent,
                daily_budget_nanousd=int(budget * _NANO),
                budget_zone=zone_of(self.ai_budget_zone),
                timeout=own.timeout or self.ai_default_timeout,
                attempt_timeout=self.ai_attempt_timeout,
                idle_timeout=self.ai_attempt_timeout,
                patience=self.ai_default_patience,
                max_tokens=self.ai_default_max_tokens,
                price=_price(name, own),
                retry=_retry(self),
                retry_budget=self.ai_retry_budget == "on",
                breaker=_breaker(self),
                check_interval=self.ai_health_check_interval,
                check_timeout=self.health_check_timeout,
                proxy=_proxy(own.proxy or self.ai_proxy),
                ca_bundle=_path(own.ca_bundle or self.ai_ca_bundle),
                cache=None if own.cache_ttl is None else CacheConfig(own.cache_ttl),
            )
        except ValueError as error:
            raise SettingsError(_blaming(str(error), name, own)) from None

    def _key(self, name: str, own: ServiceVariables) -> str | None:
        key = getattr(self, DOCUMENTED[name]) if name in DOCUMENTED else own.api_key
        return key.get_secret_value() if isinstance(key, SecretStr) else None


def _breaker(settings: AIVariables) -> BreakerConfig:
    return BreakerConfig(
        failure_threshold=settings.ai_circuit_breaker_failure_threshold,
        recovery_timeout=settings.ai_circuit_breaker_recovery_timeout,
        success_threshold=settings.ai_circuit_breaker_success_threshold,
    )


def _retry(settings: AIVariables) -> RetryConfig:
    backoff = Backoff(
        base_delay=settings.ai_retry_base_delay,
        max_delay=settings.ai_retry_max_delay,
        multiplier=settings.ai_retry_backoff_multiplier,
    )
    return RetryConfig(max_retries=settings.ai_max_retries, backoff=backoff)


def _proxy(address: SecretStr | None) -> str:
    text = address.get_secret_value() if address else ""
    return "" if text == _DIRECT else text


def _blaming(sentence: str, name: str, own: ServiceVariables) -> str:
    """*sentence* about a service, naming the variable of all services if that was wrong."""
    for field in ("proxy", "ca_bundle"):
        if not getattr(own, field):
            sentence = sentence.replace(_prefix(name) + field.upper(), f"AI_{field.upper()}")
    return sentence


def _path(text: str) -> str:
    return str(ROOT / text) if text else ""


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _prefix(name: str) -> str:
    return f"AI_{name.upper().replace('-', '_')}_"


def _taken(name: str) -> set[str]:
    return {(_prefix(name) + field).lower() for field in ServiceVariables.model_fields}


def _read(name: str) -> ServiceVariables:
    try:
        return ServiceVariables(_env_prefix=_prefix(name))  # type: ignore[call-arg]
    except ValidationError as error:
        raise explain(error, _prefix(name)) from None


def _price(name: str, own: ServiceVariables) -> TokenPrice | None:
    try:
        return TokenPrice.parse(own.price) if own.price else None
    except ValueError as error:
        what = str(error).removeprefix("TokenPrice: ")
        raise SettingsError(f"{_prefix(name)}PRICE is not a price; {what}") from None
