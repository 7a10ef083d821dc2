"""What an exception of an official SDK tells, read by its shape: no SDK is imported.

    its vendor's own, with a status and a body > Answered, as from the wire
    an error event inside a stream ----------> Answered with status 200
    a transport that failed, by its name ----> Broken: in time or not, sent or not
    TimeoutError ----------------------------> Broken: a time limit around the SDK's call
    anything else ---------------------------> None: it says nothing about the service

SDKs keep the body in ``body`` (anthropic the whole, openai what is in its frame) or in
``details`` (google-genai); google-genai lets its transport's own errors through. Another
vendor's SDK says nothing about this service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

__all__ = ["Answered", "Broken", "lowered", "read_exception"]

#: The package of the service's own SDK, whatever it is called.
_OWN: Final = "own"
_TIMED_OUT: Final = frozenset(
    {
        "aiohttp.ServerTimeoutError",
        "httpx.TimeoutException",
        "httpx2.TimeoutException",
        f"{_OWN}.APITimeoutError",
    }
)
_BROKEN: Final = frozenset(
    {
        "aiohttp.ClientError",
        "httpx.TransportError",
        "httpx2.TransportError",
        f"{_OWN}.APIConnectionError",
    }
)
_NOT_SENT: Final = frozenset(
    {
        "aiohttp.ClientConnectorError",
        *(
            f"{transport}.{name}"
            for transport in ("httpx", "httpx2")
            for name in ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")
        ),
    }
)
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Answered:
    """The service's own words; header names are in lower case."""

    status: int
    document: object
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Broken:
    """No answer: the transport gave up, *in_time* or not; *was_sent*: perhaps it was."""

    in_time: bool
    was_sent: bool


def read_exception(error: BaseException, sdk: str) -> Answered | Broken | None:
    """What *error* says of the service; None if it is of neither *sdk* nor a transport."""
    if type(error) is TimeoutError:
        return Broken(in_time=False, was_sent=True)
    names = set(_names(error, sdk))
    if not names.isdisjoint(_BROKEN | _TIMED_OUT):
        beneath = {name for cause in _causes(error) for name in _names(cause, sdk)}
        return Broken(in_time=names.isdisjoint(_TIMED_OUT), was_sent=beneath.isdisjoint(_NOT_SENT))
    if _home(type(error), sdk) != _OWN:
        return None
    document = _framed(getattr(error, "body", None) or getattr(error, "details", None))
    response = getattr(error, "response", None)
    if (status := _status(response) or _status(error)) is not None:
        return Answered(status, document, _headers(response))
    # An error event in a stream has no status of its own.
    return None if document is None else Answered(HTTPStatus.OK, document)


def lowered(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The same *headers* with lower-case names."""
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _status(thing: object) -> int | None:
    """That of a response before that of its error: a stream's error may name another."""
    found = (getattr(thing, name, None) for name in ("status_code", "status", "code"))
    return next((one for one in found if isinstance(one, int)), None)


def _framed(body: object) -> object:
    return {"error": body} if isinstance(body, dict) and "error" not in body else body


def _headers(response: object) -> Mapping[str, str]:
    headers = getattr(response, "headers", None)
    return lowered(headers if isinstance(headers, Mapping) else {})


def _names(error: BaseException, sdk: str) -> Iterator[str]:
    return (f"{_home(kind, sdk)}.{kind.__name__}" for kind in type(error).__mro__)


def _home(kind: type, sdk: str) -> str:
    module = kind.__module__
    return _OWN if f"{module}.".startswith(f"{sdk}.") else module.partition(".")[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    for _ in range(_DEEPEST):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__
