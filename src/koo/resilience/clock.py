"""Time and chance, as arguments.

The only module of the library that imports :mod:`time` and :mod:`random`.
Whatever measures, waits or draws takes a ``Clock`` or a function that draws,
so every test can own the time it runs in.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["RANDOM", "SYSTEM_CLOCK", "Clock", "Random", "check_clock"]

Random = Callable[[], float]


class Clock(Protocol):
    """Where to get the time, and how to wait."""

    def monotonic(self) -> float:
        """Seconds that never go back; for durations and deadlines."""
        ...

    def time(self) -> float:
        """Seconds since the epoch; for display and for what the calendar decides."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait *seconds*."""
        ...


def check_clock(owner: str, clock: object) -> None:
    """Raise ValueError unless *clock*, which *owner* was given, can tell the time and wait."""
    if not all(callable(getattr(clock, name, None)) for name in ("monotonic", "time", "sleep")):
        what = f"clock must have monotonic(), time() and sleep(), not be {clock!r}"
        raise ValueError(f"{owner}: {what}; leave it out for the machine's own")


class _SystemClock:
    """The machine's own clock. Not methods but the functions themselves: one call less."""

    __slots__ = ()

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)
    sleep = staticmethod(asyncio.sleep)

    def __repr__(self) -> str:
        return "SYSTEM_CLOCK"


SYSTEM_CLOCK: Final[Clock] = _SystemClock()
RANDOM: Final[Random] = random.random
