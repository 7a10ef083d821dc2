"""The live stream: what the page shows, once a second, to a few visitors at a time.

    frames() --frame, wait a second, frame, ...--> visitor, who may still look
    end()    ------------------------------------> every stream ends at once

A server that is asked to stop waits for its open responses; a stream never ends
by itself, so it has to be ended (see lifecycle).
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Final

from ..resilience import SYSTEM_CLOCK, Clock
from .problems import Problem

__all__ = ["Feed"]

_FRESH: Final = 0.5


class _Seat:
    """What a stream has until it ends, or is dropped before it has begun."""


def _anybody() -> bool:
    return True


class Feed:
    """Streams of the JSON that *snapshot* gives, every so many seconds, to *most* visitors.

    Visitors share a snapshot that is younger than half a second.
    """

    def __init__(
        self,
        snapshot: Callable[[], bytes],
        *,
        every: float = 1.0,
        most: int = 20,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._snapshot = snapshot
        self._every = every
        self._most = most
        self._clock = clock
        self._ended: asyncio.Event | None = None
        self._frame = b""
        self._taken = float("-inf")
        self._seats: weakref.WeakSet[_Seat] = weakref.WeakSet()

    @property
    def visitors(self) -> int:
        """How many streams there are, those included that have not begun yet."""
        return len(self._seats)

    def begin(self) -> None:
        """Allow streams, on the event loop that runs now."""
        self._ended = asyncio.Event()

    def end(self) -> None:
        """End every stream, and begin none until :meth:`begin`."""
        if self._ended is not None:
            self._ended.set()

    def frames(self, may_look: Callable[[], bool] = _anybody) -> AsyncIterator[bytes]:
        """A new stream, as long as the visitor *may_look*.

        Raises the 503 when there are too many, or none are allowed.
        """
        if self._ended is None or self._ended.is_set():
            raise Problem.retry(503, "stopping", "the server is starting or stopping", 1)
        if self.visitors >= self._most:
            detail = f"{self._most} streams are open already; ask for the dashboard instead"
            raise Problem.retry(503, "too_many_streams", detail, 10)
        seat = _Seat()
        self._seats.add(seat)
        return self._frames(seat, self._ended, may_look)

    async def _frames(
        self, seat: _Seat, ended: asyncio.Event, may_look: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        try:
            yield b"retry: 2000\n\n"
            while not ended.is_set() and may_look():
                yield self._event()
                await self._pause(ended)
        finally:
            self._seats.discard(seat)

    async def _pause(self, ended: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._every):
                await ended.wait()
        except TimeoutError:
            return

    def _event(self) -> bytes:
        now = self._clock.monotonic()
        if now - self._taken >= _FRESH:
            self._taken = now
            self._frame = b"event: dashboard\ndata: " + self._snapshot() + b"\n\n"
        return self._frame
