"""The AI services, called over HTTP.

    POST /query  ------------------------------> JSON, or a problem
    POST /stream --fails before its first text-> a problem
                 --begins----------------------> text, text, ... end
                                                 text, text, error (a problem, as an event)

An error names the service, its class as ``code``, and when to come back. A visitor who
goes away gives the call up: the service is let go and the money settled.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ...errors import BudgetExhausted, ExternalServiceError, RateLimited
from ..answers import TextAnswer
from ..desk import Desk
from ..doors import read_json
from ..problems import Problem, answer_problem, problem_body
from .texts import CALLING, TELLING, body_of

if TYPE_CHECKING:  # who has no AI services need not have what they need
    from ...ai import AIManager, AIStream, Prompt, Times, Usage

__all__ = ["BODY_LIMITS", "call_router"]

T = TypeVar("T")

_PREFIX: Final = "/api/v1/ai"
_LARGEST_PROMPT_BYTES: Final = 2**20
#: What a body may have at these addresses.
BODY_LIMITS: Final[Mapping[str, int]] = MappingProxyType(
    {f"{_PREFIX}/{name}": _LARGEST_PROMPT_BYTES for name in ("query", "stream")}
)
_NANO: Final = 10**9

#: The status for each class of error, by its kind; what is not here is 502.
_STATUS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "api_key": 503,
        "access_denied": 503,
        "quota_exceeded": 503,
        "invalid_request": 422,
        "context_too_long": 422,
        "content_refused": 422,
        "rate_limit": 429,
        "rejected": 503,
        "timeout": 504,
        "unavailable": 503,
    }
)
_BAD_GATEWAY: Final = 502
_TOO_MANY: Final = 429

_Name = Annotated[str, StringConstraints(max_length=40)]


@dataclass(frozen=True, slots=True)
class _Query:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    service: _Name
    prompt: str
    system: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    max_cost: Annotated[Decimal | None, "in USD; what could cost more is refused unsent"] = None
    timeout: float | None = None
    fallback: Annotated[tuple[_Name, ...], "asked in turn, until one answers"] = ()

    def asked(self) -> Prompt:
        """What the services are asked."""
        from ...ai import Prompt  # noqa: PLC0415 - who has no AI services need not have it

        return Prompt(
            self.prompt,
            self.system,
            self.model,
            self.max_tokens,
            self.temperature,
            self.max_cost,
        )


@dataclass(frozen=True, slots=True)
class _Stream(_Query):
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    first_token_timeout: float | None = None
    idle_timeout: float | None = None

    def times(self) -> Times:
        """How long it may take."""
        from ...ai import Times  # noqa: PLC0415 - as above

        return Times(self.timeout, self.first_token_timeout, self.idle_timeout)


_QUERY: Final = TypeAdapter(_Query)
_STREAM: Final = TypeAdapter(_Stream)


class _Told(StreamingResponse):
    """The events of *stream*, which is given up when the visitor goes, wherever it stands."""

    def __init__(self, stream: AIStream, first: str) -> None:
        headers = {"X-Accel-Buffering": "no"}
        super().__init__(_events(stream, first), headers=headers, media_type="text/event-stream")
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        async with self._stream:
            await super().__call__(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Calls:
    desk: Desk
    answers: AIManager

    async def query(self, request: Request) -> Response:
        """The text that a service answers to a prompt."""
        asked = await _read(request, _QUERY)
        self._check_names(asked.service, *asked.fallback)
        try:
            response = await self.answers.ask(
                asked.service, asked.asked(), fallback=asked.fallback, timeout=asked.timeout
            )
        except ExternalServiceError as error:
            return answer_problem(_problem(error), _more(error))
        answer = TextAnswer(response.text, response.service, self.desk.now())
        return Response(json.dumps(asdict(answer)).encode(), media_type="application/json")

    async def stream(self, request: Request) -> Response:
        """The text as it comes: events named text, then end, or error if it breaks off."""
        asked = await _read(request, _STREAM)
        self._check_names(asked.service, *asked.fallback)
        try:
            stream = self.answers.stream(
                asked.service, asked.asked(), fallback=asked.fallback, times=asked.times()
            )
            first = await anext(aiter(stream), "")
        except ExternalServiceError as error:
            return answer_problem(_problem(error), _more(error))
        return _Told(stream, first)

    def _check_names(self, *names: str) -> None:
        for name in names:
            self.desk.service(name)


def call_router(desk: Desk, answers: AIManager) -> APIRouter:
    """The routes that call AI services."""
    router = APIRouter(prefix=_PREFIX, tags=["ai services"])
    routes = _Calls(desk, answers)
    calls = [Depends(desk.doors.calls)]
    router.add_api_route(
        "/query",
        routes.query,
        methods=["POST"],
        dependencies=calls,
        response_model=TextAnswer,
        responses=CALLING,
        openapi_extra=body_of(_QUERY.json_schema()),
    )
    router.add_api_route(
        "/stream",
        routes.stream,
        methods=["POST"],
        dependencies=calls,
        responses=CALLING | TELLING,
        response_class=StreamingResponse,
        openapi_extra=body_of(_STREAM.json_schema()),
    )
    return router


async def _read(request: Request, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_json(await read_json(request))
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"][:1]) or "the body"
        known = place if place in _FIELDS else "a field"
        detail = f"the body is not as documented: {known}; see /openapi.json"
        raise Problem(422, "invalid_body", detail) from None


_FIELDS: Final = frozenset(("the body", *_Stream.__dataclass_fields__))


async def _events(stream: AIStream, first: str) -> AsyncIterator[bytes]:
    try:
        if first:
            yield _event("text", {"text": first})
        async for text in stream:
            yield _event("text", {"text": text})
    except ExternalServiceError as error:
        yield _event("error", problem_body(_problem(error), _more(error)))
    else:
        yield _event("end", _end(stream))


def _end(stream: AIStream) -> Mapping[str, object]:
    whole = stream.completion
    return {
        "service": stream.service,
        "model": stream.model,
        "finish": whole and whole.finish,
        "request_id": whole and whole.request_id,
        "usage": _used(None if whole is None else whole.usage),
    }


def _used(usage: Usage | None) -> Mapping[str, object] | None:
    """None: the vendor did not say, and the most it could be was debited."""
    if usage is None:
        return None
    cost = None if usage.nanousd is None else usage.nanousd / _NANO
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": cost,
    }


def _event(name: str, document: Mapping[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()


def _problem(error: ExternalServiceError) -> Problem:
    status = _STATUS.get(error.kind, _BAD_GATEWAY)
    if isinstance(error.__cause__, RateLimited | BudgetExhausted):
        status = _TOO_MANY
    if error.retry_after is None:
        return Problem(status, error.kind, error.detail)
    return Problem.retry(status, error.kind, error.detail, error.retry_after)


def _more(error: ExternalServiceError) -> Mapping[str, object]:
    return {
        "service": error.service,
        "retry_after": error.retry_after,
        "request_id": error.request_id,
    }
