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
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_, greenlet_spawn

from ..errors import KooError
from .commit import READONLY, Scope, commit_outcome_unknown, scope_of
from .config import DatabaseConfig
from .pool import Keeper, Terms, WatchedPool, doubt_after, ending
from .verdicts import StatementTimedOut, as_database_error, error_code, proves_rollback

__all__ = ["Engines", "LoopEngine"]

T = TypeVar("T")

_GOODBYE: Final = 2.0
_BUSY_TIMEOUT_MS: Final = 5000
_DRIVERS: Final = {"asyncpg", "psycopg", "aiosqlite", "asyncmy"}
_FAILED_OVER: Final = {"25006", 1290, 1836}


@dataclass(frozen=True, slots=True)
class LoopEngine:
    """What one event loop has: the pooled engine, the asker, and who keeps the pool."""

    pooled: AsyncEngine
    asker: AsyncEngine
    keeper: Keeper
    goodbye: AsyncGenerator[None, None]


class Engines:
    """The engines of one manager, by event loop."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._by_loop: dict[asyncio.AbstractEventLoop, LoopEngine] = {}

    def keepers(self) -> list[Keeper]:
        """The keepers of all loops that still turn."""
        return [one.keeper for loop, one in self._by_loop.items() if not loop.is_closed()]

    def current(self) -> LoopEngine:
        """The running loop's engine, made on first use."""
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        return self._opened(loop) if found is None else found

    def resize(self, config: DatabaseConfig) -> None:
        """Make the pools of all loops as large as *config* says, each on its own loop."""
        self._terms = replace(self._terms, config=config)
        for keeper in self.keepers():
            keeper.loop.call_soon_threadsafe(ending.resize, keeper, config.kept, config.overflow)

    def doubt(self) -> None:
        """The server may be gone: ask it before an idle connection is lent again."""
        for keeper in self.keepers():
            keeper.doubt_all()

    def forgive(self) -> None:
        """The server is back: dial without waiting for the next try's time."""
        for keeper in self.keepers():
            keeper.growth.forgive()

    async def close(self) -> None:
        """Close the running loop's connections; tear off those of closed loops."""
        self._bury()
        found = self._by_loop.get(asyncio.get_running_loop())
        if found is not None:
            await found.goodbye.aclose()

    def _opened(self, loop: asyncio.AbstractEventLoop) -> LoopEngine:
        self._bury()
        config = self._terms.config
        pooled = _pooled_engine(self._terms)
        _listen_to_driver(pooled, self._terms)
        event.listen(pooled.sync_engine, "handle_error", doubt_after)
        asker = create_async_engine(config.url, poolclass=NullPool, hide_parameters=True)
        event.listen(asker.sync_engine, "do_connect", partial(_dial, config.check_timeout))
        event.listen(asker.sync_engine, "handle_error", _understand)
        goodbye = self._goodbye(loop)
        keeper = cast("WatchedPool", pooled.sync_engine.pool).keeper
        self._by_loop[loop] = LoopEngine(pooled, asker, keeper, goodbye)
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
            gone.keeper.tear_off()

    def _bury(self) -> None:
        for loop in [loop for loop in self._by_loop if loop.is_closed()]:
            self._by_loop.pop(loop).keeper.tear_off()


def _pooled_engine(terms: Terms) -> AsyncEngine:
    config = terms.config
    return create_async_engine(
        config.url,
        poolclass=WatchedPool,
        pool_size=config.kept,
        max_overflow=config.overflow,
        pool_timeout=config.pool_timeout,
        terms=terms,
        hide_parameters=True,
    )


# -- what the driver does: in time, and with errors that can be told apart -----------


def _listen_to_driver(engine: AsyncEngine, terms: Terms) -> None:
    config, clock = terms.config, terms.clock
    listen = partial(event.listen, engine.sync_engine)

    def execute(
        cursor: DBAPICursor, statement: str, parameters: Sequence[Any], _context: object
    ) -> bool:
        return answered(cursor.execute, statement, parameters)

    def execute_many(
        cursor: DBAPICursor, statement: str, parameters: Sequence[Any], _context: object
    ) -> bool:
        return answered(cursor.executemany, statement, parameters)

    def execute_plain(cursor: DBAPICursor, statement: str, _context: object) -> bool:
        return answered(cursor.execute, statement)

    def answered(work: Any, *args: Any) -> bool:  # noqa: ANN401
        started = clock.monotonic()
        try:
            await_(_bounded(config.timeout, work, *args))
        except TimeoutError as error:
            raise StatementTimedOut(
                f"database: no answer to a statement in {config.timeout:g} s;"
                " make it cheaper, or allow more time"
            ) from error
        terms.counts.response_time.record(clock.monotonic() - started)
        return True

    listen("do_connect", partial(_dial, config.check_timeout))
    listen("do_execute", execute)
    listen("do_executemany", execute_many)
    listen("do_execute_no_params", execute_plain)
    listen("commit", _note_commit)
    listen("handle_error", _understand)
    match engine.dialect.name:
        case "sqlite":
            listen("connect", _prepare_sqlite)
            listen("begin", _begin_sqlite)
        case "mysql" | "mariadb":
            listen("begin", _begin_mysql)


def _dial(
    timeout: float,
    dialect: Dialect,
    _record: object,
    cargs: Sequence[Any],
    cparams: dict[str, Any],
) -> DBAPIConnection:
    try:
        return await_(_bounded(timeout, dialect.connect, *cargs, **cparams))
    except TimeoutError as error:
        late = TimeoutError(f"no connection in {timeout:g} s")
        raise as_database_error(late) from error
    except Exception as error:
        if _is_raw(error):
            raise as_database_error(error) from error
        raise


async def _bounded(seconds: float, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
    async with asyncio.timeout(seconds):
        return await greenlet_spawn(work, *args, **kwargs)


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
    if isinstance(known, Exception) and _is_raw(known):
        error = lost = as_database_error(known)
        lost.connection_invalidated = context.is_disconnect = True
    if error_code(error) in _FAILED_OVER and not (scope and scope.readonly):
        context.is_disconnect = context.invalidate_pool_on_disconnect = True
    if scope is not None and scope.committing:
        error = _doubt(error, scope)
    return None if error is known else error


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
