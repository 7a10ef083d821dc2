"""``/api/v1/monitoring/events``: what changed, page after page, for who keeps a copy.

GET events ------------------> the newest, and a cursor
GET events?after=<cursor> ---> what has come since, and the next cursor; again and again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from ....monitoring.views import event_views
from ...answers import EventsAnswer
from ...desk import Desk
from ...problems import Problem
from ..texts import LOOKING, WRONG_QUERY

__all__ = ["event_router"]

_MOST: Final = 500

_Limit = Annotated[int, Query(ge=1, le=_MOST, description="How many at most.")]
_After = Annotated[
    str | None, Query(max_length=64, description="The cursor of the page before; none to begin.")
]


@dataclass(frozen=True, slots=True)
class _Events:
    desk: Desk

    async def events(self, after: _After = None, limit: _Limit = 100) -> EventsAnswer:
        """What changed after a cursor, oldest first; without one the newest.

        `gap` says that some are missing: too many came, or the process has started anew.
        """
        try:
            page = self.desk.monitor.journal.read(after, limit)
        except ValueError:
            detail = "after is no cursor of ours; take one from a page, or none to begin"
            raise Problem(422, "unknown_cursor", detail) from None
        views = event_views(page.entries)
        return EventsAnswer(views, page.cursor, page.has_gap, self.desk.now())


def event_router(desk: Desk) -> APIRouter:
    """The journal in pages."""
    router = APIRouter(prefix="/api/v1/monitoring", tags=["monitoring"])
    looks = [Depends(desk.doors.looks)]
    responses = LOOKING | WRONG_QUERY
    router.add_api_route("/events", _Events(desk).events, dependencies=looks, responses=responses)
    return router
