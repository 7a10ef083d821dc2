"""What the platform says about itself; the endpoints of :mod:`koo.web` say the same."""

from __future__ import annotations

from typing import Final

from core.ai_error_handling import ai_error_handler
from core.answers import SystemHealth
from core.config import get_settings
from core.database import db_manager
from core.events import counts, event_log, journal, redact
from core.state import archive, records
from koo.monitoring import Monitor, RecordsFile, views
from services.notifications import courier_of

__all__ = ["courier", "get_system_health", "monitor"]

monitor: Final = Monitor(
    (db_manager, *ai_error_handler.services.values()),
    journal=journal,
    counts=counts,
    configuration=get_settings().shown,
    rules=get_settings().alert_rules,
    on_alert=event_log.record_alert,
    mutes=records.mute_book.mutes,
    redact=redact,
)
monitor.add(RecordsFile(archive))
courier: Final = courier_of(get_settings().telling, monitor, records)
if courier is not None:
    monitor.add(courier)


async def get_system_health() -> SystemHealth:
    """The health of everything. Only looks."""
    health: SystemHealth = views.plain(monitor.system_health())
    return health
