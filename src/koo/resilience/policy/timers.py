"""Deadlines for many calls from one timer.

All calls in a lane have the same timeout, so they expire in the order in which
they came: a dict in insertion order is the queue, entering and leaving cost one
dict operation each, and only the oldest call needs the loop's timer.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Task
from threading import get_ident
from typing import Any, Final, Protocol

from ..clock import Clock

__all__ = ["Lane", "Timed"]

#: A timer may fire a hair early; what expires within this many seconds has expired.
SLACK: Final = 1e-6


class Timed(Protocol):
    """Something whose time can be over."""

    def expire(self) -> None:
        """The moment has come."""
        ...


class Lane:
    """The calls of one loop that may all take *timeout* seconds.

    ``calls`` maps each to the moment at which it expires. Entering and leaving
    is done right there, by whoever owns the call.
    """

    __slots__ = ("_clock", "calls", "is_armed", "loop", "thread", "timeout")

    def __init__(self, loop: AbstractEventLoop, timeout: float, clock: Clock) -> None:
        self.loop = loop
        self.thread = get_ident()
        self.timeout = timeout
        self.calls: dict[Timed, float] = {}
        self.is_armed = False
        self._clock = clock

    def arm(self) -> None:
        """Begin to watch: the first call has entered."""
        self.is_armed = True
        self.loop.call_later(self.timeout + SLACK, self._fire)

    def _fire(self) -> None:
        self.is_armed = False
        now, calls = self._clock.monotonic(), self.calls
        while calls:
            oldest, expires_at = next(iter(calls.items()))
            if expires_at > now + SLACK:
                self.is_armed = True
                self.loop.call_later(expires_at - now + SLACK, self._fire)
                return
            del calls[oldest]
            oldest.expire()


AnyTask = Task[Any]
