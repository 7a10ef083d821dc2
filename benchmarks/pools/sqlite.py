"""The driver without a network: a statement that computes for longer than the caller has.

And one that waits for a lock, which another connection keeps.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter

from lab.figures import Figure
from lab.paired import percentile
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from koo.database import DatabaseConfig, DatabaseManager

from .place import Effort

__all__ = ["endless_statements"]

_DEADLINE = 1.0
_GOAL = "<= 1.05 s"
_COUNT_TO = 30_000_000
_COMPUTES = text(
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :most)"
    " SELECT count(*) FROM c"
).bindparams(most=_COUNT_TO)
_WAITS = text("INSERT INTO item VALUES (1)")


async def endless_statements(effort: Effort) -> list[Figure]:
    """How long koo and SQLAlchemy keep a caller whose second is over."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.db"
        with closing(sqlite3.connect(path)) as making:
            making.execute("CREATE TABLE item (id INTEGER)")
        figures = await _figures(path, _COMPUTES, "computes", effort)
        with _locked(path):
            figures += await _figures(path, _WAITS, "waits for a lock", effort)
    return figures


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


async def _figures(path: Path, statement: TextClause, what: str, effort: Effort) -> list[Figure]:
    figures = []
    for name, (keep, goal) in _CONTENDERS.items():
        samples = effort.samples if goal else effort.repeats
        taken = [await keep(f"sqlite+aiosqlite:///{path}", statement) for _ in range(samples)]
        p99, worst = percentile(taken, 99), max(taken)
        figures.append(Figure(f"{name}; {what}", p99, "s", goal, worst=worst, rounds=samples))
    return figures


async def _scope(url: str, statement: TextClause) -> float:
    manager = DatabaseManager(DatabaseConfig(url=url))

    async def request() -> None:
        async with manager.session_scope() as session:
            await session.execute(statement)

    try:
        return await _kept(request, _DEADLINE)
    finally:
        await manager.close()


async def _transact(url: str, statement: TextClause) -> float:
    manager = DatabaseManager(DatabaseConfig(url=url, timeout=_DEADLINE, attempt_timeout=_DEADLINE))

    async def asked(session: AsyncSession) -> None:
        await session.execute(statement)

    try:
        return await _kept(lambda: manager.transact(asked), None)
    finally:
        await manager.close()


async def _sqlalchemy(url: str, statement: TextClause) -> float:
    engine = create_async_engine(url)

    async def request() -> None:
        async with engine.begin() as connection:
            await connection.execute(statement)

    try:
        return await _kept(request, _DEADLINE)
    finally:
        await engine.dispose()


async def _kept(request: Callable[[], Awaitable[None]], limit: float | None) -> float:
    began = perf_counter()
    try:
        async with asyncio.timeout(limit):
            await request()
    except Exception:  # noqa: BLE001, S110 - each library has errors of its own
        pass
    return perf_counter() - began


_CONTENDERS: Mapping[str, tuple[Callable[[str, TextClause], Awaitable[float]], str]] = {
    "koo, `session_scope` in `asyncio.timeout`, aiosqlite": (_scope, _GOAL),
    "koo, `transact` told its timeout, aiosqlite": (_transact, _GOAL),
    "SQLAlchemy, aiosqlite": (_sqlalchemy, ""),
}
