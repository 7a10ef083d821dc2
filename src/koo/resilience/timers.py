"""Deadlines for many calls from one timer.

All calls in a lane have the same timeout, so they expire in the order in which
they came: a dict in insertion order is the queue, entering and leaving cost one
dict operation each, and only the oldest call needs the loop's timer.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Task, current_task, get_running_loop
from contextvars import Context
from threading import get_ident, local
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from .clock import Clock

__all__ = ["Lane", "Timed", "lane_for", "running_loop", "times_cancelled"]

#: A timer may fire a hair early; what expires within this many seconds has expired.
SLACK: Final = 1e-6


class Timed(Protocol):
    """Something whose time can be over."""

    def expire(self) -> None:
        """The moment has come."""
        ...


class Lane:
    """The calls of one loop that may all take *timeout* seconds, whatever their policies.

    ``calls`` maps each to the moment at which it expires. Entering and leaving
    is done right there, by whoever owns the call.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_context",
        "calls",
        "is_armed",
        "loop",
        "thread",
        "timeout",
    )

    def __init__(self, loop: AbstractEventLoop, timeout: float, clock: Clock) -> None:
        self.loop = loop
        self.thread = get_ident()
        self.timeout = timeout
        self.calls: dict[Timed, float] = {}
        self.is_armed = False
        self._clock = clock
        # Empty: a timer would keep the context of the call that armed it, and all that is in it.
        self._context = Context()

    def arm(self) -> None:
        """Begin to watch: the first call has entered."""
        self.is_armed = True
        self._fire_in(self.timeout)

    def fire(self) -> None:
        """End the calls whose moment has come, and watch those that are left."""
        self.is_armed = False
        now, calls = self._clock.monotonic(), self.calls
        while (oldest := self._oldest()) is not None:
            expires_at = calls.get(oldest, now)
            if expires_at > now + SLACK:
                self.is_armed = True
                self._fire_in(expires_at - now)
                return
            # Gone: closed by the collector, between two steps; its task may be somebody else's.
            if calls.pop(oldest, None) is not None:
                oldest.expire()

    def _oldest(self) -> Timed | None:
        # A loop is one step; the collector may end a call between iter() and next().
        for call in self.calls:
            return call
        return None

    def _fire_in(self, seconds: float) -> None:
        self.loop.call_later(seconds + SLACK, _Alarm(self), context=self._context)


class _Alarm:
    """What the loop holds of a lane. A loop that is closed drops it before it has rung.

    The calls in the lane will then never end; let go, they are collected with what they hold.
    """

    __slots__ = ("_has_rung", "_lane")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._has_rung = False

    def __call__(self) -> None:
        self._has_rung = True
        self._lane.fire()

    def __del__(self) -> None:
        if not self._has_rung:
            self._lane.calls.clear()


class _Thread(local):
    """The lanes of the loop that runs in this thread.

    A lane is kept by the policies that use it, and by its alarm as long as that is to ring.
    """

    loop: AbstractEventLoop | None

    def __init__(self) -> None:
        self.loop = None
        self.lanes: WeakValueDictionary[tuple[float, int], Lane] = WeakValueDictionary()


_THREAD: Final = _Thread()


def lane_for(loop: AbstractEventLoop, timeout: float, clock: Clock) -> Lane:
    """The lane that all policies with this *timeout* and *clock* share on *loop*, which runs."""
    if _THREAD.loop is not loop:
        _THREAD.loop, _THREAD.lanes = loop, WeakValueDictionary()
    # The lane keeps its clock, so no other can get the number while the lane is there.
    key = timeout, id(clock)
    lane = _THREAD.lanes.get(key)
    if lane is None:
        _THREAD.lanes[key] = lane = Lane(loop, timeout, clock)
    return lane


def running_loop() -> AbstractEventLoop | None:
    """The loop that runs in this thread, if one does."""
    try:
        return get_running_loop()
    except RuntimeError:
        return None


def times_cancelled(outside: int = 0) -> int:
    """How often the running task was asked to end; *outside* of any, this number."""
    loop = running_loop()
    task = current_task(loop) if loop else None
    return task.cancelling() if task else outside


AnyTask = Task[Any]
