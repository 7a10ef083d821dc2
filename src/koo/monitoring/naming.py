"""How components are called, and the two questions that alerts, words and probes all ask."""

from __future__ import annotations

from typing import Final

from ..resilience import Health, Mode, Report

__all__ = [
    "DATABASE",
    "KINDS",
    "NOTIFICATIONS",
    "SERVICE_PREFIX",
    "STORE",
    "is_configured",
    "is_isolated",
    "is_lost",
    "is_readable",
    "is_unanswered",
    "kind_of",
    "service_name",
]

DATABASE: Final = "database"
NOTIFICATIONS: Final = "notifications"
STORE: Final = "store"
SERVICE_PREFIX: Final = "ai:"
#: The kinds of component that koo brings along.
KINDS: Final = frozenset({DATABASE, "ai", NOTIFICATIONS, STORE})


def service_name(component: str) -> str:
    """The name of a service without the prefix of its component; other names as they are."""
    return component.removeprefix(SERVICE_PREFIX)


def kind_of(component: str) -> str:
    """The kind of the component called so, as far as its name tells: else its name."""
    return "ai" if component.startswith(SERVICE_PREFIX) else component


def is_configured(report: Report) -> bool:
    """False for a service without a key, which nobody can expect to work."""
    return report.details.get("configured", True) is True


def is_readable(report: Report) -> bool:
    """False for what stands in for a report that could not be had: nothing is known of it."""
    return report.details.get("readable", True) is True


def is_unanswered(report: Report) -> bool:
    """Whether the last check failed and no call has succeeded since."""
    check = report.check
    return check is not None and not check.ok and not check.success_since


def is_isolated(report: Report) -> bool:
    """Whether its circuit is open until a person closes it; nothing probes."""
    breaker = report.breaker
    return breaker is not None and breaker.mode is Mode.ISOLATED


def is_lost(report: Report) -> bool:
    """Whether nothing can be had of it now: its circuit is open, or it does not answer."""
    return report.state is Health.CIRCUIT_OPEN or is_unanswered(report)
