"""The health of everything as ``application/health+json``, for tools that read no other form.

The form: https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check-06
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ...resilience import Health, Report
from ..naming import is_configured, is_lost, service_name
from .overview import overall_health
from .shape import milliseconds, moment, told

__all__ = ["HealthCheckView", "HealthDocument", "health_document"]

_STATUSES: Final = MappingProxyType({"healthy": "pass", "degraded": "warn", "unhealthy": "fail"})
_WORDS: Final = tuple(_STATUSES.values())


@dataclass(frozen=True, slots=True)
class HealthCheckView:
    """One component."""

    component_type: str = told("Of which kind it is.", called="componentType")
    status: str = told("pass, warn: calls may fail, fail: none succeeds.", one_of=_WORDS)
    observed_value: float | None = told("What the last check took.", called="observedValue")
    observed_unit: str = told("The unit of that.", called="observedUnit")
    time: str = told("When this was looked at.")
    output: str | None = told("Why it does not pass, one sentence.")


@dataclass(frozen=True, slots=True)
class HealthDocument:
    """The health of everything. Services without a key are left out."""

    status: str = told("The worst that matters.", one_of=_WORDS)
    output: str | None = told("What does not pass, in one sentence.")
    checks: Mapping[str, tuple[HealthCheckView, ...]] = told("Each component by its name.")


def health_document(reports: Iterable[Report], now: float) -> HealthDocument:
    """The health of everything at epoch second *now*."""
    found = [report for report in reports if is_configured(report)]
    checks = {service_name(report.component): (_check(report, now),) for report in found}
    return HealthDocument(_STATUSES[overall_health(found)], _output(found), checks)


def _check(report: Report, now: float) -> HealthCheckView:
    took = None if report.check is None else milliseconds(report.check.response_time)
    return HealthCheckView(report.kind, _status(report), took, "ms", moment(now), report.cause)


def _status(report: Report) -> str:
    if report.state is Health.HEALTHY:
        return "pass"
    return "fail" if report.state is Health.MAINTENANCE or is_lost(report) else "warn"


def _output(reports: Sequence[Report]) -> str | None:
    words = [
        f"{service_name(report.component)} is {report.state.replace('_', ' ')}"
        for report in reports
        if report.state is not Health.HEALTHY
    ]
    return ", ".join(words) or None
