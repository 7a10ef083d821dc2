"""What the engine's listeners do with cases that no server here can be made to produce."""

import asyncio
from types import SimpleNamespace

import asyncpg
import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import create_async_engine

from koo.database import DatabaseConfig, DatabaseManager, Kind, StatementTimedOut, judge
from koo.database.commit import Scope
from koo.database.listening.dialects import _begin_mysql
from koo.database.listening.understanding import understand
from koo.database.validation import abort


def context(error, *, wrapped=None, scope=None):
    options = {"koo_scope": scope}
    return SimpleNamespace(
        connection=SimpleNamespace(get_execution_options=lambda: options, closed=True),
        sqlalchemy_exception=wrapped,
        original_exception=error,
        is_disconnect=False,
        invalidate_pool_on_disconnect=True,
    )


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


@pytest.mark.parametrize(("readonly", "said"), [(True, ["SET TRANSACTION READ ONLY"]), (None, [])])
def test_mysql_is_told_before_it_begins(readonly, said):
    statements = []
    _begin_mysql(
        SimpleNamespace(
            get_execution_options=lambda: {"koo_readonly": readonly},
            exec_driver_sql=statements.append,
        )
    )
    assert statements == said


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
async def test_an_engine_for_mysql_opens_no_connection_before_it_is_used(dialect):
    manager = DatabaseManager(DatabaseConfig(url=f"{dialect}://u@127.0.0.1:1/d"))
    assert manager.engine.dialect.name in {"mysql", "mariadb"}
    assert manager.stats().pool.created_total == 0


@pytest.mark.parametrize(
    ("module", "method"),
    [
        ("asyncpg.connection", "terminate"),
        ("psycopg.connection_async", "pgconn.finish"),
        ("asyncmy.connection", "close"),
        ("aiosqlite.core", None),
    ],
)
def test_each_driver_is_torn_off_in_its_own_way(module, method):
    called = []

    class Recorder:
        def __init__(self, path=()):
            self.path = path

        def __getattr__(self, name):
            return Recorder((*self.path, name))

        def __call__(self):
            called.append(".".join(self.path))

    Recorder.__module__ = module
    abort(Recorder())
    assert called == ([method] if method else [])


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
    from sqlalchemy.pool import AsyncAdaptedQueuePool

    assert {"connect", "recreate", "timeout"} <= set(dir(AsyncAdaptedQueuePool))
    engine = create_async_engine("sqlite+aiosqlite://").sync_engine
    for name in ("do_connect", "do_execute", "do_executemany", "do_execute_no_params"):
        event.listen(engine, name, lambda *_: None)
