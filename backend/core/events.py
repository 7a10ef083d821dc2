"""Who listens to what happens: the journal that the page shows, the counts, and the log.

component --event--> listener --> journal.record
                             +--> counts.record
                             +--> event_log.record --> the standard library's logger "koo.events"

All of them know the application's secrets, so that none gets out.
"""

from __future__ import annotations

import logging
from typing import Final

from koo.monitoring import EventCounts, Journal, Redact, redacting
from koo.monitoring.logs import EventLog, JSONLines, TextLines
from koo.resilience import fan_out

from .config import get_settings

__all__ = ["counts", "event_log", "journal", "listener", "log_lines", "redact"]

redact: Final[Redact] = redacting(get_settings().secrets)
journal: Final = Journal(redact=redact)
counts: Final = EventCounts()
event_log: Final = EventLog(logging.getLogger("koo.events"), redact=redact)
listener: Final = fan_out(journal.record, counts.record, event_log.record)


def log_lines() -> logging.Formatter:
    """The form of the log's lines that KOO_LOG_FORMAT names."""
    form = JSONLines if get_settings().koo_log_format == "json" else TextLines
    return form(redact)
