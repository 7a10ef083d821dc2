"""What a conversation consists of, whoever speaks it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

__all__ = ["Conversation", "Messages", "Phase", "phase_of"]

_TELLING_BYTES: Final = 96  # as much of a message as is waited for
_PINGS: Final = {b"", b"select 1", b"select 1;", b";"}


class Phase(Enum):
    """What a connection is about to do, or to hear."""

    CONNECT = "connect"
    AUTH = "auth"
    PING = "ping"
    SET = "SET"
    BEGIN = "BEGIN"
    STATEMENT = "statement"
    FETCH = "fetch"
    COMMIT_REQUEST = "COMMIT request"
    COMMIT_REPLY = "COMMIT reply"
    ROLLBACK = "ROLLBACK"
    CLOSE = "close"


_WORDS: Final = {
    b"set": Phase.SET,
    b"begin": Phase.BEGIN,
    b"start": Phase.BEGIN,
    b"commit": Phase.COMMIT_REQUEST,
    b"rollback": Phase.ROLLBACK,
    b"fetch": Phase.FETCH,
}


class Conversation(ABC):
    """One connection's messages, as they pass."""

    def __init__(self) -> None:
        self._is_committing = False

    def ask(self, payload: bytes) -> tuple[Phase, ...]:
        """The phases that begin with these bytes of the client's."""
        phases = tuple(self._phases(payload))
        self._is_committing = self._is_committing or Phase.COMMIT_REQUEST in phases
        return phases

    def answer(self) -> tuple[Phase, ...]:
        """The phases that begin with the next bytes of the server's."""
        was, self._is_committing = self._is_committing, False
        return (Phase.COMMIT_REPLY,) if was else ()

    @abstractmethod
    def _phases(self, payload: bytes) -> Iterator[Phase]:
        """What the client says with these bytes."""


class Messages:
    """A stream of bytes, cut into messages of which each says its length in its header."""

    def __init__(self, header_bytes: int, length: Callable[[bytes], int]) -> None:
        self._header_bytes = header_bytes
        self._length = length
        self._head = b""
        self._missing_bytes = 0

    def read(self, payload: bytes) -> Iterator[bytes]:
        """Each message whose beginning is here by now, with as much of it as has come."""
        rest = self._head + payload[self._missing_bytes :]
        self._missing_bytes = max(0, self._missing_bytes - len(payload))
        while len(rest) >= self._header_bytes:
            end = self._length(rest)
            if len(rest) < min(end, _TELLING_BYTES):
                break
            yield rest[:end]
            self._missing_bytes = max(0, end - len(rest))
            rest = rest[end:]
        self._head = rest


def phase_of(text: bytes) -> Phase:
    """The phase that begins with a statement."""
    statement = text.strip().lower()
    if statement in _PINGS:
        return Phase.PING
    if statement.rstrip(b"; ").endswith(b";commit"):
        return Phase.COMMIT_REQUEST  # with something that rides in the same message
    return _WORDS.get(statement.partition(b" ")[0].rstrip(b";"), Phase.STATEMENT)
