"""Staying within the vendor's own limits: what answers tell of them, what refusals teach."""

from .headers import read_windows, their_time
from .models import PacedPermit
from .pacer import Keys, Pacer, PacerStats, one_key
from .told import UNTOLD, PacedAsk, PacedSpent, Told, Urge, WindowTold
from .waits import named_wait, without_windows
from .window import LearnedWindowStats

__all__ = [
    "UNTOLD",
    "Keys",
    "LearnedWindowStats",
    "PacedAsk",
    "PacedPermit",
    "PacedSpent",
    "Pacer",
    "PacerStats",
    "Told",
    "Urge",
    "WindowTold",
    "named_wait",
    "one_key",
    "read_windows",
    "their_time",
    "without_windows",
]
