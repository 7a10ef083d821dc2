"""What a service knows of itself: counts, checks, lessons, limits, and how a report says it."""

from .checks import Checks
from .explanation import explain
from .lessons import Lessons
from .limits import Limits, LimitsStats, limits_of
from .readings import budget_readings, cause_of, details_of, limit_cause
from .tally import Tally

__all__ = [
    "Checks",
    "Lessons",
    "Limits",
    "LimitsStats",
    "Tally",
    "budget_readings",
    "cause_of",
    "details_of",
    "explain",
    "limit_cause",
    "limits_of",
]
