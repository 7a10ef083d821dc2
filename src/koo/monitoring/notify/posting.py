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
        parts = urlsplit(self.url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("notification address: must be an http or https URL")
        if any(character <= " " or character > "~" for character in self.url):
            raise ValueError("notification address: must be ASCII without spaces")
        for text in (*self.headers, *self.headers.values()):
            if not text.isascii() or not text.isprintable():
                raise ValueError("notification address: headers must be ASCII of one line")

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
            line = await reader.readuntil(b"\n")
        finally:
            writer.transport.abort()
        answer = _ANSWER.match(line)
        if answer is None:
            raise DeliveryError("no HTTP answer")
        return answer[1].decode()

    def _head(self, parts: SplitResult, length: int) -> bytes:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Host": parts.netloc.rpartition("@")[2],
            "Content-Type": "application/json",
            "Content-Length": str(length),
            "Connection": "close",
            "User-Agent": "koo",
            **_credentials(parts),
            **self.headers,
        }
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {target} HTTP/1.1\r\n{fields}\r\n".encode("ascii")


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
