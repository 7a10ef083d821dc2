"""The photographs of a service's limits and budget, as the readings of a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..resilience import DailyBudgetStats, RateLimiterStats, Reading

__all__ = ["WINDOWS", "budget_readings", "limit_cause", "limit_readings"]

#: The documented windows in seconds, in the order of the limiter's.
WINDOWS: Final = (("minute", 60.0), ("hour", 3600.0), ("day", 86400.0))


def limit_cause(limits: RateLimiterStats, budget: DailyBudgetStats) -> str | None:
    """What holds calls back now; None if nothing does.

    That is the store that can't be had, a pause, a full window or a spent day.
    """
    if trouble := limits.trouble or budget.trouble:
        return trouble
    if limits.paused_for > 0:
        return f"the service asked for a pause; it ends in {limits.paused_for:.0f} s"
    for (name, _), window in zip(WINDOWS, limits.windows, strict=True):
        if window.remaining == 0:
            return f"{window.limit} requests per {name} are used up"
    if budget.remaining_nanousd == 0:
        return "the day's budget is spent or reserved"
    return None


def limit_readings(limits: RateLimiterStats, now: float) -> Iterator[Reading]:
    """The use of each window; *now* is the epoch second."""
    for (name, _), window in zip(WINDOWS, limits.windows, strict=True):
        labels = (("window", name),)
        yield Reading("limit.used", window.used, window.limit, labels)
        yield Reading("limit.remaining", window.remaining, labels=labels)
        yield Reading("limit.reset_after", window.reset_after, labels=labels)
    if limits.paused_for > 0:
        yield Reading("throttled_until", now + limits.paused_for)


def budget_readings(budget: DailyBudgetStats) -> Iterator[Reading]:
    """The day's money."""
    yield Reading("budget.spent", budget.spent_nanousd, budget.limit_nanousd)
    yield Reading("budget.reserved", budget.reserved_nanousd)
    yield Reading("budget.remaining", budget.remaining_nanousd)
    yield Reading("budget.resets_at", budget.resets_at)
