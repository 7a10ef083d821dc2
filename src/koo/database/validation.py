"""Whether a pooled connection may be lent: not too old, and it answers.

    to be lent --fresh----------------------------> yes
        +------older than pool_recycle------------> replaced
        +------pinged, at most check_timeout: answers -> yes
                                              silent  -> torn off, replaced

A ping without a bound hangs on a half-open connection for as long as the network
pleases, and tearing the connection off first saves the two seconds of a polite
goodbye to somebody who is gone. Only this one connection is replaced: the others
are asked when it is their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import exc
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_, greenlet_spawn

from ..resilience import Clock
from .config import DatabaseConfig

__all__ = ["BORN", "Recycled", "Validation", "abort", "bounded"]

#: The key under which a connection remembers when it was opened (monotonic seconds).
BORN: Final = "koo.born"
_LENT: Final = "koo.lent"

T = TypeVar("T")


class Recycled(exc.DisconnectionError):
    """The connection was replaced because of its age; nothing is wrong with it."""


class Validation:
    """The check at every checkout, as a listener for SQLAlchemy's ``checkout`` event."""

    def __init__(self, config: DatabaseConfig, dialect: Dialect, clock: Clock) -> None:
        self._lifetime = config.pool_recycle
        self._timeout = config.check_timeout
        self._dialect = dialect
        self._clock = clock

    def __call__(
        self, connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object
    ) -> None:
        """Pass, or raise DisconnectionError: SQLAlchemy then replaces the connection."""
        if not record.info.setdefault(_LENT, False):
            record.info[_LENT] = True
            return
        age = self._clock.monotonic() - record.info[BORN]
        if 0 < self._lifetime < age:
            raise Recycled("the connection has reached its age")
        self._ping(connection, record)

    def _ping(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        try:
            await_(bounded(self._timeout, self._dialect.do_ping, connection))
        except (self._dialect.loaded_dbapi.Error, OSError) as error:
            abort(record.driver_connection)
            raise exc.DisconnectionError("the connection did not answer a ping") from error


async def bounded(seconds: float, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
    """What the blocking-style *work* returns within *seconds*. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        return await greenlet_spawn(work, *args, **kwargs)


def abort(driver: object) -> None:
    """Tear a driver's connection off without a word to the server, and without waiting."""
    match type(driver).__module__.partition(".")[0]:
        case "asyncpg":
            driver.terminate()  # type: ignore[attr-defined]
        case "psycopg":
            driver.pgconn.finish()  # type: ignore[attr-defined]
        case "asyncmy":
            driver.close()  # type: ignore[attr-defined]
