"""One call that somebody else's client makes, between koo's gates.

async with service.permit(estimate) as call:     admitted, or ServiceRejected; money reserved
    answer = await client.messages.create(...)   whatever client, one request
    call.settle(answer)                          what it used: its cost is debited

ended without settle ------------> all that was reserved is debited
ended with an SDK's exception ----> classified as if koo had sent it; raised as it is
ended with another exception -----> given up: debited in full, says nothing of the service
its time is over -----------------> ServiceTimeoutError
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from ...errors import (
    DeadlineExceeded,
    ExternalServiceError,
    Rejected,
    ServiceConnectionError,
    ServiceTimeoutError,
)
from ...resilience import Abandoned, Ask, Attempt, Clock, Policy, Success
from ..config import ServiceConfig
from ..health import Lessons, Tally
from ..pricing import Price
from ..provider import NOTHING, Usage
from ..providers.wire import parse
from ..verdicts import as_service_error, spent
from .estimate import Estimate
from .exceptions import Broken, Told, read_exception

__all__ = ["Guard", "SDKCall"]


class Reader(Protocol):
    """A vendor's wire format, as far as answers that others have received are read."""

    def used(self, answer: object) -> Usage | None:
        """The usage in a document, or a usage itself; None if it can't be understood."""
        ...

    def understood(
        self, status: int, document: object, headers: Mapping[str, str]
    ) -> ExternalServiceError:
        """The error that an answer of that shape means."""
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """What a service lends to the calls that it does not make itself."""

    config: ServiceConfig
    policy: Policy
    reader: Reader
    lessons: Lessons
    tally: Tally
    clock: Clock
    price: Callable[[str, float], Awaitable[Price]]

    def error_in(self, error: Exception) -> ExternalServiceError | None:
        """What *error* means; None if it says nothing about the service."""
        name = self.config.name
        match read_exception(error):
            case Told() as told:
                return self.reader.understood(told.status, told.document, told.headers)
            case Broken(in_time=False) as broken:
                what = "no answer in time; try again, or allow more"
                return ServiceTimeoutError(name, what, usage=_owed(broken))
            case Broken() as broken:
                what = f"the connection broke ({type(error).__name__}); try again, or look at it"
                return ServiceConnectionError(name, what, usage=_owed(broken))
            case _:
                return None


class SDKCall:
    """One call by a client that is not koo's, admitted and not yet settled."""

    _attempt: Attempt
    _price: Price

    def __init__(self, guard: Guard, estimate: Estimate, timeout: float | None) -> None:
        self._guard = guard
        self._estimate = estimate
        self._timeout = timeout
        self._model = estimate.model or guard.config.model
        self.usage: Usage | None = None
        self.error: ExternalServiceError | None = None

    def settle(self, answer: object) -> None:
        """Say what the call used: the SDK's answer, its usage, a document, or a ``Usage``.

        What can't be understood is unknown, and debited in full. Of several the last counts.
        """
        usage = answer if isinstance(answer, Usage) else self._guard.reader.used(_document(answer))
        self.usage = None if usage is None else self._price.bill(usage, self._guard.clock.time())
        self._attempt.settle(Success(spent(self.usage)))

    async def __aenter__(self) -> Self:
        self._guard.tally.began()
        try:
            self._attempt = await self._admitted()
        except (DeadlineExceeded, ExternalServiceError, Rejected) as error:
            raise self._failed(as_service_error(self._guard.config.name, error), error) from error
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            await self._attempt.__aexit__(None, None, None)
            self._succeeded()
        elif not isinstance(error, Exception):
            await self._cancelled(error)
        elif (found := self._guard.error_in(error)) is not None:
            await self._fail(found, error)
        else:
            self._attempt.settle(Abandoned(spent(self.usage)))
            await self._attempt.__aexit__(None, None, None)

    async def _admitted(self) -> Attempt:
        guard, estimate = self._guard, self._estimate
        guard.lessons.refuse_in_vain(self._model)
        limit = guard.config.timeout if self._timeout is None else self._timeout
        began = guard.clock.monotonic()
        self._price = await guard.price(self._model, limit)
        now = guard.clock.time()
        taken, given = estimate.input_tokens, estimate.output_tokens
        ask = Ask(1, taken + given, self._price.bound(taken, given, now, now + limit))
        left = limit - (guard.clock.monotonic() - began)
        return await guard.policy.permit(ask, timeout=left).__aenter__()

    async def _cancelled(self, error: BaseException) -> None:
        try:
            await self._attempt.__aexit__(type(error), error, error.__traceback__)
        except DeadlineExceeded as late:
            name = self._guard.config.name
            raise self._failed(as_service_error(name, late), late) from late

    async def _fail(self, found: ExternalServiceError, error: Exception) -> None:
        if isinstance(found.usage, Usage):
            found.usage = self._price.bill(found.usage, self._guard.clock.time())
        self._guard.lessons.learn(found, self._model)
        self._failed(found, error)
        # What it means is for the gates; whoever made the call gets the SDK's own exception.
        with suppress(ExternalServiceError):
            await self._attempt.__aexit__(type(found), found, None)

    def _failed(self, found: ExternalServiceError, error: Exception) -> ExternalServiceError:
        self.error = found
        self._guard.tally.failed(found, error)
        return found

    def _succeeded(self) -> None:
        if self.usage is not None:
            self._guard.tally.billed(self.usage.nanousd or 0)
        self._guard.tally.succeeded()


def _owed(broken: Broken) -> Usage | None:
    return None if broken.was_sent else NOTHING


def _document(answer: object) -> object:
    """What the SDKs' models hold, under the names of the wire."""
    dump = getattr(answer, "model_dump_json", None)
    return parse(dump(by_alias=True).encode()) if callable(dump) else answer
