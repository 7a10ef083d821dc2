"""A new connection, in time.

connect -----> at most check_timeout, as much again until it is prepared
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, cast

from sqlalchemy import event
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_, greenlet_spawn

from ..config import DatabaseConfig
from ..drivers import abort, driver
from ..verdicts import as_database_error
from .understanding import is_raw, understand

__all__ = ["connect_arguments", "listen_to_dialing"]

T = TypeVar("T")

_PREPARING: Final = "koo.preparing"


def connect_arguments(config: DatabaseConfig) -> dict[str, Any]:
    """What to connect with beside the URL."""
    # Never before the time for a new connection is over, which SQLAlchemy's errors tell of.
    limit = max(config.timeout, 2 * config.check_timeout)
    return driver(config.location.get_driver_name()).arguments(limit)


def listen_to_dialing(engine: Engine, timeout: float) -> None:
    """Bound each connect of *engine* by *timeout* seconds, and understand its errors."""
    event.listen(engine, "do_connect", _dialer(timeout))
    event.listen(engine, "connect", _prepared)
    event.listen(engine, "handle_error", understand)


def _dialer(timeout: float) -> Callable[..., DBAPIConnection]:
    """What connects, in *timeout* seconds; as many again may go by until it is prepared."""

    def dial(
        dialect: Dialect,
        record: ConnectionPoolEntry,
        cargs: Sequence[Any],
        cparams: dict[str, Any],
    ) -> DBAPIConnection:
        connection = _connected(timeout, dialect, cargs, cparams)
        # What SQLAlchemy asks of a new connection has no limit of its own.
        loop, driver_connection = asyncio.get_running_loop(), connection.driver_connection
        record.info[_PREPARING] = loop.call_later(timeout, abort, driver_connection)
        return cast("DBAPIConnection", connection)

    return dial


def _connected(
    timeout: float, dialect: Dialect, cargs: Sequence[Any], cparams: dict[str, Any]
) -> Any:  # noqa: ANN401
    try:
        return await_(_in_time(timeout, dialect.connect, *cargs, **cparams))
    except TimeoutError as error:
        late = TimeoutError(f"no connection in {timeout:g} s")
        raise as_database_error(late) from error
    except Exception as error:
        if is_raw(error):
            raise as_database_error(error) from error
        raise


async def _in_time(seconds: float, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
    async with asyncio.timeout(seconds):
        return await greenlet_spawn(work, *args, **kwargs)


def _prepared(_connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    record.info.pop(_PREPARING).cancel()
