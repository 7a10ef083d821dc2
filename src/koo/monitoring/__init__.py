"""What the components are doing, in words and numbers: views, alerts, a journal.

Standard library only. Knows databases and AI services by their ``Report``.
"""

from __future__ import annotations

from . import views
from .alerts import Alert, AlertState, Notice, find_alerts
from .findings import Finding
from .journal import Entry, Journal
from .monitor import Configuration, Monitor
from .naming import DATABASE, SERVICE_PREFIX, is_configured, is_lost, service_name
from .rules import RULES, RUNBOOKS, Rule, Severity

__all__ = [
    "DATABASE",
    "RULES",
    "RUNBOOKS",
    "SERVICE_PREFIX",
    "Alert",
    "AlertState",
    "Configuration",
    "Entry",
    "Finding",
    "Journal",
    "Monitor",
    "Notice",
    "Rule",
    "Severity",
    "find_alerts",
    "is_configured",
    "is_lost",
    "service_name",
    "views",
]
