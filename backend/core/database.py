"""The platform's database.

    async with db_manager.session_scope() as session:
        result = await session.execute(query)

One pool for the process, built from the settings, connected on first use.
How it works: :mod:`koo.database`; its numbers: `core.config`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from koo.database import DatabaseManager
from koo.monitoring import redacted, views
from koo.resilience import SYSTEM_CLOCK, Clock, Health, Listener, Report

from .answers import DatabaseHealth, DetailedStatus, PoolMetrics
from .config import Settings, get_settings
from .events import listener, redact

__all__ = ["Database", "check_database_health", "db_manager", "transactional_with_retry"]

P = ParamSpec("P")
T = TypeVar("T")


class Database(DatabaseManager):
    """The database of *settings*, which also reports as plain dicts."""

    def __init__(
        self, settings: Settings, *, on_event: Listener, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        super().__init__(settings.database, on_event=on_event, clock=clock)
        self._settings = settings

    def report(self) -> Report:
        """How it is doing, without secrets. Only looks."""
        return redacted(super().report(), redact)

    @property
    def circuit_breaker_state(self) -> Health:
        """The documented state: healthy, unhealthy, circuit_open or degraded."""
        return self.report().state

    async def health_check(self) -> DatabaseHealth:
        """Ask the database now, or join whoever is asking. Never raises because of the answer."""
        return self._health(await self.check())

    def get_pool_metrics(self) -> PoolMetrics:
        """What the pool has counted. Only looks."""
        metrics: PoolMetrics = views.plain(views.pool_metrics(self.report(), self._clock.time()))
        return metrics

    async def get_detailed_status(self) -> DetailedStatus:
        """Health, metrics, configuration and holders of connections. Only looks."""
        shown, now = self._settings.shown(), self._clock.time()
        status: DetailedStatus = views.plain(views.detailed_status(self.report(), shown, now))
        return status

    def reset_circuit_breaker(self) -> None:
        """Close the circuit, ramped, and clear the counts."""
        self.reset()

    def _health(self, report: Report) -> DatabaseHealth:
        health: DatabaseHealth = views.plain(views.database_health(report, self._clock.time()))
        return health


db_manager: Final = Database(get_settings(), on_event=listener)


def transactional_with_retry(
    max_retries: int | None = None,
    *,
    isolation_level: str | None = None,
    readonly: bool = False,
) -> Callable[
    [Callable[Concatenate[AsyncSession, P], Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]
]:
    """A decorator for ``async def f(session, ...)``: call it without the session.

    It runs in a transaction, again after transient failures: at most *max_retries* + 1
    times (default: DB_MAX_RETRIES), never when something may have been committed.
    The options are those of ``session_scope``.
    """
    return db_manager.transactional(max_retries, isolation_level=isolation_level, readonly=readonly)


async def check_database_health() -> DatabaseHealth:
    """Ask the database now. Never raises because of the answer."""
    return await db_manager.health_check()
