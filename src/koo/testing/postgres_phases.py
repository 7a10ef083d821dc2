"""Where in a PostgreSQL conversation a connection is, told from the bytes that pass.

    accepted --startup--> AUTH --ready--> [PING | BEGIN | STATEMENT | ROLLBACK | COMMIT_REQUEST]*
    CONNECT                                                    then COMMIT_REPLY --+       |
                                                                                   v       v
                                                                     CLOSE <--'X'-- ready --+

Only the type of each message and the words of each statement are read. Encrypted connections
can't be followed, nor need they be: on loopback nobody encrypts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum
from typing import Final

__all__ = ["Conversation", "Phase"]

_HEADER_BYTES: Final = 5
_TELLING_BYTES: Final = 96  # as much of a message as is waited for
_STARTUP: Final = 3  # the protocol's major version; what is not one asks for TLS, or cancels
_PINGS: Final = {b"", b"select 1", b"select 1;", b";"}


class Phase(Enum):
    """What a connection is about to do, or to hear."""

    CONNECT = "connect"
    AUTH = "auth"
    PING = "ping"
    BEGIN = "BEGIN"
    STATEMENT = "statement"
    COMMIT_REQUEST = "COMMIT request"
    COMMIT_REPLY = "COMMIT reply"
    ROLLBACK = "ROLLBACK"
    CLOSE = "close"


_WORDS: Final = {
    b"begin": Phase.BEGIN,
    b"commit": Phase.COMMIT_REQUEST,
    b"rollback": Phase.ROLLBACK,
}


class Conversation:
    """One connection's messages, counted as they pass."""

    def __init__(self) -> None:
        self._head = b""
        self._missing_bytes = 0
        self._prepared: dict[bytes, Phase] = {}
        self._has_started = False
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

    def _phases(self, payload: bytes) -> Iterator[Phase]:
        if not self._has_started:
            self._has_started = payload[4:6] == struct.pack("!H", _STARTUP)
            if self._has_started:
                yield Phase.AUTH
            return
        for kind, body in self._messages(payload):
            match kind:
                case b"Q":
                    yield _phase_of(body)
                case b"P":
                    name, _, statement = body.partition(b"\0")
                    self._prepared[name] = phase = _phase_of(statement)
                    yield phase
                case b"B":
                    yield self._prepared.get(body.split(b"\0", 2)[1], Phase.STATEMENT)
                case b"X":
                    yield Phase.CLOSE

    def _messages(self, payload: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Each message whose beginning is here by now, with as much of it as has come."""
        rest = self._head + payload[self._missing_bytes :]
        self._missing_bytes = max(0, self._missing_bytes - len(payload))
        while len(rest) >= _HEADER_BYTES:
            kind, length = struct.unpack_from("!cI", rest)
            end = 1 + length
            if len(rest) < min(end, _TELLING_BYTES):
                break
            yield kind, rest[_HEADER_BYTES:end]
            self._missing_bytes = max(0, end - len(rest))
            rest = rest[end:]
        self._head = rest


def _phase_of(text: bytes) -> Phase:
    statement = text.partition(b"\0")[0].strip().lower()
    if statement in _PINGS:
        return Phase.PING
    if statement.rstrip(b"; ").endswith(b";commit"):
        return Phase.COMMIT_REQUEST  # with something that rides in the same message
    return _WORDS.get(statement.partition(b" ")[0].rstrip(b";"), Phase.STATEMENT)
