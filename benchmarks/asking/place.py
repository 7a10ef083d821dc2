"""How much effort is spent on each row."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Effort"]


@dataclass(frozen=True, slots=True)
class Effort:
    """How often everything is done, and how long one lap of a load lasts (seconds)."""

    slow_rounds: int
    """Rounds of a load whose upstream takes its time."""
    rounds: int
    """Paired rounds of a load whose upstream answers at once."""
    lap: float
    starts: int
    """Processes that only import something."""
    calls: int
    """Of the process whose memory is watched."""
    kills: int
    """Processes that are killed while they spend."""
    at_once: int
    """Calls that meet the same fault at the same time."""
    cuts: int
    """Places at which a stream is cut."""
    minutes: float
    """For how many minutes a limit is pressed."""


FULL = Effort(6, 15, 0.25, 6, 1_000_000, 50, 20, 60, 1.5)
QUICK = Effort(2, 6, 0.1, 2, 20_000, 4, 5, 8, 0.1)
