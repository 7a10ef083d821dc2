"""What a request gets when the database that it needs can't be had: 503 and Retry-After, soon.

circuit open, pool exhausted ---------------------> Rejected --koo.web--+
connection broken, server down, no answer in time --------------------+-+--> 503
anything else, the statement is wrong for one ---------------------------> 500
"""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import DBAPIError

from koo.database import Kind, judge
from koo.web import Problem

__all__ = ["answer_outages"]

_PASSING: Final = {Kind.CONNECTION, Kind.TIMEOUT, Kind.OVERLOADED, Kind.CONFLICT, Kind.READ_ONLY}
_RETRY_AFTER: Final = 1.0
_DETAIL: Final = "the database can't be reached in time; try again after the time in Retry-After"


def answer_outages(app: FastAPI) -> None:
    """Let *app*, which knows problems already, answer 503 to what will pass."""
    app.add_exception_handler(DBAPIError, _on_database_error)
    app.add_exception_handler(TimeoutError, _on_timeout)


async def _on_database_error(request: Request, error: Exception) -> Response:
    if judge(error).kind not in _PASSING:
        raise error
    return await _on_timeout(request, error)


async def _on_timeout(request: Request, _: Exception) -> Response:
    problem = Problem.retry(503, "database_unavailable", _DETAIL, _RETRY_AFTER)
    answer = request.app.exception_handlers[Problem]
    response: Response = await answer(request, problem)
    return response
