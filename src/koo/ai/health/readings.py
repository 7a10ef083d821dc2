"""What a report says of a service: its limits and budget as readings, its cause, its details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ...resilience import (
    BreakerStats,
    CheckStats,
    DailyBudgetStats,
    Health,
    LastError,
    Limit,
    RateLimiterConfig,
    RateLimiterStats,
    Reading,
)
from ..config import ServiceConfig

__all__ = [
    "WINDOWS",
    "budget_readings",
    "cause_of",
    "details_of",
    "limit_cause",
    "limit_readings",
    "limits_of",
]

#: The documented windows in seconds, in the order of the limiter's.
WINDOWS: Final = (("minute", 60.0), ("hour", 3600.0), ("day", 86400.0))


def limits_of(config: ServiceConfig) -> RateLimiterConfig:
    """The documented windows with the counts in *config*."""
    counts = (config.requests_per_minute, config.requests_per_hour, config.requests_per_day)
    limits = (Limit(count, per) for count, (_, per) in zip(counts, WINDOWS, strict=True))
    return RateLimiterConfig(tuple(limits))


def cause_of(
    state: Health,
    limited: str | None,
    breaker: BreakerStats,
    check: CheckStats | None,
    *,
    away: str | None,
) -> str | None:
    """Why *state* is as it is; *limited* says what holds calls back, *away* why it takes none."""
    match state:
        case Health.MAINTENANCE:
            return away
        case Health.RATE_LIMITED:
            return limited
        case Health.UNHEALTHY:
            if check is not None and not check.ok and not check.success_since:
                return check.error
            return f"{breaker.failures} of the last {breaker.outcomes} calls failed"
    return breaker.cause


def details_of(config: ServiceConfig, last_error: LastError | None) -> Mapping[str, object]:
    """What is true of a service beside numbers."""
    return MappingProxyType(
        {
            "configured": config.is_configured,
            "model": config.model,
            "vendor": config.vendor,
            "last_error": last_error,
            "key_variable": config.key_variable,
        }
    )


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
