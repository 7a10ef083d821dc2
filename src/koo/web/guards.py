"""What stands before every route: request id, host list, body limit, security headers.

Plain ASGI, so that streams pass untouched. A request with a foreign Host is
answered before anything reads it (DNS rebinding); a body is counted as it comes,
so that a chunked one without a length cannot grow either.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..monitoring import REQUEST_ID
from ..resilience import TRACER, Tracer, join_trace
from .problems import Problem, answer_problem

__all__ = [
    "BODY_LIMIT_BYTES",
    "LOOPBACK_HOSTS",
    "BodyLimit",
    "HostGuard",
    "RequestIds",
    "SecurityHeaders",
]

BODY_LIMIT_BYTES: Final = 16 * 1024
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")

_DIGITS: Final = 12
_PORT_DIGITS: Final = 5
_LAST_PORT: Final = 65535
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_EXEMPT: Final = frozenset({"/livez", "/startupz", "/readyz"})
_SOURCES: Final = (
    ("default-src", "'none'"),
    ("script-src", "'self'"),
    ("style-src", "'self'"),
    ("connect-src", "'self'"),
    ("img-src", "'self'"),
    ("base-uri", "'none'"),
    ("form-action", "'none'"),
    ("frame-ancestors", "'none'"),
    ("require-trusted-types-for", "'script'"),
    ("trusted-types", "'none'"),
)
_HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{name} {source}" for name, source in _SOURCES),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _new_id() -> str:
    return secrets.token_hex(8)


class RequestIds:
    """A name for each request, its own X-Request-Id or a new one, in log, journal and answer.

    What is called because of it is followed by *tracer*, in the trace that its headers name.
    """

    def __init__(
        self,
        app: ASGIApp,
        new_id: Callable[[], str] = _new_id,
        *,
        tracer: Tracer | None = None,
    ) -> None:
        self._app = app
        self._new_id = new_id
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the request, for all that happens because of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        name = given if _REQUEST_ID.fullmatch(given) else self._new_id()

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = name
            await send(message)

        # For the rest of this request's own task: what comes out of here is logged there too.
        REQUEST_ID.set(name)
        TRACER.set(self._tracer or TRACER.get())
        join_trace(headers)
        await self._app(scope, receive, send_named)


class SecurityHeaders:
    """The headers that make a browser refuse what the page never does; JSON is not stored."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to the response."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_guarded if scope["type"] == "http" else send)


class HostGuard:
    """Answers 400 to a Host that is not on the list, whatever the port."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = LOOPBACK_HOSTS) -> None:
        self._app = app
        self._hosts = frozenset(host.strip().lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let known hosts and the probes pass."""
        if scope["type"] != "http" or scope["path"] in _EXEMPT or self._knows(scope):
            await self._app(scope, receive, send)
            return
        detail = "this Host is not served here; add it to KOO_ALLOWED_HOSTS if it should be"
        await answer_problem(Problem(400, "unknown_host", detail))(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        hosts = Headers(scope=scope).getlist("host")
        return len(hosts) == 1 and _without_port(hosts[0].strip().lower()) in self._hosts


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    is_port = port.isascii() and port.isdecimal() and len(port) <= _PORT_DIGITS
    return name if is_port and int(port) <= _LAST_PORT else host


class BodyLimit:
    """Answers 413 to a body that is, or turns out to be, larger than *most* bytes.

    *larger* has the limits of single paths.
    """

    def __init__(
        self, app: ASGIApp, most: int = BODY_LIMIT_BYTES, larger: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._most = most
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is declared too large, and count what is read of the rest."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._larger.get(scope["path"], self._most)
        if _declares_more(scope, most):
            detail = f"the body is larger than {most} bytes; send less"
            await answer_problem(Problem(413, "body_too_large", detail))(scope, receive, send)
        else:
            await self._app(scope, _counted(receive, most), send)


def _declares_more(scope: Scope, most: int) -> bool:
    declared = Headers(scope=scope).get("content-length", "")
    return declared.isdecimal() and (len(declared) > _DIGITS or int(declared) > most)


def _counted(receive: Receive, most: int) -> Receive:
    read = 0

    async def receive_counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise HTTPException(413)
        return message

    return receive_counted
