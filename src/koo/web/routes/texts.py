"""What the OpenAPI document says of every route: who may, and how it may fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from ...resilience import Health
from ..problems import PROBLEM_TYPE, ProblemBody

__all__ = [
    "ACTING",
    "CALLING",
    "FRAMES",
    "KEEPING",
    "LOOKING",
    "MOVING",
    "NOT_FOUND",
    "REASON",
    "TELLING",
    "WRONG_QUERY",
    "body_of",
    "half_opened",
    "schema_at",
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
    412: _problem("The circuit has moved since the generation in If-Match."),
    413: _problem("The body is larger than 16 KiB."),
    415: _problem("The body is not JSON."),
    422: _problem("The body is not as documented, or the Idempotency-Key."),
    429: _problem("Too many POSTs in the last minute; Retry-After says when."),
}
FRAMES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events named dashboard, each with a Dashboard as JSON.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    503: _problem("Too many streams, or the server is stopping; Retry-After says when."),
}
KEEPING: Final[dict[int | str, dict[str, Any]]] = {
    503: _problem("The file that keeps this can't be had; Retry-After says when to try again."),
}
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: _problem("Nothing of this name.")}
WRONG_QUERY: Final[dict[int | str, dict[str, Any]]] = {
    422: _problem("A parameter is not as documented.")
}

CALLING: Final[dict[int | str, dict[str, Any]]] = {
    **LOOKING,
    **NOT_FOUND,
    403: _problem("This token may only look, or the request came from another site."),
    413: _problem("The body is larger than 20 MiB."),
    415: _problem("The body is not JSON."),
    422: _problem(
        "The body is not as documented, the service does not accept it, or no limit or budget"
        " would ever hold it."
    ),
    429: _problem("A limit of ours or of the vendor's is reached; Retry-After says when."),
    502: _problem("The service can't be reached, or its answer is not whole."),
    503: _problem("The service is overloaded, broken, out of money, or its key is refused."),
    504: _problem("No answer in time."),
}
TELLING: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events: text, with {text}; then end, with {service, model, finish,"
        " request_id, usage} and the message of a conversation, or error, with a problem.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}

_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The generation of the circuit on which the decision rests.",
    "schema": {"type": "string", "maxLength": 200},
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Who sends it again, because no answer came, moves nothing a second time.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
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
#: As REASON, for what moves a circuit.
MOVING: Final[dict[str, Any]] = REASON | {"parameters": [_IF_MATCH, _IDEMPOTENCY_KEY]}


def schema_at(
    place: Sequence[str], of: TypeAdapter[Any], mode: JsonSchemaMode = "validation"
) -> dict[str, Any]:
    """The schema *of* what stands at *place* in the OpenAPI document, where its parts are found."""
    here = "/".join(step.replace("/", "~1") for step in place)
    return of.json_schema(mode=mode, ref_template=f"#/{here}/$defs/{{model}}")


def body_of(schema: dict[str, Any]) -> dict[str, Any]:
    """What the OpenAPI document says of a body that must be there."""
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def half_opened(before: str, after: str) -> str:
    """What a button to half-open has done, in words; *before* and *after* are documented states."""
    match before, after:
        case "circuit_open", Health.DEGRADED:
            return "the circuit is half-open; the next call probes"
        case _, Health.DEGRADED:
            return "nothing changed, probes pass already; wait for what they say"
        case _, Health.CIRCUIT_OPEN | Health.MAINTENANCE:
            return "nothing changed, it is out of service; put right the cause, then reset"
    return "nothing changed, the circuit is closed; calls pass"
