"""What a failure teaches, so that nothing is sent in vain again.

key refused -----------> remembered, the circuit isolated --+
a model denied --------> remembered; isolated if it is the  +--> until a person resets
                         service's own                      |
money or quota gone ---> isolated --------------------------+
                         the vendor names a time -----------> open until then
a person takes it out --> refused until a person resets
"""

from __future__ import annotations

from typing import Final

from ...errors import (
    AccessDeniedError,
    ApiKeyError,
    ExternalServiceError,
    QuotaExceededError,
    ServiceRejected,
)
from ...resilience import CircuitBreaker
from ..config import ServiceConfig
from ..provider import NOTHING

__all__ = ["Lessons"]

_MOST_DENIED: Final = 100


class Lessons:
    """The dead key and the denied models of one service, and whether it is out of service."""

    __slots__ = ("_breaker", "_config", "_dead_key", "_denied", "_taken_out")

    def __init__(self, config: ServiceConfig, breaker: CircuitBreaker) -> None:
        self._config = config
        self._breaker = breaker
        self._dead_key: ApiKeyError | None = None
        self._denied: dict[str, AccessDeniedError] = {}
        self._taken_out: str | None = None

    @property
    def away(self) -> str | None:
        """Why the service takes no calls at all; None if it takes some."""
        if not self._config.is_configured:
            return f"no API key; set {self._config.key_variable}"
        return self._taken_out

    def take_out(self, why: str) -> None:
        """Refuse every call."""
        self._taken_out = why

    def refuse_in_vain(self, model: str) -> None:
        """Raise what is known beforehand."""
        config = self._config
        if not config.is_configured:
            raise ApiKeyError(config.name, f"no API key; set {config.key_variable}")
        if self._taken_out is not None:
            detail = f"out of service ({self._taken_out}); reset it to bring it back"
            raise ServiceRejected(config.name, detail, usage=NOTHING)
        if known := self._dead_key or self._denied.get(model):
            raise type(known)(config.name, known.detail, usage=NOTHING)

    def learn(self, error: ExternalServiceError, model: str) -> None:
        """Remember what *error*, the answer to a question to *model*, says of the next ones."""
        match error:
            case ApiKeyError() | AccessDeniedError() | QuotaExceededError() if error.retryable:
                # Another key is good; the provider remembers which is not.
                return
            case ApiKeyError():
                self._dead_key = error
                self._breaker.isolate(error.detail)
            case AccessDeniedError():
                if len(self._denied) < _MOST_DENIED:
                    self._denied[model] = error
                if model == self._config.model:
                    self._breaker.isolate(error.detail)
            case QuotaExceededError(retry_after=float(seconds)):
                self._breaker.open_until(seconds, error.detail)
            case QuotaExceededError():
                self._breaker.isolate(error.detail)

    def forget(self) -> None:
        """Bring it back, and try the key and every model again."""
        self._taken_out = None
        self._dead_key = None
        self._denied.clear()
