"""One call that somebody else's client makes, between koo's gates.

async with service.permit(estimate) as call:     admitted, or ServiceRejected; money reserved
    answer = await client.messages.create(...)   whatever client, one request
    call.settle(answer)                          what it used: its cost is debited
call.api_key                                 of several keys the one to send it with

ended without settle ------------> all that was reserved is debited
ended with its SDK's exception ---> classified as if koo had sent it; raised as it is
ended with another exception -----> given up: debited in full, says nothing of the service
                                    (after settle: what was settled, however it ends)
its time is over -----------------> ServiceTimeoutError
"""

from __future__ import annotations

from collections.abc import Mapping
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
from ...resilience import Abandoned, Attempt, Clock, Policy, Success
from ..asking import Purse
from ..config import VENDORS, ServiceConfig
from ..health import Lessons, Tally
from ..pacing import Told
from ..pricing import Price
from ..provider import NOTHING, Usage
from ..providers.wire import parse
from ..till import Till
from ..verdicts import as_service_error, spent
from .estimate import Estimate
from .exceptions import Answered, Broken, lowered, read_exception
from .keyring import Keyring

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

    def told(self, headers: Mapping[str, str]) -> Told:
        """What *headers*, with lower-case names, say of the vendor's limits."""
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """What a service lends to the calls that it does not make itself."""

    config: ServiceConfig
    policy: Policy
    reader: Reader
    lessons: Lessons
    keyring: Keyring
    tally: Tally
    till: Till
    clock: Clock

    def told(self, headers: Mapping[str, str], key: int | None) -> Told:
        """What the *headers* of an answer to *key* say of the vendor's limits."""
        told = self.reader.told(lowered(headers))
        return told if key is None else told.of_key(key)

    def error_in(self, error: Exception) -> ExternalServiceError | None:
        """What *error* means; None if it says nothing about the service."""
        name = self.config.name
        match read_exception(error, VENDORS[self.config.vendor].sdk):
            case Answered(status, document, headers):
                return self.reader.understood(status, document, headers)
            case Broken(in_time=False) as broken:
                what = "no answer in time; try again, or allow more"
                return ServiceTimeoutError(name, what, usage=_owed(broken))
            case Broken() as broken:
                what = f"the connection broke ({type(error).__name__}); try again, or look at it"
                return ServiceConnectionError(name, what, usage=_owed(broken))
            case _:
                return None


class SDKCall:
    """One call by a client that is not koo's, admitted and not yet settled; for one block."""

    _price: Price

    def __init__(self, guard: Guard, estimate: Estimate, timeout: float | None) -> None:
        self._guard = guard
        self._estimate = estimate
        self._timeout = timeout
        self._model = estimate.model or guard.config.model
        self._attempt: Attempt | None = None
        self._is_used = False
        self._key: int | None = None
        self._sent_with: int | None = None
        self.usage: Usage | None = None
        self.error: ExternalServiceError | None = None

    @property
    def api_key(self) -> str:
        """The key to send it with: of several the one whose turn it is, and which lives.

        Only who has read it is taken to send with it, so only then does koo learn from the answer
        which key is dead. RuntimeError outside of the block.
        """
        if self._attempt is None:
            raise self._misuse("it was not let in yet; ask for its key inside of its block")
        self._sent_with = self._key
        return self._guard.config.api_keys[self._key or 0]

    def settle(self, answer: object, headers: Mapping[str, str] | None = None) -> None:
        """Say what the call used: the SDK's answer, its usage, a document, or a ``Usage``.

        What can't be understood is unknown, and debited in full. Of several the last counts.
        The response's *headers* tell how much the vendor's own limits have left. RuntimeError
        outside of the block.
        """
        guard, attempt = self._guard, self._admission
        usage = answer if isinstance(answer, Usage) else guard.reader.used(_document(answer))
        priced = guard.till.priced(self._price, self._estimate.known(usage))
        advice = None if headers is None else guard.told(headers, self._sent_with)
        attempt.settle(Success(spent(priced), advice))
        self.usage = priced

    async def __aenter__(self) -> Self:
        if self._is_used:
            raise self._misuse("this permit was used already; take a new one for each block")
        self._is_used = True
        self._guard.tally.began()
        try:
            self._attempt = await self._admitted()
            self._key = self._guard.keyring.place(self._model)
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
            await self._admission.__aexit__(None, None, None)
            self._succeeded()
        elif not isinstance(error, Exception):
            self._bill_settled()
            await self._cancelled(error)
        elif (found := self._guard.error_in(error)) is not None:
            await self._fail(found, error)
        else:
            self._bill_settled()
            self._admission.settle(Abandoned(spent(self.usage)))
            await self._admission.__aexit__(None, None, None)

    @property
    def _admission(self) -> Attempt:
        if self._attempt is None:
            raise self._misuse("it was not let in yet; settle it inside of its block")
        return self._attempt

    async def _admitted(self) -> Attempt:
        guard, estimate = self._guard, self._estimate
        guard.lessons.refuse_in_vain(self._model)
        guard.keyring.refuse_in_vain(self._model)
        limit = guard.config.timeout if self._timeout is None else self._timeout
        began = guard.clock.monotonic()
        self._price = await guard.till.price(self._model, limit)
        ask = guard.till.ask(
            self._price,
            self._model,
            taken=estimate.input_tokens,
            given=estimate.output_tokens,
            timeout=limit,
            purse=Purse.of(estimate.max_cost),
            unbounded=estimate.unbounded,
        )
        left = limit - (guard.clock.monotonic() - began)
        return await guard.policy.permit(ask, timeout=left).__aenter__()

    async def _cancelled(self, error: BaseException) -> None:
        try:
            await self._admission.__aexit__(type(error), error, error.__traceback__)
        except DeadlineExceeded as late:
            name = self._guard.config.name
            raise self._failed(as_service_error(name, late), late) from late

    async def _fail(self, found: ExternalServiceError, error: Exception) -> None:
        found = self._guard.keyring.blamed(self._sent_with, self._model, found)
        if self.usage is not None:
            # Of an answer that came before the error, the error says nothing.
            found.usage = self.usage
        self._guard.till.bill_failure(self._price, self._model, found)
        self._guard.lessons.learn(found, self._model)
        self._failed(found, error)
        # What it means is for the gates; whoever made the call gets the SDK's own exception.
        with suppress(ExternalServiceError):
            await self._admission.__aexit__(type(found), found, None)

    def _failed(self, found: ExternalServiceError, error: Exception) -> ExternalServiceError:
        self.error = found
        self._guard.tally.failed(found, error)
        return found

    def _bill_settled(self) -> None:
        if self.usage is not None:
            self._guard.tally.billed(self._model, self.usage)

    def _misuse(self, what: str) -> RuntimeError:
        return RuntimeError(f"{self._guard.config.name}: {what}")

    def _succeeded(self) -> None:
        self._guard.tally.billed(self._model, self.usage)
        self._guard.tally.succeeded()


def _owed(broken: Broken) -> Usage | None:
    return None if broken.was_sent else NOTHING


def _document(answer: object) -> object:
    """What the SDKs' models hold, under the names of the wire."""
    dump = getattr(answer, "model_dump_json", None)
    return parse(dump(by_alias=True).encode()) if callable(dump) else answer
