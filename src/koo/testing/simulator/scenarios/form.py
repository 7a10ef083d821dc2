"""A scenario: what a vendor sends in one case, byte for byte.

    WHOLE   status line, headers, body, FIN
    STREAM  200, the first half of a good stream, the body as one more event, FIN; or, of a good
            answer, its own events
    RAW     the bytes as they are, then FIN or RST

In headers and bodies ``$prompt``, ``$key``, ``$model`` and ``$request_id`` are the request's.
Of a *wait* from now, ``$seconds``, ``$ms``, ``$moment`` (RFC 3339), ``$date`` (HTTP), ``$day``
(to the minute), ``$epoch`` and ``$epoch_ms`` are the forms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from string import Template

REASONS = {498: "Capacity Exceeded", 499: "Client Closed Request", 529: "Overloaded"}


@dataclass(frozen=True, slots=True)
class Asker:
    """Whom a scenario answers, and when (epoch seconds)."""

    prompt: str
    key: str
    model: str
    now: float
    request_id: str = "req_1"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One case of *service*; of every service if that is empty.

    *event* is the name under which an error comes inside a stream that has begun; empty for an
    event without a name, None where an error is never inside one.
    """

    service: str
    name: str
    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()
    wait: float = 0.0
    event: str | None = None
    raw: bytes = b""
    resets: bool = False
    """Whether RST ends it, instead of FIN."""
    events: str = ""
    """The same as a stream, if it is a good answer of its own."""

    def wire(self, asker: Asker) -> bytes:
        """All that goes over the connection when no stream was asked for."""
        if self.raw or not self.status:
            return self.raw
        values = self._values(asker)
        body = Template(self.body).substitute(_escaped(values)).encode()
        told = {name: Template(text).substitute(values) for name, text in self.headers}
        return _head(self.status, {**_framing(body), **self._name(asker), **told}) + body

    def frame(self, asker: Asker) -> bytes:
        """The error as an event of a stream."""
        data = Template(self.body).substitute(_escaped(self._values(asker)))
        name = f"event: {self.event}\n" if self.event else ""
        return f"{name}data: {data}\n\n".encode()

    def stream(self, asker: Asker) -> bytes:
        """The answer as a stream."""
        data = Template(self.events).substitute(_escaped(self._values(asker)))
        told = {name: Template(text).substitute(self._values(asker)) for name, text in self.headers}
        return stream_head(**self._name(asker), **told) + data.encode()

    def _name(self, asker: Asker) -> dict[str, str]:
        """The request's id, as the vendor tells it; Gemini and machines on the way tell none."""
        match self.service:
            case "" | "gemini":
                return {}
            case "claude":
                return {"request-id": asker.request_id}
            case _:
                return {"x-request-id": asker.request_id}

    def _values(self, asker: Asker) -> dict[str, str]:
        then = asker.now + self.wait
        moment = datetime.fromtimestamp(then, UTC)
        return {
            "prompt": asker.prompt,
            "key": asker.key,
            "model": asker.model,
            "request_id": asker.request_id,
            "seconds": f"{self.wait:g}",
            "ms": f"{self.wait * 1000:g}",
            "moment": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "date": format_datetime(moment, usegmt=True),
            "day": moment.strftime("%Y-%m-%d at %H:%M UTC"),
            "epoch": f"{then:.0f}",
            "epoch_ms": f"{then * 1000:.0f}",
        }


def told(**headers: str) -> tuple[tuple[str, str], ...]:
    """Headers, with ``_`` for the hyphen that Python's names can't have."""
    return tuple((name.replace("_", "-"), text) for name, text in headers.items())


def stream_head(**more: str) -> bytes:
    """What a stream begins with."""
    return _head(200, {"content-type": "text/event-stream", "connection": "close", **more})


def events_of(*documents: Mapping[str, object]) -> str:
    """The events of a stream, each under the name of its type if it has one."""
    return "".join(f"{_event_line(one)}data: {json.dumps(one)}\n\n" for one in documents)


def _event_line(document: Mapping[str, object]) -> str:
    return f"event: {document['type']}\n" if "type" in document else ""


def _escaped(values: Mapping[str, str]) -> dict[str, str]:
    """As they may stand inside a JSON string."""
    return {name: json.dumps(text)[1:-1] for name, text in values.items()}


def _framing(body: bytes) -> dict[str, str]:
    is_page = body.startswith(b"<")
    return {
        "content-type": "text/html" if is_page else "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    known = {one.value: one.phrase for one in HTTPStatus} | REASONS
    lines = [f"HTTP/1.1 {status} {known.get(status, 'Unknown')}"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
