"""What koo does to a dependency in trouble, simulated in virtual time.

    callers --> the real Policy, gates and RetryBudget --> a dependency that a seed decides on
                             on koo.testing's virtual-time loop

Each function is pure: the same arguments give the same figure.
"""

from .herds import herd, peak_to_mean
from .outages import dead_upstream
from .probes import CASES, Guarded, failed_cases, guarded_by_koo
from .retries import QUICK, amplification, nested_calls, rescue_of_blips, rescue_of_errors
from .windows import DOCUMENTED_LIMITS, Windows, rolling_window

__all__ = [
    "CASES",
    "DOCUMENTED_LIMITS",
    "QUICK",
    "Guarded",
    "Windows",
    "amplification",
    "dead_upstream",
    "failed_cases",
    "guarded_by_koo",
    "herd",
    "nested_calls",
    "peak_to_mean",
    "rescue_of_blips",
    "rescue_of_errors",
    "rolling_window",
]
