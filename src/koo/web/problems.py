"""Every error of the HTTP surface, as RFC 9457 ``application/problem+json``.

The body says what kind of error it is, in words what to do, and a stable code.
It never repeats what the visitor sent, and never what an exception said of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any, Final, TypeAlias

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..errors import Rejected
from ..monitoring import REQUEST_ID, Redact, redact, redacted_value
from ..stores import StoreError

__all__ = [
    "PROBLEM_TYPE",
    "Problem",
    "ProblemBody",
    "answer_problem",
    "handle_problems",
    "problem_body",
]

PROBLEM_TYPE: Final = "application/problem+json"

_SERVER_ERROR: Final = 500
#: What a handler is registered for; starlette's own type knows Exception alone.
_Raised: TypeAlias = Any
_DETAILS: Final = {
    401: "sign in, or send a token as Authorization: Bearer",
    403: "this needs the operate token",
    404: "there is nothing at this address",
    405: "this address takes another method; see the Allow header",
    413: "the body is larger than this address takes; send less",
    500: "something unexpected happened here; the log says what",
}


@dataclass(frozen=True, slots=True)
class ProblemBody:
    """An error in the form of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str


@dataclass(slots=True, eq=False)
class Problem(Exception):
    """An answer that is an error: status, stable *code*, and what to do."""

    status: int
    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def retry(cls, status: int, code: str, detail: str, after: float) -> Problem:
        """A problem that time solves: says after how many seconds, at least one."""
        return cls(status, code, detail, {"Retry-After": str(max(1, ceil(after)))})


def answer_problem(
    problem: Problem, extra: Mapping[str, object] | None = None, redact: Redact = redact
) -> Response:
    """The response for *problem*."""
    return Response(
        json.dumps(problem_body(problem, extra, redact)).encode(),
        problem.status,
        {**problem.headers, "Cache-Control": "no-store"},
        PROBLEM_TYPE,
    )


def problem_body(
    problem: Problem, extra: Mapping[str, object] | None = None, redact: Redact = redact
) -> Mapping[str, object]:
    """The document for *problem*, with *extra* fields; all texts in it have passed *redact*."""
    return {
        "type": f"urn:koo:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": redact(problem.detail),
        "code": problem.code,
        **{name: redacted_value(value, redact) for name, value in (extra or {}).items()},
    }


def handle_problems(app: FastAPI, redact: Redact = redact) -> None:
    """Give every error of *app* the form of a problem whose texts have passed *redact*."""
    answers = _Answers(redact)
    app.add_exception_handler(Problem, answers.to_problem)
    app.add_exception_handler(HTTPException, answers.to_http)
    app.add_exception_handler(RequestValidationError, answers.to_invalid)
    app.add_exception_handler(Rejected, answers.to_rejected)
    app.add_exception_handler(StoreError, answers.to_store)
    app.add_exception_handler(_SERVER_ERROR, answers.to_unexpected)


@dataclass(frozen=True, slots=True)
class _Answers:
    redact: Redact

    async def to_problem(self, _: Request, error: _Raised) -> Response:
        return self._answer(error)

    async def to_http(self, _: Request, error: _Raised) -> Response:
        status = HTTPStatus(error.status_code)
        detail = _DETAILS.get(status, status.description or status.phrase)
        return self._answer(Problem(status, _code(status), detail, dict(error.headers or {})))

    async def to_invalid(self, _: Request, error: _Raised) -> Response:
        detail = "the request is not as documented; see errors"
        problem = Problem(422, "invalid_request", detail)
        return self._answer(problem, {"errors": _places(error.errors())})

    async def to_rejected(self, _: Request, error: _Raised) -> Response:
        """Refused by a gate: come back later."""
        detail = f"{error.gate} refuses for now; try again after the time that Retry-After says"
        return self._answer(Problem.retry(503, "unavailable", detail, error.retry_after or 1))

    async def to_store(self, _: Request, error: _Raised) -> Response:
        """The file of the records can't be had."""
        detail = f"{error.cause}; what is asked for is kept there, try again"
        return self._answer(Problem.retry(503, "records_unavailable", detail, 1))

    async def to_unexpected(self, _: Request, error: Exception) -> Response:
        del error  # what it says belongs in the log, which the server writes
        # The guards are passed already when this is answered, and the id is what to look for there.
        name = REQUEST_ID.get()
        headers = {"X-Request-Id": name} if name else {}
        return self._answer(Problem(500, "internal_error", _DETAILS[500], headers))

    def _answer(self, problem: Problem, extra: Mapping[str, object] | None = None) -> Response:
        return answer_problem(problem, extra, self.redact)


def _places(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Where the request is wrong and in what way, never with which value."""
    return [
        {"where": ".".join(str(part) for part in error["loc"][:3]), "what": str(error["type"])}
        for error in errors[:10]
    ]


def _code(status: HTTPStatus) -> str:
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "body_too_large"
    return status.phrase.lower().replace(" ", "_").replace("-", "_").replace("'", "")
