"""Staying within the vendor's own limits: what answers tell of them, what refusals teach."""

from .headers import read_windows, their_time
from .pacer import Pacer, PacerStats
from .told import PacedAsk, PacedSpent, Told, Urge, WindowTold
from .waits import named_wait, without_windows
from .window import LearnedWindowStats

__all__ = [
    "LearnedWindowStats",
    "PacedAsk",
    "PacedSpent",
    "Pacer",
    "PacerStats",
    "Told",
    "Urge",
    "WindowTold",
    "named_wait",
    "read_windows",
    "their_time",
    "without_windows",
]
