"""Several keys that take turns, and the memory of those that died.

    request --> the next living key --> answer
                  | refused, without money, or spent for the day: it is dead until the
                  | time named, else until a reset; if denied, then for that model only
                  | asked to wait so long: it is dead so long, for that model only
                  +--> another lives: worth another attempt at once
                       none lives --> the error of the one that lives again first

It sends once, like every provider; a policy that retries goes on with the next key. A dead
key is not sent again, so each costs one request however many calls there are. What a vendor
tells of its limits is true of one key: it is told as that key's, and a request that was let in
by a key's limits is sent with it, unless it has died meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import Final

from ..errors import (
    AccessDeniedError,
    ApiKeyError,
    ExternalServiceError,
    QuotaExceededError,
    RateLimitError,
)
from ..resilience import SYSTEM_CLOCK, Clock
from .asking import Question
from .pacing import Keys, Told, one_key
from .provider import NOTHING, Completion, Heard, Provider, Request

__all__ = ["Rotation", "keys_of"]

#: More deaths for one model alone are not remembered.
_MOST_DEAD: Final = 100
_FOR_ALL_MODELS: Final = ""


@dataclass(frozen=True, slots=True)
class _Death:
    error: ExternalServiceError
    until: float


class Rotation:
    """One provider of many, each with a key of its own to the same service."""

    def __init__(self, providers: Sequence[Provider], *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._providers = tuple(providers)
        self._clock = clock
        self._turn = 0
        self._dead: dict[tuple[int, str], _Death] = {}

    @property
    def size(self) -> int:
        """How many keys there are."""
        return len(self._providers)

    @property
    def living(self) -> int:
        """How many keys are not known to be dead for every model."""
        return sum(self._death(place, _FOR_ALL_MODELS) is None for place in range(self.size))

    def living_for(self, model: str) -> list[int]:
        """The places of the keys that *model* may be asked with."""
        return [place for place in range(self.size) if not self._deaths(place, model)]

    def prepare(self, question: Question) -> Request:
        """The request for *question*, whatever the key."""
        return self._providers[0].prepare(question)

    async def complete(self, request: Request) -> Completion:
        """The answer to *request*, which is sent once, with the key whose turn it is."""
        with self._next(request.question.model, request.key) as (place, provider):
            return _of_key(place, await provider.complete(request))

    async def stream(
        self, request: Request, heard: Heard
    ) -> AsyncGenerator[str | Completion, None]:
        """The pieces of the answer to *request*, sent once, with the key whose turn it is."""
        with self._next(request.question.model, request.key) as (place, provider):
            async with aclosing(provider.stream(request, heard)) as items:
                async for item in items:
                    yield item if isinstance(item, str) else _of_key(place, item)

    def refuse_in_vain(self, model: str) -> None:
        """Raise the error of the key that lives again first, if none lives for *model*."""
        if not self.living_for(model):
            raise self._given_up(model)

    def place(self, model: str, key: int | None) -> int:
        """That of the key to ask *model* with: *key* if it lives, else the one whose turn it is."""
        living = self.living_for(model) or [*range(self.size)]
        if key in living:
            return key
        self._turn += 1
        return living[self._turn % len(living)]

    def blamed(self, place: int, model: str, error: ExternalServiceError) -> ExternalServiceError:
        """*error*, which the key at *place* has met; what it means if it is the key's own."""
        if isinstance(error.told, Told):
            error.told = error.told.of_key(place)
        match error:
            case ApiKeyError() | AccessDeniedError() | QuotaExceededError():
                self._bury(place, model, error)
            case RateLimitError() if error.retry_after:
                self._bury(place, model, error)
            case _:
                return error
        if self.living_for(model):
            found = self._again(error, place, 0.0, usage=error.usage, retryable=True)
        else:
            found = self._given_up(model, error.usage)
        found.told = error.told
        return found

    async def list_models(self) -> tuple[str, ...] | None:
        """The names of the models, asked with the key whose turn it is."""
        with self._next(_FOR_ALL_MODELS, None) as (_, provider):
            return await provider.list_models()

    def reset(self) -> None:
        """Trust every key again."""
        self._dead.clear()
        for provider in self._providers:
            provider.reset()

    async def close(self) -> None:
        """Let go of the connections of the running event loop."""
        for provider in self._providers:
            await provider.close()

    @contextmanager
    def _next(self, model: str, key: int | None) -> Iterator[tuple[int, Provider]]:
        self.refuse_in_vain(model)
        place = self.place(model, key)
        try:
            yield place, self._providers[place]
        except ExternalServiceError as error:
            found = self.blamed(place, model, error)
            if found is error:
                raise
        else:
            return
        raise found

    def _deaths(self, place: int, model: str) -> list[_Death]:
        scopes = {_FOR_ALL_MODELS, model}
        return [death for scope in scopes if (death := self._death(place, scope)) is not None]

    def _death(self, place: int, scope: str) -> _Death | None:
        death = self._dead.get((place, scope))
        return death if death is not None and death.until > self._clock.monotonic() else None

    def _bury(self, place: int, model: str, error: ExternalServiceError) -> None:
        is_of_model = isinstance(error, AccessDeniedError | RateLimitError)
        whose = place, model if is_of_model else _FOR_ALL_MODELS
        if whose in self._dead or not is_of_model or len(self._dead) < _MOST_DEAD:
            wait = float("inf") if error.retry_after is None else error.retry_after
            self._dead[whose] = _Death(error, self._clock.monotonic() + wait)

    def _given_up(self, model: str, usage: object = NOTHING) -> ExternalServiceError:
        """The error of the key that lives again first, with the time until then.

        *usage* is what the request that found the last of them dead has cost.
        """
        dead = [
            (max(deaths, key=lambda death: death.until), place)
            for place in range(self.size)
            if (deaths := self._deaths(place, model))
        ]
        first, place = min(dead, key=lambda one: one[0].until)
        wait = None if first.until == float("inf") else first.until - self._clock.monotonic()
        return self._again(first.error, place, wait, usage=usage)

    def _again(
        self,
        error: ExternalServiceError,
        place: int,
        wait: float | None,
        *,
        usage: object,
        retryable: bool | None = None,
    ) -> ExternalServiceError:
        return type(error)(
            error.service,
            f"key {place + 1} of {self.size}: {error.detail}",
            retry_after=wait,
            request_id=error.request_id,
            usage=usage,
            retryable=retryable,
        )


def keys_of(provider: Provider) -> Keys:
    """The places of the keys that *provider* may ask a model with."""
    return provider.living_for if isinstance(provider, Rotation) else one_key


def _of_key(place: int, completion: Completion) -> Completion:
    told = completion.told
    return completion if told is None else replace(completion, told=told.of_key(place))
