"""One POST over HTTP/1.1, without a library, a redirect, or a word of the address in an error."""

from __future__ import annotations

import asyncio
import re
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["Address", "DeliveryError", "failure_of"]

_PORTS: Final = {"http": 80, "https": 443}
_ANSWER: Final = re.compile(rb"HTTP/\d\.\d (\d{3})\b")
#: What announces the answer proper; 101 would be an answer, to what was never asked.
_INTERIM: Final = re.compile("1(?!01)")
_FIELD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What frames the request is not for others to say.
_OURS: Final = frozenset({"content-length", "transfer-encoding", "connection", "expect"})
_LONGEST_HEAD: Final = 65_536


class DeliveryError(Exception):
    """A message did not arrive; says why in a few words, and never where it should have gone."""


@cache
def _certificates() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Address:
    """Where to post to, with which *headers*; the URL may hold a secret and is never shown."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def __post_init__(self) -> None:
        if not _is_http(self.url):
            raise ValueError("notification address: must be an http or https URL")
        if any(character <= " " or character > "~" for character in self.url):
            raise ValueError("notification address: must be ASCII without spaces")
        for name, text in self.headers.items():
            if not (_FIELD.fullmatch(name) and text.isascii() and text.isprintable()):
                raise ValueError("notification address: headers must be ASCII of one line")
            if name.lower() in _OURS:
                raise ValueError(f"notification address: {name} is not for you to set")

    async def post(self, body: bytes) -> None:
        """Send JSON; DeliveryError unless the answer is 2xx. May take for ever: set a timeout."""
        try:
            status = await self._exchange(body)
        except (
            OSError,
            ValueError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as error:
            raise DeliveryError(type(error).__name__) from None
        if not status.startswith("2"):
            raise DeliveryError(f"HTTP {status}")

    async def _exchange(self, body: bytes) -> str:
        parts = urlsplit(self.url)
        # Reading the machine's certificates takes long enough to be felt.
        context = await asyncio.to_thread(_certificates) if parts.scheme == "https" else None
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or _PORTS[parts.scheme], ssl=context, limit=_LONGEST_HEAD
        )
        try:
            writer.write(self._head(parts, len(body)) + body)
            await writer.drain()
            return await _status(reader)
        finally:
            writer.transport.abort()

    def _head(self, parts: SplitResult, length: int) -> bytes:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Host": parts.netloc.rpartition("@")[2],
            "Content-Type": "application/json",
            "Content-Length": str(length),
            "Connection": "close",
            "User-Agent": "koo",
            **_credentials(parts),
        }
        theirs = {name.lower() for name in self.headers}
        headers = {name: text for name, text in headers.items() if name.lower() not in theirs}
        headers |= self.headers
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {target} HTTP/1.1\r\n{fields}\r\n".encode("ascii")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond the last one, half an IPv6 address
        return False


async def _status(reader: asyncio.StreamReader) -> str:
    """The status of the answer; what only announces one is read over."""
    while True:
        answer = _ANSWER.match(await reader.readuntil(b"\n"))
        if answer is None:
            raise DeliveryError("no HTTP answer")
        status = answer[1].decode()
        if not _INTERIM.match(status):
            return status
        while (await reader.readuntil(b"\n")).strip():
            pass


def _credentials(parts: SplitResult) -> Mapping[str, str]:
    """What stands before the @ of a URL, as HTTP wants it."""
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


async def failure_of(sending: Awaitable[None], timeout: float) -> str | None:
    """Why *sending* did not succeed within *timeout* seconds, in a few words; None if it did."""
    try:
        async with asyncio.timeout(timeout):
            await sending
    except TimeoutError:
        return f"no answer within {timeout:g} s"
    except DeliveryError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a channel of a user's own may raise anything
        return type(error).__name__
    return None
