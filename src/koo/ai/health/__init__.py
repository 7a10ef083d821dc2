"""What a service knows of itself: counts, checks, lessons, and how a report says it."""

from .checks import Checks
from .explanation import explain
from .lessons import Lessons
from .readings import budget_readings, cause_of, details_of, limit_cause, limit_readings, limits_of
from .tally import Tally

__all__ = [
    "Checks",
    "Lessons",
    "Tally",
    "budget_readings",
    "cause_of",
    "details_of",
    "explain",
    "limit_cause",
    "limit_readings",
    "limits_of",
]
