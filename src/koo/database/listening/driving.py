"""What the driver does, in time.

connect -----> at most check_timeout, as much again until it is prepared
statement ---> at most timeout, then it is torn off: StatementTimedOut
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine, ExecutionContext
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_, greenlet_spawn

from ...resilience import Clock, Histogram
from ..commit import note_answer, scope_of
from ..config import DatabaseConfig
from ..drivers import abort, driver
from ..drivers.deadlined import Deadlined
from ..drivers.server_limit import limit_statements
from ..verdicts import StatementTimedOut, as_database_error
from .dialects import prepare_dialect
from .understanding import is_raw, understand

__all__ = ["connect_arguments", "listen_to_dialing", "listen_to_driver"]

T = TypeVar("T")

_PREPARING: Final = "koo.preparing"


def connect_arguments(config: DatabaseConfig) -> dict[str, Any]:
    """What to connect with beside the URL."""
    # Never before the time for a new connection is over, which SQLAlchemy's errors tell of.
    limit = max(config.timeout, 2 * config.check_timeout)
    return driver(config.location.get_driver_name()).arguments(limit)


def listen_to_driver(
    engine: Engine, config: DatabaseConfig, clock: Clock, response_time: Histogram
) -> None:
    """Keep the statements of *engine* in time and count them; understand what goes wrong."""
    listen = partial(event.listen, engine)
    limit = Deadlined(config.timeout, _tear_off)

    def execute(
        cursor: DBAPICursor, statement: str, parameters: Sequence[Any], context: ExecutionContext
    ) -> bool:
        return answered(context, cursor.execute, statement, parameters)

    def execute_many(
        cursor: DBAPICursor, statement: str, parameters: Sequence[Any], context: ExecutionContext
    ) -> bool:
        return answered(context, cursor.executemany, statement, parameters)

    def execute_plain(cursor: DBAPICursor, statement: str, context: ExecutionContext) -> bool:
        return answered(context, cursor.execute, statement)

    def answered(context: ExecutionContext, work: Any, *args: Any) -> bool:  # noqa: ANN401
        started = clock.monotonic()
        try:
            limit.run(context, work, *args)
        except TimeoutError as error:
            raise StatementTimedOut(
                f"database: no answer to a statement in {config.timeout:g} s;"
                " make it cheaper, or allow more time"
            ) from error
        response_time.record(clock.monotonic() - started)
        note_answer(context.execution_options)
        return True

    listen("do_execute", execute)
    listen("do_executemany", execute_many)
    listen("do_execute_no_params", execute_plain)
    listen("commit", _note_commit)
    if engine.dialect.name == "postgresql":
        limit_statements(engine, clock)
    prepare_dialect(engine)
    # Last, so that a connection counts as prepared only when everybody is through with it.
    listen_to_dialing(engine, config.check_timeout)


def listen_to_dialing(engine: Engine, timeout: float) -> None:
    """Bound each connect of *engine* by *timeout* seconds, and understand its errors."""
    event.listen(engine, "do_connect", _dialer(timeout))
    event.listen(engine, "connect", _prepared)
    event.listen(engine, "handle_error", understand)


def _tear_off(context: ExecutionContext) -> None:
    abort(context.root_connection.connection.driver_connection)


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


def _note_commit(connection: Connection) -> None:
    scope = scope_of(connection)
    if scope is not None and not scope.readonly:
        scope.committing = True
