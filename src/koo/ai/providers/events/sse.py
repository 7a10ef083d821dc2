r"""Server-sent events out of bytes, however these were cut on their way. No I/O.

    bytes --feed--> lines (\n, \r\n or \r) --> fields --blank line--> Event
                    half a line: kept            half an event at the end: never told

As the HTML standard has it: comments and unknown fields are skipped, data lines are
joined, and what no blank line has ended was cut off and is no event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ....values import quickly_made

__all__ = ["Event", "EventReader", "EventTooLarge"]

LARGEST_EVENT: Final = 8 * 2**20

_BOM: Final = b"\xef\xbb\xbf"
_ENDS: Final = (b"\n", b"\r")


class EventTooLarge(ValueError):
    """More bytes without an end than any event has."""


@quickly_made
@dataclass(frozen=True, slots=True)
class Event:
    """One event; *name* is empty if it has none."""

    name: str
    data: bytes


class EventReader:
    """Reads one stream. It keeps no more than one event of at most *most* bytes."""

    __slots__ = ("_data", "_has_begun", "_line", "_most", "_name", "_size", "_skips_newline")

    def __init__(self, most: int = LARGEST_EVENT) -> None:
        self._most = most
        self._line = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._has_begun = self._skips_newline = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that *chunk* completes. EventTooLarge if one grows without end."""
        if self._skips_newline and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._skips_newline = False
        events = []
        for piece in chunk.splitlines(keepends=True):
            self._line += piece
            if self._size + len(self._line) > self._most:
                raise EventTooLarge
            if piece.endswith(_ENDS) and (event := self._end_line()) is not None:
                events.append(event)
        # A \r ends its line at once; a \n that follows belongs to it, though in another chunk.
        self._skips_newline = self._skips_newline or chunk.endswith(b"\r")
        return events

    def _end_line(self) -> Event | None:
        line = bytes(self._line).rstrip(b"\r\n")
        self._line.clear()
        if not self._has_begun:
            self._has_begun, line = True, line.removeprefix(_BOM)
        if not line:
            return self._end_event()
        field, _, value = line.partition(b":")
        match field:
            case b"data":
                self._size += len(line)
                self._data.append(value.removeprefix(b" "))
            case b"event":
                self._name = value.removeprefix(b" ").decode(errors="replace")
        return None

    def _end_event(self) -> Event | None:
        event = Event(self._name, b"\n".join(self._data)) if self._data else None
        self._name, self._data, self._size = "", [], 0
        return event
