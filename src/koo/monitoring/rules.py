"""The alert rules, as data.

A rule looks at one report and finds something or not. Where it compares with a
limit it fires at one share and clears at a lower one, so that an alert at the
edge does not flap. The runbook of a rule is a section of docs/runbooks.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..resilience import Report
from .findings import (
    Finding,
    find_budget_near,
    find_budget_spent,
    find_circuit_open,
    find_limit_near,
    find_limit_reached,
    find_out_of_service,
    find_pool_near,
    find_recovering,
    find_unavailable,
    find_unhealthy,
)

__all__ = ["RULES", "RUNBOOKS", "Rule", "Severity"]


class Severity(StrEnum):
    """How soon somebody should look."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


Find = Callable[[Report, float], Finding | None]

_ANCHORS: Final = (
    "database-circuit-open",
    "database-unavailable",
    "database-recovering",
    "database-unhealthy",
    "pool-nearly-exhausted",
    "service-circuit-open",
    "service-unavailable",
    "service-recovering",
    "service-unhealthy",
    "service-out-of-service",
    "rate-limit-reached",
    "rate-limit-near",
    "budget-spent",
    "budget-near",
    "recovered",
    "configuration-changed",
)
RUNBOOKS: Final = {anchor: f"docs/runbooks.md#{anchor}" for anchor in _ANCHORS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row: for which *kind* of component, how urgent, how to find it, what to do.

    *hold*: seconds that a finding must last before it fires.
    """

    kind: str
    name: str
    severity: Severity
    title: str
    advice: str
    runbook: str
    find: Find
    hold: float = 0.0
    fire_at: float = 0.8
    clear_at: float = 0.7


RULES: Final = (
    Rule(
        kind="database",
        name="circuit-open",
        severity=Severity.CRITICAL,
        title="Database circuit open",
        advice="see that the server runs and answers; koo probes by itself and closes when it does",
        runbook=RUNBOOKS["database-circuit-open"],
        find=find_circuit_open,
    ),
    Rule(
        kind="database",
        name="out-of-service",
        severity=Severity.CRITICAL,
        title="Database out of service",
        advice="put right what the cause says, then reset the circuit; it does not heal by itself",
        runbook=RUNBOOKS["database-circuit-open"],
        find=find_out_of_service,
    ),
    Rule(
        kind="database",
        name="unavailable",
        severity=Severity.CRITICAL,
        title="Database unavailable",
        advice="check the server, the network and the address, then check health again",
        runbook=RUNBOOKS["database-unavailable"],
        find=find_unavailable,
    ),
    Rule(
        kind="database",
        name="degraded",
        severity=Severity.WARNING,
        title="Database recovering",
        advice="wait for the probes; reset only if you know that the server is well",
        runbook=RUNBOOKS["database-recovering"],
        find=find_recovering,
    ),
    Rule(
        kind="database",
        name="unhealthy",
        severity=Severity.WARNING,
        title="Database unhealthy",
        advice="read the error counts; the circuit opens if this goes on",
        runbook=RUNBOOKS["database-unhealthy"],
        find=find_unhealthy,
    ),
    Rule(
        kind="database",
        name="pool-near",
        severity=Severity.WARNING,
        title="Connection pool nearly exhausted",
        advice="look at who holds connections longest, then at the pool's size",
        runbook=RUNBOOKS["pool-nearly-exhausted"],
        find=find_pool_near,
        hold=5.0,
    ),
    Rule(
        kind="ai",
        name="circuit-open",
        severity=Severity.CRITICAL,
        title="Circuit open",
        advice="see the provider's status page; koo probes by itself, other services are untouched",
        runbook=RUNBOOKS["service-circuit-open"],
        find=find_circuit_open,
    ),
    Rule(
        kind="ai",
        name="unavailable",
        severity=Severity.CRITICAL,
        title="Service unavailable",
        advice="check the provider's status, the key and the address",
        runbook=RUNBOOKS["service-unavailable"],
        find=find_unavailable,
    ),
    Rule(
        kind="ai",
        name="degraded",
        severity=Severity.WARNING,
        title="Service recovering",
        advice="wait for the probes; reset only if the provider says that it is well",
        runbook=RUNBOOKS["service-recovering"],
        find=find_recovering,
    ),
    Rule(
        kind="ai",
        name="unhealthy",
        severity=Severity.WARNING,
        title="Service unhealthy",
        advice="read the error counts; the circuit opens if this goes on",
        runbook=RUNBOOKS["service-unhealthy"],
        find=find_unhealthy,
    ),
    Rule(
        kind="ai",
        name="out-of-service",
        severity=Severity.CRITICAL,
        title="Out of service",
        advice="put right what the cause says, then reset its errors; it does not heal by itself",
        runbook=RUNBOOKS["service-out-of-service"],
        find=find_out_of_service,
    ),
    Rule(
        kind="ai",
        name="limit-reached",
        severity=Severity.WARNING,
        title="Rate limit reached",
        advice="wait for the window to move on, or raise the limit if the provider allows more",
        runbook=RUNBOOKS["rate-limit-reached"],
        find=find_limit_reached,
    ),
    Rule(
        kind="ai",
        name="limit-near",
        severity=Severity.WARNING,
        title="Approaching the rate limit",
        advice="slow the callers down, or raise the limit if the provider allows more",
        runbook=RUNBOOKS["rate-limit-near"],
        find=find_limit_near,
    ),
    Rule(
        kind="ai",
        name="budget-spent",
        severity=Severity.WARNING,
        title="Daily budget spent",
        advice="use another service until the day ends, or raise the budget and restart",
        runbook=RUNBOOKS["budget-spent"],
        find=find_budget_spent,
    ),
    Rule(
        kind="ai",
        name="budget-near",
        severity=Severity.WARNING,
        title="Approaching the daily budget",
        advice="see what spends it; calls are refused when it is gone",
        runbook=RUNBOOKS["budget-near"],
        find=find_budget_near,
    ),
)
