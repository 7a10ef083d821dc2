"""What each part of a protected call costs: the same call with one part more each time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise

from koo.resilience import CircuitBreaker, Policy, RateLimiter, RetryConfig

from .rounds import Contender, Timing
from .services import PLENTY, TIMEOUT, noop

__all__ = ["differences", "growing"]

_BARE = "the operation alone"


def growing() -> list[Contender]:
    """Calls, each of which has one part more than the one before."""
    breaker, windows = CircuitBreaker("parts"), RateLimiter("parts", PLENTY)
    policies = {
        "the policy itself, with its histogram": Policy("parts", retry_budget=None),
        "circuit breaker": Policy("parts", gates=(breaker,), retry_budget=None),
        "three exact windows": Policy("parts", gates=(breaker, windows), retry_budget=None),
        "retry and its budget": Policy("parts", gates=(breaker, windows), retry=RetryConfig()),
        "deadline, armed": Policy(
            "parts", gates=(breaker, windows), retry=RetryConfig(), timeout=TIMEOUT
        ),
    }
    calls = {name: partial(policy.run, noop) for name, policy in policies.items()}
    return [Contender(_BARE, noop), *(Contender(name, call) for name, call in calls.items())]


def differences(timings: Mapping[str, Timing]) -> dict[str, float]:
    """What each part adds, in nanoseconds."""
    parts = list(timings.items())
    return {name: timing.median - before.median for (_, before), (name, timing) in pairwise(parts)}
