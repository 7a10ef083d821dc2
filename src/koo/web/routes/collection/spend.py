"""``/api/v1/monitoring/spend``: what AI services have cost on each of the last ninety days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ....monitoring import SpendBook
from ....monitoring.views import spend_views
from ...answers import SpendAnswer
from ...desk import Desk
from ..texts import LOOKING, WRONG_QUERY

__all__ = ["spend_router"]

_Days = Annotated[int, Query(ge=1, le=90, description="How many days, today included.")]


@dataclass(frozen=True, slots=True)
class _SpendRoutes:
    desk: Desk
    book: SpendBook

    async def spend(self, days: _Days = 30) -> SpendAnswer:
        """What was spent, by day (UTC), service and model, the latest day first."""
        spends = await self.book.days(days)
        return SpendAnswer("USD", spend_views(spends), self.desk.now())


def spend_router(desk: Desk, book: SpendBook) -> APIRouter:
    """The spend in *book*."""
    router = APIRouter(prefix="/api/v1/monitoring", tags=["monitoring"])
    looks = [Depends(desk.doors.looks)]
    routes = _SpendRoutes(desk, book)
    responses = LOOKING | WRONG_QUERY
    router.add_api_route("/spend", routes.spend, dependencies=looks, responses=responses)
    return router
