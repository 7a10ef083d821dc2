"""The driver without a network: a statement that computes for longer than the caller has."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

from lab.figures import Figure
from lab.paired import percentile
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from koo.database import DatabaseConfig, DatabaseManager

from .place import Effort

__all__ = ["endless_statements"]

_DEADLINE = 1.0
_COUNT_TO = 30_000_000
_ENDLESS = text(
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :most)"
    " SELECT count(*) FROM c"
).bindparams(most=_COUNT_TO)


async def endless_statements(effort: Effort) -> list[Figure]:
    """How long koo and SQLAlchemy keep a caller whose second is over."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'app.db'}"
        ours = [await _koo(url) for _ in range(effort.repeats)]
        theirs = [await _sqlalchemy(url) for _ in range(effort.repeats)]
    named = (
        ("koo, `session_scope` in `asyncio.timeout`, aiosqlite", ours, "<= 1.05 s"),
        ("SQLAlchemy, aiosqlite", theirs, ""),
    )
    return [
        Figure(name, percentile(taken, 99), "s", goal, worst=max(taken), rounds=len(taken))
        for name, taken, goal in named
    ]


async def _koo(url: str) -> float:
    manager = DatabaseManager(DatabaseConfig(url=url))

    async def request() -> None:
        async with manager.session_scope() as session:
            await session.execute(_ENDLESS)

    try:
        return await _kept(request)
    finally:
        await manager.close()


async def _sqlalchemy(url: str) -> float:
    engine = create_async_engine(url)

    async def request() -> None:
        async with engine.begin() as connection:
            await connection.execute(_ENDLESS)

    try:
        return await _kept(request)
    finally:
        await engine.dispose()


async def _kept(request: Callable[[], Awaitable[None]]) -> float:
    began = perf_counter()
    try:
        async with asyncio.timeout(_DEADLINE):
            await request()
    except Exception:  # noqa: BLE001, S110 - each library has errors of its own
        pass
    return perf_counter() - began
