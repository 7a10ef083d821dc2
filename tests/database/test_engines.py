"""What the engine's listeners do with cases that no server here can be made to produce."""

import asyncio
from types import SimpleNamespace

import asyncpg
import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import create_async_engine

from koo.database import DatabaseConfig, DatabaseManager, Kind, StatementTimedOut, judge
from koo.database.listening.understanding import understand
from koo.database.pool import HOLDING
from koo.database.scope import Scope


def context(error, *, wrapped=None, scope=None):
    return SimpleNamespace(
        connection=used_by(scope),
        execution_context=None,
        sqlalchemy_exception=wrapped,
        original_exception=error,
        is_disconnect=False,
        invalidate_pool_on_disconnect=True,
    )


def used_by(scope):
    slot = SimpleNamespace(scope=scope, is_taken_back=False)
    lent = SimpleNamespace(driver_connection=None, record_info={HOLDING: slot})
    return SimpleNamespace(connection=lent, closed=False, invalidated=False)


@pytest.mark.parametrize(
    "raw",
    [
        ConnectionResetError(104, "reset"),
        TimeoutError("command_timeout"),
        asyncpg.InternalClientError("cannot switch to state 15"),
    ],
)
def test_a_raw_error_of_a_statement_gets_sqlalchemys_name_and_costs_its_connection(raw):
    told = context(raw)
    error = understand(told)
    assert isinstance(error, exc.OperationalError)
    assert (error.orig, error.connection_invalidated) == (raw, True)
    assert judge(error).failure.trips
    assert (told.is_disconnect, told.invalidate_pool_on_disconnect) == (True, False)


@pytest.mark.parametrize(
    "error", [TypeError("a wrong parameter"), StatementTimedOut("late"), asyncio.CancelledError()]
)
def test_what_is_not_the_drivers_passes_as_it_is(error):
    assert understand(context(error)) is None


def test_a_connection_used_without_a_scope_is_understood_too():
    told = context(ConnectionResetError())
    told.connection = None
    assert isinstance(understand(told), exc.OperationalError)


@pytest.mark.parametrize("code", [1290, 1836])
def test_a_mysql_server_turned_read_only_loses_all_its_connections(code):
    wrapped = exc.OperationalError("INSERT", {}, Exception(code, "read-only"))
    told = context(wrapped.orig, wrapped=wrapped)
    assert understand(told) is None
    assert (told.is_disconnect, told.invalidate_pool_on_disconnect) == (True, True)
    assert judge(wrapped).kind is Kind.READ_ONLY


def test_who_asked_for_a_readonly_transaction_keeps_the_connection():
    wrapped = exc.OperationalError("INSERT", {}, Exception(1290, "read-only"))
    told = context(wrapped.orig, wrapped=wrapped, scope=Scope("f.py:1", readonly=True))
    understand(told)
    assert told.is_disconnect is False


class Told:
    """A connection of a server that writes down what it is told."""

    def __init__(self):
        self.said = []
        self.execute = self.said.append

    def cursor(self):
        return self

    def close(self):
        return None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u@h/d", ["SET TRANSACTION READ ONLY"]),
        ("mariadb://u@h/d", ["SET TRANSACTION READ ONLY"]),
        ("sqlite://", ["PRAGMA query_only = 1", "PRAGMA query_only = 0"]),
    ],
)
async def test_what_makes_a_connection_read_only_is_taken_back_where_it_would_stay(url, said):
    dialect = DatabaseManager(DatabaseConfig(url=url)).engine.dialect
    readonly, told = dialect.connection_characteristics["koo_readonly"], Told()
    readonly.set_connection_characteristic(dialect, None, told, True)
    readonly.reset_characteristic(dialect, told)
    assert told.said == said


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
async def test_an_engine_for_mysql_opens_no_connection_before_it_is_used(dialect):
    manager = DatabaseManager(DatabaseConfig(url=f"{dialect}://u@127.0.0.1:1/d"))
    assert manager.engine.dialect.name in {"mysql", "mariadb"}
    assert manager.stats().pool.created_total == 0


@pytest.mark.integration
async def test_every_way_to_execute_is_timed_and_bounded(sqlite_url, opened):
    async with opened(sqlite_url) as manager:
        async with manager.session_scope() as session:
            await session.execute(text("CREATE TABLE t (n INTEGER)"))
            before = manager.stats().pool.response_time.count
            rows = [{"n": n} for n in range(3)]
            await session.execute(text("INSERT INTO t VALUES (:n)"), rows)
            connection = await session.connection()
            await connection.exec_driver_sql("SELECT 1", execution_options={"no_parameters": True})
        assert manager.stats().pool.response_time.count == before + 2


def test_the_hooks_that_we_rely_on_are_there():
    """SQLAlchemy's own names that our pool and engine lean on, public ones as well."""
    from sqlalchemy import event
    from sqlalchemy.engine.default import DefaultDialect
    from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
    from sqlalchemy.pool.base import _ConnectionRecord

    ours = {"_do_get", "_do_return_conn", "_invalidate", "_dialect"}
    assert ours | {"recreate", "dispose", "status"} <= set(dir(AsyncAdaptedQueuePool))
    ours = {"do_begin", "do_commit", "do_rollback", "connection_characteristics"}
    ours |= {"do_execute", "do_executemany", "do_execute_no_params"}
    assert ours <= set(dir(DefaultDialect))
    assert {"checkin", "_checkin_failed", "finalize_callback"} <= {*dir(_ConnectionRecord)}
    theirs = {"dbapi_connection", "driver_connection", "record_info", "invalidate", "close"}
    assert theirs <= {*dir(ConnectionPoolEntry), *ConnectionPoolEntry.__mro__[1].__annotations__}
    engine = create_async_engine("sqlite+aiosqlite://").sync_engine
    for name in ("do_connect", "handle_error"):
        event.listen(engine, name, lambda *_: None)
