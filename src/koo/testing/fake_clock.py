"""A clock that stands still until it is told to move.

For code that asks the time; code that waits for other tasks belongs on the virtual-time loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

# An ordinary moment (2023-11-14T22:13:20Z), so that a test never depends on the day it runs on.
EPOCH = 1_700_000_000.0


@dataclass(slots=True)
class FakeClock:
    """A ``Clock`` owned by the test: sleeping advances it at once and is remembered in ``slept``.

    Monotonic time only ever moves forward; the wall clock may also be stepped, as a
    correction by the network would do.
    """

    now: float = 0.0
    epoch: float = EPOCH
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        """Seconds since the clock was made, plus where it started."""
        return self.now

    def time(self) -> float:
        """Seconds since 1970; moves with ``monotonic`` and with ``step_wall``."""
        return self.epoch + self.now

    async def sleep(self, seconds: float) -> None:
        """Advance at once and give the loop one turn; a negative wait counts as none."""
        self.slept.append(seconds)
        self.advance(max(0.0, seconds))
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move both clocks forward; raises ``ValueError`` for a negative number."""
        if seconds < 0:
            raise ValueError(
                f"FakeClock: advance({seconds}) goes back; use step_wall for the wall clock"
            )
        self.now += seconds

    def step_wall(self, seconds: float) -> None:
        """Shift the wall clock alone, forward or back."""
        self.epoch += seconds
