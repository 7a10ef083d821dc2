"""The first glance: what is broken, since when, why, what it costs, which button is safe.

One sentence each, about the most urgent alert. A button is called safe only if
pressing it at the wrong moment could not make things worse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ...resilience import Health, Report
from ..alerts import Alert, AlertState, Severity
from ..naming import DATABASE, SERVICE_PREFIX, is_configured, is_isolated, service_name
from .shape import moment, told

__all__ = ["VerdictView", "verdict"]

_LEVELS: Final = ("ok", "warning", "critical")
_ACTIONS: Final = (
    "check_database",
    "half_open_database",
    "half_open_service",
)
_RECENT: Final = 30.0
_NOBODY: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The one thing to know first."""

    level: str = told("How bad it is.", one_of=_LEVELS)
    headline: str = told("What is broken, or that nothing is.")
    component: str | None = told("Which component it is about.")
    since: str | None = told("Since when.")
    why: str | None = told("Why, one sentence.")
    costs: str | None = told("What it costs now, in calls or money.")
    advice: str = told("Which button is safe, and which is not.")
    safe_action: str | None = told("The safe button; null if waiting is best.", one_of=_ACTIONS)
    more: int = told("How many other warnings and critical alerts there are.")


@dataclass(frozen=True, slots=True)
class _Advice:
    text: str
    action: str | None = None


def verdict(
    reports: Sequence[Report],
    alerts: Iterable[Alert],
    now: float,
    *,
    refused: Mapping[str, int] = _NOBODY,
) -> VerdictView:
    """What somebody who looks at epoch second *now* must know first.

    *refused*: calls, by component, since its circuit opened.
    """
    troubles = [alert for alert in alerts if _counts(alert)]
    if not troubles:
        return _all_well(reports)
    worst = troubles[0]
    report = next((item for item in reports if item.component == worst.component), None)
    advice = _advise(report, now) if report else _Advice(worst.message)
    return VerdictView(
        level=worst.severity.value,
        headline=_headline(worst),
        component=worst.component,
        since=moment(worst.since),
        why=worst.cause,
        costs=_costs(report, refused.get(report.component, 0)) if report else None,
        advice=advice.text,
        safe_action=advice.action,
        more=len(troubles) - 1,
    )


def _counts(alert: Alert) -> bool:
    return alert.state is AlertState.FIRING and alert.severity is not Severity.INFO


def _headline(alert: Alert) -> str:
    if alert.component == DATABASE:
        return alert.title
    return f"{service_name(alert.component)}: {alert.title[:1].lower()}{alert.title[1:]}"


def _all_well(reports: Sequence[Report]) -> VerdictView:
    watched = [report for report in reports if is_configured(report)]
    sick = [report.component for report in watched if report.state is not Health.HEALTHY]
    to_do = f"look at {', '.join(sick)}" if sick else "nothing to do"
    return VerdictView(
        level="ok",
        headline="No alert fires" if sick else "Everything works",
        component=None,
        since=None,
        why=None,
        costs=None,
        advice=f"{len(watched) - len(sick)} of {len(watched)} components healthy; {to_do}.",
        safe_action=None,
        more=0,
    )


# -- what it costs ----------------------------------------------------------------------


def _costs(report: Report, refused: int) -> str | None:
    match report.state:
        case Health.CIRCUIT_OPEN | Health.DEGRADED if report.breaker is not None:
            return f"{refused:,} calls refused since it began"
        case Health.RATE_LIMITED:
            return "new calls wait for the limit, or are refused"
    return _failing(report) or _waiting(report) or _spending(report)


def _failing(report: Report) -> str | None:
    success = report.value("success_rate")
    failed = report.value("failure_rate") if success is None else 1 - success
    return f"{failed:.0%} of its calls fail, last 5 min" if failed else None


def _waiting(report: Report) -> str | None:
    waiting = int(report.value("pool.waiting") or 0)
    if not waiting:
        return None
    slow = report.distribution("wait_time").quantile(0.95)
    p95 = f", p95 wait {slow:.1f} s" if slow is not None else ""
    timeouts = int(report.value("timeouts_total") or 0)
    return f"{waiting} tasks wait for a connection{p95}; {timeouts} gave up since the start"


def _spending(report: Report) -> str | None:
    spent = report.reading("budget.spent")
    if spent is None or spent.limit is None:
        return None
    return f"${spent.value / 1e9:.2f} of ${spent.limit / 1e9:.2f} spent today"


# -- which button is safe -----------------------------------------------------------------


_ADVICE: Final = {
    Health.CIRCUIT_OPEN: "Wait: the circuit probes by itself. This page has no button for it.",
    Health.DEGRADED: "Wait: probes decide in a moment. A reset would let all calls in.",
    Health.RATE_LIMITED: "No button helps: a reset never touches limits or spend.",
    Health.MAINTENANCE: "Put right what the cause says; then reset the service's errors.",
}
_NO_ADVICE: Final = "No button helps here; see what the alert says."


def _advise(report: Report, now: float) -> _Advice:
    match report.state:
        case Health.CIRCUIT_OPEN if is_isolated(report):
            return _Advice("Put right what the cause says; then reset. Nothing heals by itself.")
        case Health.CIRCUIT_OPEN | Health.UNHEALTHY if report.component == DATABASE:
            return _advise_database(report, now)
        case Health.CIRCUIT_OPEN if report.component.startswith(SERVICE_PREFIX):
            return _advise_service(report, now)
    return _Advice(_ADVICE.get(report.state, _NO_ADVICE))


def _advise_database(report: Report, now: float) -> _Advice:
    if not _answered_lately(report, now):
        return _Advice(
            "Safe: check now, it asks once. Do not reset yet: the server has not answered.",
            "check_database",
        )
    if report.state is Health.CIRCUIT_OPEN:
        return _Advice(
            "Safe: half-open. The server has just answered a check, and one call at a time probes.",
            "half_open_database",
        )
    return _Advice(_NO_ADVICE)


def _advise_service(report: Report, now: float) -> _Advice:
    if _answered_lately(report, now):
        return _Advice(
            "Safe: half-open. The provider answers checks, and one call at a time probes.",
            "half_open_service",
        )
    return _Advice("Wait: koo probes by itself. Half-open only if the provider says it is well.")


def _answered_lately(report: Report, now: float) -> bool:
    """A good check since the trouble began, not long ago."""
    check = report.check
    if check is None or not check.ok or now - check.at > _RECENT:
        return False
    return report.since is None or check.at >= report.since
