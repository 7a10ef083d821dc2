"""Where in a PostgreSQL conversation a connection is.

accepted --startup--> AUTH --ready--> [PING | BEGIN | STATEMENT | FETCH | ROLLBACK |
CONNECT                                                                  COMMIT_REQUEST]*
                                                           then COMMIT_REPLY --+       |
                                                                               v       v
                                                                 CLOSE <--'X'-- ready --+

More rows are asked for by FETCH, or by an Execute that no Bind comes with.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from .phases import Conversation, Messages, Phase, phase_of

__all__ = ["PostgresConversation"]

_HEADER_BYTES: Final = 5
_STARTUP: Final = 3  # the protocol's major version; what is not one asks for TLS, or cancels


class PostgresConversation(Conversation):
    """One connection's messages, as they pass."""

    def __init__(self) -> None:
        super().__init__()
        self._messages = Messages(_HEADER_BYTES, _length)
        self._prepared: dict[bytes, Phase] = {}
        self._has_started = False
        self._is_bound = False

    def _phases(self, payload: bytes) -> Iterator[Phase]:
        if not self._has_started:
            self._has_started = payload[4:6] == struct.pack("!H", _STARTUP)
            if self._has_started:
                yield Phase.AUTH
            return
        for message in self._messages.read(payload):
            kind, body = message[:1], message[_HEADER_BYTES:]
            match kind:
                case b"Q":
                    yield _phase_of(body)
                case b"P":
                    name, _, statement = body.partition(b"\0")
                    self._prepared[name] = phase = _phase_of(statement)
                    yield phase
                case b"B":
                    self._is_bound = True
                    yield self._prepared.get(body.split(b"\0", 2)[1], Phase.STATEMENT)
                case b"E" if not self._is_bound:
                    yield Phase.FETCH
                case b"S":
                    self._is_bound = False
                case b"X":
                    yield Phase.CLOSE


def _length(message: bytes) -> int:
    length: int = struct.unpack_from("!xI", message)[0]
    return 1 + length


def _phase_of(text: bytes) -> Phase:
    return phase_of(text.partition(b"\0")[0])
