"""Running operations through gates: the only part of the floor that awaits."""

from .call import current_permit
from .forms import Asking, Attempt
from .generators import Pace
from .run import Policy
from .stats import CallOutcome, PolicyStats

__all__ = [
    "Asking",
    "Attempt",
    "CallOutcome",
    "Pace",
    "Policy",
    "PolicyStats",
    "current_permit",
]
