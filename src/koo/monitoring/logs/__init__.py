"""What happened, as lines of the standard library's log.

event, alert --EventLog--> logger "koo.events" --handler--> JSONLines or TextLines
"""

from __future__ import annotations

from .event_log import EventLog
from .lines import JSONLines, TextLines

__all__ = ["EventLog", "JSONLines", "TextLines"]
