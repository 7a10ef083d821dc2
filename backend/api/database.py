"""Which database answers: the one route of the platform that needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Depends
from sqlalchemy import func, select

from core.database import db_manager

__all__ = ["DatabaseVersion", "database_router"]

#: The ping, a new connection and the statement may each take one check's time. Less would
#: give up before the circuit breaker learns what is wrong.
_PATIENCE: Final = 3


@dataclass(frozen=True, slots=True)
class DatabaseVersion:
    """The kind of the database, and what it calls itself."""

    dialect: str
    version: str


async def version() -> DatabaseVersion:
    """Ask the database who it is; 503 and Retry-After while it can't be had."""
    dialect = db_manager.engine.dialect.name
    name = func.sqlite_version() if dialect == "sqlite" else func.version()
    async with (
        asyncio.timeout(_PATIENCE * db_manager.config.check_timeout),
        db_manager.session_scope(readonly=True) as session,
    ):
        answer = (await session.execute(select(name))).scalar_one()
    return DatabaseVersion(dialect, str(answer))


def database_router(looks: Callable[..., Awaitable[None]]) -> APIRouter:
    """`/api/v1/database`, for those whom *looks* lets pass."""
    router = APIRouter(prefix="/api/v1/database", tags=["database"])
    router.add_api_route("/version", version, dependencies=[Depends(looks)])
    return router
