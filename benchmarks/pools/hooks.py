"""Hooks for a FaultProxy: black holes that open at one phase, slow connects, round trips.

    chunk --> in a dark connection? --yes--> held until the light
                    | no
                    +--> does night fall? NOT: passes   BEFORE: held, dark from here on
                                          AFTER: passes, dark from here on

Both directions of a dark connection are silent, and neither end is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum

from koo.testing import Action, Chunk, Direction

__all__ = ["Darkness", "Fall", "Falls", "SlowToConnect", "Turns", "after", "before", "those_open"]


class Fall(Enum):
    """When a connection goes dark."""

    NOT = "not at this chunk"
    BEFORE = "this chunk is held already"
    AFTER = "this chunk is the last that passes"


Falls = Callable[[Chunk], Fall]


class Darkness:
    """A hook: *falls* decides, for each chunk of a bright connection."""

    def __init__(self, falls: Falls) -> None:
        self._falls = falls
        self._dark: set[int] = set()
        self._light = asyncio.Event()

    @property
    def connections(self) -> int:
        """How many connections have gone dark."""
        return len(self._dark)

    def lift(self) -> None:
        """Let everything through, and what was held."""
        self._falls = _never
        self._light.set()

    def __call__(self, chunk: Chunk) -> Action | Awaitable[Action]:
        """Pass, or hold."""
        if chunk.connection in self._dark:
            return self._held()
        fall = self._falls(chunk)
        if fall is Fall.NOT:
            return Action.PASS
        self._dark.add(chunk.connection)
        return self._held() if fall is Fall.BEFORE else Action.PASS

    async def _held(self) -> Action:
        await self._light.wait()
        return Action.PASS


class SlowToConnect:
    """A hook that holds the first word of every connection for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: set[int] = set()

    def __call__(self, chunk: Chunk) -> Action | Awaitable[Action]:
        """Pass, the first time only after a while."""
        if chunk.direction is Direction.TO_CLIENT or chunk.connection in self._known:
            return Action.PASS
        self._known.add(chunk.connection)
        return asyncio.sleep(self._seconds, Action.PASS)


class Turns:
    """A hook that counts how often a connection turns from answering to asking."""

    def __init__(self) -> None:
        self.total = 0
        self._last: dict[int, Direction] = {}

    def __call__(self, chunk: Chunk) -> Action:
        """Pass, and count."""
        asks = chunk.direction is Direction.TO_SERVER
        self.total += asks and self._last.get(chunk.connection) is not Direction.TO_SERVER
        self._last[chunk.connection] = chunk.direction
        return Action.PASS


def before(word: bytes = b"") -> Falls:
    """Dark from the request on in which *word* stands."""
    return lambda chunk: Fall.BEFORE if _asks(chunk, word) else Fall.NOT


def after(*words: bytes) -> Falls:
    """Dark from the answer on to the request in which one of *words* stands."""
    return lambda chunk: Fall.AFTER if any(_asks(chunk, word) for word in words) else Fall.NOT


def those_open(accepted: int) -> Falls:
    """Dark are the first *accepted* connections; later ones come through."""
    return lambda chunk: Fall.BEFORE if chunk.connection <= accepted else Fall.NOT


def _asks(chunk: Chunk, word: bytes) -> bool:
    return chunk.direction is Direction.TO_SERVER and word in chunk.payload


def _never(_: Chunk) -> Fall:
    return Fall.NOT
