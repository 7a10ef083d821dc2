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
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeAlias, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ....errors import BudgetExhausted, ExternalServiceError, RateLimited
from ...answers import TextAnswer, UsageView
from ...desk import Desk
from ...doors import read_json
from ...problems import Problem, answer_problem, problem_body
from ..texts import CALLING, TELLING, body_of, schema_at
from .bulk import check_bulk
from .conversation import (
    BODIES,
    KINDS,
    FirstWrong,
    MessageBody,
    NamedTool,
    ToolBody,
    choice_of,
    said_in,
    shown,
    tools_of,
)
from .visitor import VisitorGone, while_there

if TYPE_CHECKING:  # who has no AI services need not have what they need
    from pydantic_core import ErrorDetails

    from ....ai import AIManager, AIStream, Completion, Prompt, Times, Usage
    from ....ai import Response as AIResponse
    from ....monitoring import Redact

    _Said: TypeAlias = Callable[[Completion | None], Mapping[str, object]]

__all__ = ["BODY_LIMITS", "call_router"]

T = TypeVar("T")

_PREFIX: Final = "/api/v1/ai"
#: Room for pictures.
_LARGEST_PROMPT_BYTES: Final = 20 * 2**20
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
_UNPROCESSABLE: Final = 422
_TOO_MANY: Final = 429
_BAD_GATEWAY: Final = 502
#: Of no standard, but what logs of proxies say of it.
_GONE: Final = 499

_Name = Annotated[str, StringConstraints(max_length=40)]


@dataclass(frozen=True, slots=True)
class _Query:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    service: _Name
    prompt: Annotated[
        str | Annotated[tuple[MessageBody, ...], FirstWrong()], "a text, or a whole conversation"
    ]
    system: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    max_cost: Annotated[Decimal | None, "in USD; what could cost more is refused unsent"] = None
    timeout: float | None = None
    fallback: Annotated[tuple[_Name, ...], FirstWrong(), "asked in turn, until one answers"] = ()
    tools: Annotated[tuple[ToolBody, ...], FirstWrong()] = ()
    tool_choice: Literal["auto", "none", "required"] | NamedTool = "auto"
    schema: Annotated[dict[str, Any] | None, "the answer is JSON of it"] = None

    @property
    def is_talk(self) -> bool:
        """Whether the answer is to be told so that it can be handed back."""
        return bool(self.tools) or not isinstance(self.prompt, str)

    def asked(self) -> Prompt:
        """What the services are asked; the Problem says what of it nobody takes."""
        from ....ai import Prompt  # noqa: PLC0415 - who has no AI services need not have it

        told = self.prompt
        try:
            tools = tools_of(self.tools)
            return Prompt(
                told if isinstance(told, str) else [said_in(message) for message in told],
                self.system,
                self.model,
                self.max_tokens,
                self.temperature,
                self.max_cost,
                tools,
                self.schema,
                choice_of(self.tool_choice, tools),
            )
        except ValueError as error:
            raise Problem(422, "invalid_body", f"{error}; see /openapi.json") from None


@dataclass(frozen=True, slots=True)
class _Stream(_Query):
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    first_token_timeout: float | None = None
    idle_timeout: float | None = None

    def times(self) -> Times:
        """How long it may take."""
        from ....ai import Times  # noqa: PLC0415 - as above

        return Times(self.timeout, self.first_token_timeout, self.idle_timeout)


_QUERY: Final = TypeAdapter(_Query)
_STREAM: Final = TypeAdapter(_Stream)


@dataclass(frozen=True, slots=True)
class TalkAnswer(TextAnswer):
    """What an AI service has answered to a conversation; null as message: it said nothing."""

    message: MessageBody | None


class _Told(StreamingResponse):
    """The events of *stream*, which is given up when the visitor goes, wherever it stands."""

    def __init__(self, stream: AIStream, first: str, said: _Said, redact: Redact) -> None:
        headers = {"X-Accel-Buffering": "no"}
        events = _events(stream, first, said, redact)
        super().__init__(events, headers=headers, media_type="text/event-stream")
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
            answering = self.answers.ask(
                asked.service, asked.asked(), fallback=asked.fallback, timeout=asked.timeout
            )
            response = await while_there(request, answering)
        except VisitorGone:
            return _nobody()
        except ExternalServiceError as error:
            return self._refusal(error)
        used = _used(response.usage)
        answer = asdict(TextAnswer(response.text, response.service, used, self.desk.now()))
        if asked.is_talk:
            answer |= _said(response)
        return Response(json.dumps(answer).encode(), media_type="application/json")

    async def stream(self, request: Request) -> Response:
        """The text as it comes: events named text, then end, or error if it breaks off."""
        asked = await _read(request, _STREAM)
        self._check_names(asked.service, *asked.fallback)
        try:
            stream = self.answers.stream(
                asked.service, asked.asked(), fallback=asked.fallback, times=asked.times()
            )
            first = await while_there(request, _first_of(stream))
        except VisitorGone:
            await stream.aclose()
            return _nobody()
        except ExternalServiceError as error:
            return self._refusal(error)
        said = _said if asked.is_talk else _untold
        return _Told(stream, first, said, self.desk.monitor.redact)

    def _refusal(self, error: ExternalServiceError) -> Response:
        return answer_problem(_problem(error), _more(error), self.desk.monitor.redact)

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
        response_model=TextAnswer | TalkAnswer,
        responses=CALLING,
        openapi_extra=body_of(_schema_of(_QUERY, "query")),
    )
    router.add_api_route(
        "/stream",
        routes.stream,
        methods=["POST"],
        dependencies=calls,
        responses=CALLING | TELLING,
        response_class=StreamingResponse,
        openapi_extra=body_of(_schema_of(_STREAM, "stream")),
    )
    return router


