"""A small shop that uses the platform as its documentation says: orders, reports, questions.

customers --transactional_with_retry--> orders        clerks --query_ai--> four services
readers, and now and then a rush --session_scope--> sums
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import db_manager, transactional_with_retry
from core.exceptions import KooError
from koo.resilience import RANDOM, Clock
from services.hybrid_ai_manager import ExternalServiceError, query_ai

__all__ = ["use_database", "use_services"]

_TABLE: Final = text(
    "CREATE TABLE IF NOT EXISTS demo_orders ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " customer integer NOT NULL, cents integer NOT NULL CHECK (cents > 0))"
)
_INSERT: Final = text("INSERT INTO demo_orders (customer, cents) VALUES (:customer, :cents)")
_FORGET: Final = text(
    "DELETE FROM demo_orders WHERE id < (SELECT max(id) - 10000 FROM demo_orders)"
)
_SUM: Final = text("SELECT count(*), sum(cents) FROM demo_orders")
_SLOW_SUM: Final = text("SELECT count(*), sum(cents), pg_sleep(0.3) FROM demo_orders GROUP BY ()")

_CUSTOMERS: Final = 4
_READERS: Final = 2
_RUSH: Final = 14
#: Seconds between the questions of one busy clerk; each service has two.
_PACES: Final = {"claude": 3.0, "openai": 2.0, "gemini": 3.5, "perplexity": 4.0}
_CLERKS: Final = 2
#: The first seconds of every five minutes are busy; then questions come ten times as slowly.
#: All in all fewer than 15 a minute, so that an hour stays below its limit of 1,000 requests.
_SHIFT: Final = 300.0
_BUSY: Final = 50.0
_LULL: Final = 10.0
_QUESTION: Final = "Summarize what customer {} has ordered, in two sentences."

_Work = Callable[[], Awaitable[None]]


async def use_database(*, clock: Clock) -> None:
    """Order, read and rush until cancelled, whatever the database says."""
    await _patiently(_make_table, clock)
    async with asyncio.TaskGroup() as tasks:
        for customer in range(_CUSTOMERS):
            tasks.create_task(_repeat(_ordering(customer), 0.4, clock))
        for _ in range(_READERS):
            tasks.create_task(_repeat(_read, 0.2, clock))
        tasks.create_task(_repeat(_rush, 12.0, clock))
        tasks.create_task(_repeat(_forget, 30.0, clock))
        tasks.create_task(_repeat(_order_nothing, 15.0, clock))


async def use_services(*, clock: Clock) -> None:
    """Ask the four services until cancelled, whatever they answer."""
    async with asyncio.TaskGroup() as tasks:
        for service in _PACES:
            for _ in range(_CLERKS):
                tasks.create_task(_ask_in_shifts(service, clock))


async def _ask_in_shifts(service: str, clock: Clock) -> None:
    opened, ask = clock.monotonic(), _asking(service)
    while True:
        is_busy = (clock.monotonic() - opened) % _SHIFT < _BUSY
        pace = _PACES[service] * (1.0 if is_busy else _LULL)
        await clock.sleep(pace * (0.5 + RANDOM()))
        await _once(ask)


async def _repeat(work: _Work, pace: float, clock: Clock) -> None:
    while True:
        await clock.sleep(pace * (0.5 + RANDOM()))
        await _once(work)


async def _patiently(work: _Work, clock: Clock) -> None:
    while not await _once(work):
        await clock.sleep(1.0)


async def _once(work: _Work) -> bool:
    """Do *work*; False if it failed, which the platform has counted and the page shows."""
    try:
        await work()
    except (KooError, SQLAlchemyError):
        return False
    return True


@transactional_with_retry(max_retries=5)
async def place_order(session: AsyncSession, customer: int, cents: int) -> None:
    """Keep one order."""
    await session.execute(_INSERT, {"customer": customer, "cents": cents})


@transactional_with_retry()
async def _make_table(session: AsyncSession) -> None:
    await session.execute(_TABLE)


@transactional_with_retry()
async def _forget(session: AsyncSession) -> None:
    await session.execute(_FORGET)


def _ordering(customer: int) -> _Work:
    async def order() -> None:
        await place_order(customer, 100 + int(RANDOM() * 9_900))

    return order


async def _order_nothing() -> None:
    """An order for nothing, which breaks a constraint: never retried, nobody's outage."""
    await place_order(0, 0)


async def _read() -> None:
    async with db_manager.session_scope() as session:
        await session.execute(_SUM)


async def _rush() -> None:
    """More readers at once than the pool keeps connections."""
    await asyncio.gather(*(_once(_read_slowly) for _ in range(_RUSH)))


async def _read_slowly() -> None:
    async with db_manager.session_scope() as session:
        await session.execute(_SLOW_SUM)


def _asking(service: str) -> _Work:
    async def ask() -> None:
        try:
            await query_ai(service, _QUESTION.format(int(RANDOM() * 1000)), max_tokens=300)
        except ExternalServiceError:
            return

    return ask
