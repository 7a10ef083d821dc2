"""What the components are doing, in words and numbers: views, alerts, a journal, notifications.

Standard library only. Knows databases and AI services by their ``Report``.
"""

from __future__ import annotations

from . import logs, metrics, notify, rulefile, views
from .alerts import (
    INHIBITIONS,
    RULES,
    RUNBOOKS,
    Above,
    Alert,
    AlertEvent,
    AlertState,
    Below,
    Burn,
    Condition,
    Forecast,
    Increase,
    Judgement,
    Look,
    Memory,
    Notice,
    Now,
    Rises,
    Rule,
    Sample,
    Severity,
    judge,
    sample_of,
)
from .audit import Action, AuditBook, AuditEntry
from .correlation import REQUEST_ID
from .journal import Entry, EntryPage, Journal
from .metrics import EventCounts
from .monitor import Configuration, Monitor
from .naming import DATABASE, SERVICE_PREFIX, is_configured, is_lost, service_name
from .records import Records, RecordsFile
from .redaction import Redact, redact, redacted, redacted_value, redacting
from .spend import Spend, SpendBook

__all__ = [
    "DATABASE",
    "INHIBITIONS",
    "REQUEST_ID",
    "RULES",
    "RUNBOOKS",
    "SERVICE_PREFIX",
    "Above",
    "Action",
    "Alert",
    "AlertEvent",
    "AlertState",
    "AuditBook",
    "AuditEntry",
    "Below",
    "Burn",
    "Condition",
    "Configuration",
    "Entry",
    "EntryPage",
    "EventCounts",
    "Forecast",
    "Increase",
    "Journal",
    "Judgement",
    "Look",
    "Memory",
    "Monitor",
    "Notice",
    "Now",
    "Records",
    "RecordsFile",
    "Redact",
    "Rises",
    "Rule",
    "Sample",
    "Severity",
    "Spend",
    "SpendBook",
    "is_configured",
    "is_lost",
    "judge",
    "logs",
    "metrics",
    "notify",
    "redact",
    "redacted",
    "redacted_value",
    "redacting",
    "rulefile",
    "sample_of",
    "service_name",
    "views",
]
