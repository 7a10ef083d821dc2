"""Running operations through gates: the only part of the floor that awaits."""

from .forms import Attempt
from .run import Policy
from .stats import CallOutcome, PolicyStats

__all__ = ["Attempt", "CallOutcome", "Policy", "PolicyStats"]
