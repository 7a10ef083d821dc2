"""What a report says of a service: its limits and budget as readings, its cause, its details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ...resilience import (
    BreakerStats,
    CheckStats,
    DailyBudgetStats,
    Health,
    LastError,
    Reading,
)
from ..config import ServiceConfig
from .limits import LimitsStats

__all__ = [
    "budget_readings",
    "cause_of",
    "details_of",
    "limit_cause",
]


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
            return f"{breaker.failures} of the last {breaker.outcomes} attempts failed"
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


def limit_cause(limits: LimitsStats, budget: DailyBudgetStats) -> str | None:
    """What holds calls back now; None if nothing does.

    That is the store that can't be had, a pause, a full window of ours or of the vendor's,
    or a spent day.
    """
    if trouble := limits.own.trouble or budget.trouble:
        return trouble
    if cause := limits.cause():
        return cause
    if budget.remaining_nanousd == 0:
        return "the day's budget is spent or reserved"
    return None


def budget_readings(budget: DailyBudgetStats) -> Iterator[Reading]:
    """The day's money."""
    yield Reading("budget.spent", budget.spent_nanousd, budget.limit_nanousd)
    yield Reading("budget.reserved", budget.reserved_nanousd)
    yield Reading("budget.remaining", budget.remaining_nanousd)
    yield Reading("budget.settled_late", budget.settled_late_nanousd)
    yield Reading("budget.resets_at", budget.resets_at)
