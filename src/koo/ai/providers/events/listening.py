"""One streamed answer, from its bytes to its text.

    bytes --EventReader--> events --Wire.hear--> pieces of text, and the Hearing
                              |  an error among them --------------> ErrorInside
                              |  not JSON, or without end ---------> ErrorInside(None)
                              +- over, cut or broken before whole -> CutOff

Whole is what the vendor says is whole: a clean end of the connection proves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from aiohttp import ClientError, ClientResponse

from ...provider import Heard, Usage
from ..wire import Hearing, Wire, dig, parse
from .sse import Event, EventReader, EventTooLarge

__all__ = ["LARGEST_ANSWER", "CutOff", "ErrorInside", "Listener", "drain"]

LARGEST_ANSWER: Final = 64 * 2**20

#: What most compatible servers say last.
_DONE: Final = b"[DONE]"
#: What is no document; an event without data is how some show that they live.
_WORDLESS: Final = frozenset({_DONE, b""})
#: Seconds for HTTP's own end after a vendor's last word; then the connection is given up.
_GRACE: Final = 0.05
#: The least that any text has cost.
_A_TOKEN: Final = Usage(1, 1)


class CutOff(Exception):
    """The stream ended before the answer did; the text says how."""


class ErrorInside(Exception):
    """The vendor has sent an error, or what nobody can read (*document* None)."""

    def __init__(self, document: object, *, has_begun: bool) -> None:
        super().__init__(document)
        self.document = document
        self.has_begun = has_begun


class Listener:
    """Reads one answer in *wire*'s words, and keeps *heard* up to date."""

    def __init__(self, wire: Wire, heard: Heard) -> None:
        self.hearing = Hearing()
        self._wire = wire
        self._heard = heard
        self._reader = EventReader()
        self._bytes_left = LARGEST_ANSWER

    async def chunk(self, response: ClientResponse) -> bytes:
        """Some bytes, none when nothing can follow. CutOff if there should have been more."""
        found, how = b"", "it ended without the vendor's last word"
        try:
            if not self.hearing.is_over:
                found = await response.content.readany()
        except (ClientError, OSError) as error:
            how = f"the connection broke ({type(error).__name__})"
        # Outside of the except: aiohttp's errors hold pieces of the answer.
        if not found and not self.hearing.is_whole:
            raise CutOff(how)
        return found

    def hear(self, chunk: bytes) -> Iterator[str]:
        """The text in *chunk*, piece by piece; an empty one for each piece of a call."""
        for event in self._events(chunk):
            pieces_before = self.hearing.call_pieces
            if (text := self._hear(event)) or self.hearing.call_pieces > pieces_before:
                yield text
            if self.hearing.is_over:
                return

    def _events(self, chunk: bytes) -> list[Event]:
        self._bytes_left -= len(chunk)
        try:
            if self._bytes_left >= 0:
                return self._reader.feed(chunk)
        except EventTooLarge:
            pass
        raise ErrorInside(None, has_begun=True)

    def _hear(self, event: Event) -> str:
        hearing = self.hearing
        if (data := event.data.strip()) in _WORDLESS:
            hearing.is_over = data == _DONE
            return ""
        document = parse(event.data)
        if event.name == "error" or document is None or _holds_error(document):
            raise ErrorInside(document, has_begun=hearing.has_begun)
        hearing.has_begun = True
        if text := self._wire.hear(hearing, document):
            self._heard.pieces.append(text)
        if text or hearing.call_pieces:
            hearing.at_least = hearing.at_least or _A_TOKEN
        self._heard.at_least = hearing.at_least
        return text


def _holds_error(document: object) -> bool:
    """Whether an error stands where vendors put it: of the whole stream, or of the answer in it.

    The name of an event may get lost on the way; what it is called in the document does not.
    """
    return bool(
        dig(document, "type") == "error"
        or dig(document, "error")
        or dig(document, "choices", 0, "error")
        or dig(document, "response", "error")
    )


async def drain(response: ClientResponse) -> None:
    """Read HTTP's own end after the vendor's, so that the connection can be used again."""
    with suppress(TimeoutError, ClientError, OSError):
        async with asyncio.timeout(_GRACE):
            while await response.content.readany():
                pass
