"""What the OpenAPI document says of every route: who may, and how it may fail."""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter

from ..problems import PROBLEM_TYPE, ProblemBody

__all__ = [
    "ACTING",
    "CALLING",
    "FRAMES",
    "LOOKING",
    "NOT_FOUND",
    "REASON",
    "TELLING",
    "WRONG_QUERY",
    "body_of",
]

_SCHEMA: Final = TypeAdapter(ProblemBody).json_schema(mode="serialization")


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM_TYPE: {"schema": _SCHEMA}}}


_UNKNOWN_HOST: Final = _problem("The Host is not served here.")
_NOBODY: Final = _problem("No token, or an unknown one.")

LOOKING: Final[dict[int | str, dict[str, Any]]] = {
    400: _UNKNOWN_HOST,
    401: _NOBODY,
    403: _problem("This token may call AI services and nothing else."),
}
ACTING: Final[dict[int | str, dict[str, Any]]] = {
    **LOOKING,
    403: _problem("This token may only look, or the request came from another site."),
    413: _problem("The body is larger than 16 KiB."),
    415: _problem("The body is not JSON."),
    422: _problem("The body is not as documented."),
    429: _problem("Too many POSTs in the last minute; Retry-After says when."),
}
FRAMES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events named dashboard, each with a Dashboard as JSON.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    503: _problem("Too many streams, or the server is stopping; Retry-After says when."),
}
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: _problem("Nothing of this name.")}
WRONG_QUERY: Final[dict[int | str, dict[str, Any]]] = {
    422: _problem("A parameter is not as documented.")
}

CALLING: Final[dict[int | str, dict[str, Any]]] = {
    **LOOKING,
    **NOT_FOUND,
    403: _problem("This token may only look, or the request came from another site."),
    413: _problem("The body is larger than 1 MiB."),
    415: _problem("The body is not JSON."),
    422: _problem("The body is not as documented, or the service does not accept it."),
    429: _problem("A limit of ours or of the vendor's is reached; Retry-After says when."),
    502: _problem("The service can't be reached, or its answer is not whole."),
    503: _problem("The service is overloaded, broken, out of money, or its key is refused."),
    504: _problem("No answer in time."),
}
TELLING: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events: text, with {text}; then end, with {service, model, finish,"
        " request_id, usage}, or error, with a problem.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}

REASON: Final[dict[str, Any]] = {
    "requestBody": {
        "required": False,
        "description": "Why; it is kept in the journal.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"reason": {"type": "string", "maxLength": 500}},
                }
            }
        },
    }
}


def body_of(schema: dict[str, Any]) -> dict[str, Any]:
    """What the OpenAPI document says of a body that must be there."""
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}
