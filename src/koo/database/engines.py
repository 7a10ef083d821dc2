"""An engine for each event loop, with our ears on it.

    running loop --first use--> engine (pooled) + asker (a fresh connection for each question)
         |
         +-- shut down by asyncio.run: closed politely, while the loop still turns
         +-- found closed at the next use: torn off, nothing is awaited

Connections belong to the loop that opened them; a second ``asyncio.run`` gets an
engine of its own. An async generator that we leave suspended is what the loop
itself closes before it ends, and so the one public place to say goodbye from.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, ExceptionContext, ExecutionContext
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool
from sqlalchemy.util import await_

from ..errors import KooError
from ..resilience import Clock
from .commit import READONLY, Scope, commit_outcome_unknown, note_answer, scope_of
from .config import DatabaseConfig
from .drivers import abort, driver
from .drivers.deadlined import Deadlined
from .drivers.server_limit import limit_statements
from .pool import HOLDING, PoolCounts, Roster, WatchedPool
from .validation import BORN, Recycled, Validation, bounded
from .verdicts import StatementTimedOut, as_database_error, error_code, proves_rollback

__all__ = ["Engines", "LoopEngine"]

_GOODBYE: Final = 2.0
_BUSY_TIMEOUT_MS: Final = 5000
_PREPARING: Final = "koo.preparing"
_DRIVERS: Final = {"asyncpg", "psycopg", "aiosqlite", "asyncmy"}
_FAILED_OVER: Final = {"25006", 1290, 1792, 1836}


@dataclass(frozen=True, slots=True)
class LoopEngine:
    """What one event loop has: the pooled engine, the asker, and who is out."""

    pooled: AsyncEngine
    asker: AsyncEngine
    roster: Roster
    goodbye: AsyncGenerator[None, None]

    def tear_off(self) -> None:
        """Drop every connection at once; the loop they belong to is closed."""
        for connection in list(self.roster.drivers.values()):
            with suppress(RuntimeError):
                abort(connection)
        self.roster.drivers.clear()
        self.roster.holdings.clear()


class Engines:
    """The engines of one manager, by event loop."""

    def __init__(self, config: DatabaseConfig, counts: PoolCounts, clock: Clock) -> None:
        self._config = config
        self._counts = counts
        self._clock = clock
        self._by_loop: dict[asyncio.AbstractEventLoop, LoopEngine] = {}

    def rosters(self) -> list[Roster]:
        """The rosters of all loops that still turn."""
        return [one.roster for loop, one in self._by_loop.items() if not loop.is_closed()]

    def current(self) -> LoopEngine:
        """The running loop's engine, made on first use."""
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        return self._opened(loop) if found is None else found

    async def close(self) -> None:
        """Close the running loop's connections; tear off those of closed loops."""
        self._bury()
        found = self._by_loop.get(asyncio.get_running_loop())
        if found is not None:
            await found.goodbye.aclose()

    def _opened(self, loop: asyncio.AbstractEventLoop) -> LoopEngine:
        self._bury()
        config = self._config
        roster = Roster(config.kept + config.overflow, self._counts, self._clock)
        pooled = _pooled_engine(config, roster)
        _listen_to_driver(pooled, config, roster)
        # Last, so that a connection counts as open only when its preparation is through.
        _listen_to_pool(pooled, roster)
        validation = Validation(config, pooled.dialect, self._clock)
        event.listen(pooled.sync_engine, "checkout", validation)
        asker = create_async_engine(
            config.url, poolclass=NullPool, hide_parameters=True, connect_args=_arguments(config)
        )
        event.listen(asker.sync_engine, "do_connect", _dialer(config.check_timeout))
        event.listen(asker.sync_engine, "connect", _prepared)
        event.listen(asker.sync_engine, "handle_error", _understand)
        goodbye = self._goodbye(loop)
        self._by_loop[loop] = LoopEngine(pooled, asker, roster, goodbye)
        # Runs to the first yield without suspending; only then does the loop know of it.
        with suppress(StopIteration):
            goodbye.__anext__().send(None)
        return self._by_loop[loop]

    async def _goodbye(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            gone = self._by_loop.pop(loop)
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE):
                    await gone.pooled.dispose()
            gone.tear_off()

    def _bury(self) -> None:
        for loop in [loop for loop in self._by_loop if loop.is_closed()]:
            self._by_loop.pop(loop).tear_off()


def _pooled_engine(config: DatabaseConfig, roster: Roster) -> AsyncEngine:
    return create_async_engine(
        config.url,
        poolclass=WatchedPool,
        pool_size=config.kept,
        max_overflow=config.overflow,
        pool_timeout=config.pool_timeout,
        roster=roster,
        hide_parameters=True,
        connect_args=_arguments(config),
    )


def _arguments(config: DatabaseConfig) -> dict[str, Any]:
    # Never before the time for a new connection is over, which SQLAlchemy's errors tell of.
    limit = max(config.timeout, 2 * config.check_timeout)
    return driver(config.location.get_driver_name()).arguments(limit)