def _schema_of(adapter: TypeAdapter[T], name: str) -> dict[str, Any]:
    """The schema of a body."""
    within = ("requestBody", "content", "application/json", "schema")
    return schema_at(("paths", f"{_PREFIX}/{name}", "post", *within), adapter)


async def _read(request: Request, adapter: TypeAdapter[T]) -> T:
    body = await read_json(request)
    check_bulk(body)
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        detail = f"the body is not as documented: {_place(found)}; see /openapi.json"
        raise Problem(422, "invalid_body", detail) from None


def _place(errors: Sequence[ErrorDetails]) -> str:
    """Where it is wrong, in our own words alone: what else is there was sent by somebody."""
    steps = max((error["loc"] for error in errors), key=len)
    if not steps:
        return "the body"
    if steps[0] not in _FIELDS:
        return "a field"
    known = (
        str(step)
        for before, step in zip(("", *steps), steps, strict=False)
        # What follows a place in a list is the kind of a part, called like some fields are.
        if isinstance(step, int)
        or (step in _FIELDS and not (isinstance(before, int) and step in KINDS))
    )
    return ".".join(known)


_FIELDS: Final = frozenset(
    name for body in (_Stream, *BODIES) for name in body.__dataclass_fields__
)


def _said(answer: AIResponse | Completion | None) -> Mapping[str, object]:
    """The whole answer, to be handed back; null if nothing was said."""
    try:
        message = None if answer is None else answer.message
    except ValueError:
        message = None
    return {"message": None if message is None else asdict(shown(message))}


async def _first_of(stream: AIStream) -> str:
    return await anext(aiter(stream), "")


def _nobody() -> Response:
    """For the log alone: whoever asked has gone."""
    return Response(status_code=_GONE)


def _untold(answer: Completion | None) -> Mapping[str, object]:
    """Nothing more: who sent a text alone gets one."""
    del answer
    return {}


async def _events(
    stream: AIStream, first: str, said: _Said, redact: Redact
) -> AsyncIterator[bytes]:
    try:
        if first:
            yield _event("text", {"text": first})
        async for text in stream:
            yield _event("text", {"text": text})
    except ExternalServiceError as error:
        yield _event("error", problem_body(_problem(error), _more(error), redact))
    else:
        yield _event("end", {**_end(stream), **said(stream.completion)})


def _end(stream: AIStream) -> Mapping[str, object]:
    whole = stream.completion
    used = _used(None if whole is None else whole.usage)
    return {
        "service": stream.service,
        "model": stream.model,
        "finish": whole and whole.finish,
        "request_id": whole and whole.request_id,
        "usage": used and asdict(used),
    }


def _used(usage: Usage | None) -> UsageView | None:
    """None: the vendor did not say, and the most it could be was debited."""
    if usage is None:
        return None
    cost = None if usage.nanousd is None else usage.nanousd / _NANO
    return UsageView(usage.input_tokens, usage.output_tokens, cost, usage.is_cost_told)


def _event(name: str, document: Mapping[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()


def _problem(error: ExternalServiceError) -> Problem:
    status, wait = _status_of(error), error.retry_after
    if wait is None and status != _TOO_MANY:
        return Problem(status, error.kind, error.detail)
    # A vendor that says no more than 429, and calls in flight, may need but a moment.
    return Problem.retry(status, error.kind, error.detail, wait or 0.0)


def _status_of(error: ExternalServiceError) -> int:
    match error.__cause__:
        case RateLimited() | BudgetExhausted() as refusal:
            is_of_use = refusal.retry_after is not None or refusal.line is not None
            return _TOO_MANY if is_of_use else _UNPROCESSABLE
    return _STATUS.get(error.kind, _BAD_GATEWAY)


def _more(error: ExternalServiceError) -> Mapping[str, object]:
    return {
        "service": error.service,
        "retry_after": error.retry_after,
        "request_id": error.request_id,
    }
