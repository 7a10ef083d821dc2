"""Which alerts are needless because a graver one about the same component fires.

    circuit open ---> calls fail, the pool fills up, now and then the circuit half-opens (of course)

One outage is one alert; what follows from it is counted beside it, not told and not listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from .words import Alert, AlertState

__all__ = ["INHIBITIONS", "inhibited", "rule_of"]

_BURNS: Final = ("budget-burn-fast", "budget-burn-slow")

#: While the alert on the left fires, those on the right, about the same component, say nothing new.
INHIBITIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "pool-exhausted": ("pool-near", "held-long"),
        "circuit-open": (*_BURNS, "pool-near", "degraded"),
        "out-of-service": (*_BURNS, "pool-near"),
        "unavailable": _BURNS,
        "degraded": _BURNS,
        "budget-burn-fast": ("budget-burn-slow", "unhealthy"),
        "budget-burn-slow": ("unhealthy",),
        "budget-spent": ("limit-near", "budget-forecast"),
        "limit-reached": ("limit-near",),
    }
)


def inhibited(alerts: Iterable[Alert]) -> frozenset[str]:
    """The ids of those that one of *alerts*, which fires, makes needless."""
    return frozenset(
        f"{alert.component}:{lesser}"
        for alert in alerts
        if alert.state is AlertState.FIRING
        for lesser in INHIBITIONS.get(rule_of(alert), ())
    )


def rule_of(alert: Alert) -> str:
    """The name of the rule that made it."""
    return alert.id.removeprefix(f"{alert.component}:")
