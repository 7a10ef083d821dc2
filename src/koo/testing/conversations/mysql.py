"""Where in a conversation with MySQL or MariaDB a connection is.

    accepted --greeting, response--> AUTH
    CONNECT                            |ok
                                       v
                   [PING | SET | STATEMENT | ROLLBACK | COMMIT_REQUEST]*
                                        then COMMIT_REPLY --+       |
                                                            v       v
                                           CLOSE <--quit-- ready ---+

Nothing is said to begin a transaction, unless somebody says BEGIN.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .phases import Conversation, Messages, Phase, phase_of

__all__ = ["MysqlConversation"]

_HEADER_BYTES: Final = 4  # three for the length, the least significant first, one for the place
_WITH_TEXT: Final = {b"\x03", b"\x16"}  # query, prepare
_PHASES: Final = {b"\x01": Phase.CLOSE, b"\x0e": Phase.PING, b"\x17": Phase.STATEMENT}


class MysqlConversation(Conversation):
    """One connection's messages, as they pass."""

    def __init__(self) -> None:
        super().__init__()
        self._messages = Messages(_HEADER_BYTES, _length)
        self._has_started = False

    def _phases(self, payload: bytes) -> Iterator[Phase]:
        for message in self._messages.read(payload):
            place, body = message[_HEADER_BYTES - 1], message[_HEADER_BYTES:]
            # A command is the first message of its exchange; the login answers the greeting.
            if place == 1 and not self._has_started:
                self._has_started = True
                yield Phase.AUTH
            elif place == 0:
                yield from _phase_of_command(body)


def _phase_of_command(body: bytes) -> Iterator[Phase]:
    command = body[:1]
    if command in _WITH_TEXT:
        yield phase_of(body[1:])
    elif command in _PHASES:
        yield _PHASES[command]


def _length(message: bytes) -> int:
    return _HEADER_BYTES + int.from_bytes(message[:3], "little")
