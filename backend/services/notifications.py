"""Who is told of what fires: the courier, if the settings name anybody.

monitor.standing() --> courier --> webhooks, chats        monitor.heartbeat() --> Alertmanagers
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.settings import Telling
from koo.monitoring import Monitor, Records
from koo.monitoring.notify import Courier, Retelling
from koo.resilience import detached

__all__ = ["courier_of", "delivering"]


def courier_of(telling: Telling, monitor: Monitor, records: Records) -> Courier | None:
    """The courier to whom *telling* names of what *monitor* sees; None if it names nobody."""
    if not telling:
        return None
    return Courier(
        monitor.standing,
        records.outbox,
        telling.channels,
        retellings=[Retelling(monitor.heartbeat, one) for one in telling.alertmanagers],
        mutes=records.mute_book.mutes,
    )


@asynccontextmanager
async def delivering(courier: Courier | None) -> AsyncIterator[None]:
    """Inside, people are told; what is not delivered at the end waits for the next start."""
    if courier is None:
        yield
        return
    work = detached(courier.run(), name="notifications")
    try:
        yield
    finally:
        work.cancel()
        await asyncio.wait([work])
