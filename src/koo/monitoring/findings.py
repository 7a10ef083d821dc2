"""What a rule can find in one report: plain questions, each with its answer in words."""

from __future__ import annotations

from dataclasses import dataclass

from ..resilience import Health, Reading, Report
from .naming import is_isolated, is_unanswered

__all__ = [
    "Finding",
    "find_budget_near",
    "find_budget_spent",
    "find_circuit_open",
    "find_limit_near",
    "find_limit_reached",
    "find_out_of_service",
    "find_pool_near",
    "find_recovering",
    "find_unavailable",
    "find_unhealthy",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """*what* is the case and why; *since* (epoch seconds) where the report knows it."""

    what: str
    cause: str | None = None
    since: float | None = None


def find_circuit_open(report: Report, _: float) -> Finding | None:
    """Calls are refused at once."""
    if report.state is not Health.CIRCUIT_OPEN or is_isolated(report):
        return None
    return Finding("circuit open, calls refused at once", report.cause, report.since)


def find_unavailable(report: Report, _: float) -> Finding | None:
    """The last check failed, and nothing has succeeded since."""
    if report.state is not Health.UNHEALTHY or not is_unanswered(report):
        return None
    check = report.check
    return Finding("does not answer", (check.error if check else None) or report.cause)


def find_unhealthy(report: Report, _: float) -> Finding | None:
    """Calls fail, but not enough to open the circuit."""
    if report.state is not Health.UNHEALTHY or is_unanswered(report):
        return None
    return Finding("calls fail, the circuit is still closed", report.cause)


def find_recovering(report: Report, _: float) -> Finding | None:
    """Only probes pass."""
    if report.state is not Health.DEGRADED:
        return None
    return Finding("circuit half-open, only probes pass", report.cause, report.since)


def find_out_of_service(report: Report, _: float) -> Finding | None:
    """Taken out for a reason that only a person can remove: by hand, a dead key, no quota."""
    if report.state is not Health.MAINTENANCE and not is_isolated(report):
        return None
    return Finding("out of service, calls refused at once", report.cause, report.since)


def find_pool_near(report: Report, share: float) -> Finding | None:
    """Somebody waits for a connection, or *share* of them is in use."""
    active = report.value("pool.active") or 0
    most = (report.value("pool.size") or 0) + (report.value("pool.max_overflow") or 0)
    waiting = int(report.value("pool.waiting") or 0)
    if not waiting and active < share * most:
        return None
    cause = f"{active:.0f} of {most:.0f} connections in use, {waiting} waiting"
    return Finding("the connection pool is nearly exhausted", cause)


def find_limit_reached(report: Report, _: float) -> Finding | None:
    """Refused by a rate limit, not by the budget."""
    if report.state is not Health.RATE_LIMITED or find_budget_spent(report, 1):
        return None
    return Finding("throttled, calls wait or are refused", report.cause)


def find_limit_near(report: Report, share: float) -> Finding | None:
    """*share* of a window is used."""
    near = [reading for reading in _windows(report) if _share(reading) >= share]
    if report.state is Health.RATE_LIMITED or not near:
        return None
    cause = ", ".join(_window_words(reading) for reading in near)
    return Finding("approaching a rate limit", cause)


def _windows(report: Report) -> list[Reading]:
    return [reading for reading in report.readings if reading.name == "limit.used"]


def _window_words(reading: Reading) -> str:
    window = dict(reading.labels).get("window", "window")
    return f"{reading.value:.0f} of {reading.limit or 0:.0f} requests per {window}"


def find_budget_spent(report: Report, _: float) -> Finding | None:
    """Refused for want of money."""
    spent = report.reading("budget.spent")
    if spent is None or not _is_spent(report, spent):
        return None
    return Finding("the day's budget is spent, calls are refused", _budget_words(spent))


def find_budget_near(report: Report, share: float) -> Finding | None:
    """*share* of the day's budget is spent."""
    spent = report.reading("budget.spent")
    if spent is None or _is_spent(report, spent) or _share(spent) < share:
        return None
    return Finding("approaching the day's budget", _budget_words(spent))


def _is_spent(report: Report, spent: Reading) -> bool:
    """The service refuses, and it is the money: all of it is spent or reserved."""
    left = report.value("budget.remaining")
    nothing_left = (spent.limit or 0) <= spent.value if left is None else left <= 0
    return report.state is Health.RATE_LIMITED and nothing_left


def _budget_words(spent: Reading) -> str:
    return f"${spent.value / 1e9:.2f} of ${(spent.limit or 0) / 1e9:.2f} spent today"


def _share(reading: Reading) -> float:
    return reading.value / reading.limit if reading.limit else 0.0