# -- what the pool tells ------------------------------------------------------------


def _listen_to_pool(engine: AsyncEngine, roster: Roster) -> None:
    listen = partial(event.listen, engine.sync_engine)
    counts = roster.counts

    def opened(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        counts.created.add()
        record.info[BORN] = roster.clock.monotonic()
        roster.drivers[id(connection)] = record.driver_connection

    def closed(connection: DBAPIConnection, _record: object = None) -> None:
        counts.closed.add()
        roster.drivers.pop(id(connection), None)

    def returned(_connection: object, record: ConnectionPoolEntry) -> None:
        holding = record.record_info and record.record_info.pop(HOLDING, None)
        if holding:
            roster.take_back(holding)

    def invalidated(_connection: object, _record: object, error: BaseException | None) -> None:
        (counts.recycled if isinstance(error, Recycled) else counts.invalidated).add()

    listen("connect", opened)
    listen("connect", _prepared)
    listen("close", closed)
    listen("close_detached", closed)
    listen("checkin", returned)
    listen("detach", returned)
    listen("invalidate", invalidated)


# -- what the driver does: in time, and with errors that can be told apart -----------


def _listen_to_driver(engine: AsyncEngine, config: DatabaseConfig, roster: Roster) -> None:
    listen = partial(event.listen, engine.sync_engine)
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
        started = roster.clock.monotonic()
        try:
            limit.run(context, work, *args)
        except TimeoutError as error:
            raise StatementTimedOut(
                f"database: no answer to a statement in {config.timeout:g} s;"
                " make it cheaper, or allow more time"
            ) from error
        roster.counts.response_time.record(roster.clock.monotonic() - started)
        note_answer(context.execution_options)
        return True

    listen("do_connect", _dialer(config.check_timeout))
    listen("do_execute", execute)
    listen("do_executemany", execute_many)
    listen("do_execute_no_params", execute_plain)
    listen("commit", _note_commit)
    listen("handle_error", _understand)
    match engine.dialect.name:
        case "postgresql":
            limit_statements(engine.sync_engine, roster.clock)
        case "sqlite":
            listen("connect", _prepare_sqlite)
            listen("begin", _begin_sqlite)
        case _:  # mysql, mariadb
            listen("begin", _begin_mysql)


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
        return await_(bounded(timeout, dialect.connect, *cargs, **cparams))
    except TimeoutError as error:
        late = TimeoutError(f"no connection in {timeout:g} s")
        raise as_database_error(late) from error
    except Exception as error:
        if _is_raw(error):
            raise as_database_error(error) from error
        raise


def _prepared(_connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    record.info.pop(_PREPARING).cancel()


def _is_raw(error: Exception) -> bool:
    """Whether a driver let this through untranslated."""
    foreign = type(error).__module__.partition(".")[0] in _DRIVERS
    return foreign or (isinstance(error, OSError) and not isinstance(error, KooError))


def _note_commit(connection: Connection) -> None:
    scope = scope_of(connection)
    if scope is not None and not scope.readonly:
        scope.committing = True


def _understand(context: ExceptionContext) -> BaseException | None:
    """Give a raw error a name, keep the damage to one connection, doubt a lost COMMIT."""
    scope = scope_of(context.connection)
    known = context.sqlalchemy_exception or context.original_exception
    error: BaseException = known
    context.invalidate_pool_on_disconnect = False
    if not isinstance(known, Exception):
        _let_go(context.connection)
    if isinstance(known, Exception) and _is_raw(known):
        error = lost = as_database_error(known)
        lost.connection_invalidated = context.is_disconnect = True
    if error_code(error) in _FAILED_OVER and not (scope and scope.readonly):
        context.is_disconnect = context.invalidate_pool_on_disconnect = True
    if scope is not None and scope.may_commit:
        error = _doubt(error, scope)
    return None if error is known else error


def _let_go(connection: Connection | None) -> None:
    """Nobody waits any more: end it at once, before SQLAlchemy says a polite goodbye."""
    if connection is not None and not connection.closed and not connection.invalidated:
        abort(connection.connection.driver_connection)


def _doubt(error: BaseException, scope: Scope) -> BaseException:
    scope.committing = False
    if not isinstance(error, Exception):
        scope.in_doubt = True
        return error
    return error if proves_rollback(error) else commit_outcome_unknown()


# -- what a dialect needs before its first statement ---------------------------------


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # sqlite3 would otherwise begin only before the first write, and reads would see no snapshot.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    readonly = bool(options.get(READONLY))
    if connection.info.setdefault(READONLY, False) is not readonly:
        connection.exec_driver_sql(f"PRAGMA query_only = {int(readonly)}")
        connection.info[READONLY] = readonly
    if options.get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN")


def _begin_mysql(connection: Connection) -> None:
    if connection.get_execution_options().get(READONLY):
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
