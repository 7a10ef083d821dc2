"""What an engine's dialect does otherwise for us: how it begins, sends and ends.

everywhere  -> statements, COMMIT and ROLLBACK are sent in time (sending)
PostgreSQL  -> BEGIN carries the server's own limit (server_limit); vanished clients are noticed
psycopg     -> what was detached or collected is closed (SQLAlchemy leaves it to the collection)
SQLite      -> BEGIN is said, so that reads see one snapshot; read-only by pragma
MySQL       -> read-only by a word before the transaction
"""

from __future__ import annotations

from typing import Final, cast

from sqlalchemy import event
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import PoolProxiedConnection

from ..commit import Certainty
from ..drivers import driver
from ..hosts.naming import name_transactions_behind_poolers
from ..hosts.vanishing import watch_for_vanished_clients
from ..pool import Terms
from ..scope import READONLY
from ..theirs import Theirs
from .dialing import Destination, listen_to_dialing
from .preparing import prepare_in_time
from .sending import MysqlDriver, Sending
from .server_limit import limit_statements

__all__ = ["listen_to_driver"]

_BUSY_TIMEOUT_MS: Final = 5000


def listen_to_driver(
    engine: Engine, terms: Terms, certainty: Certainty, destination: Destination
) -> None:
    """Keep what *engine* sends in time and count it; understand what goes wrong."""
    dialect: Theirs = engine.dialect
    sending = Sending(dialect, terms, certainty)
    dialect.do_execute = sending.execute
    dialect.do_executemany = sending.execute_many
    dialect.do_execute_no_params = sending.execute_plain
    dialect.do_commit = sending.commit
    dialect.do_rollback = sending.rollback
    _prepare(engine, dialect, terms)
    prepare_in_time(dialect, terms)
    # Last, so that a connection counts as prepared only when everybody is through with it.
    listen_to_dialing(engine, terms.config.check_timeout, destination)


def _prepare(engine: Engine, dialect: Theirs, terms: Terms) -> None:
    match dialect.name:
        case "postgresql":
            if dialect.driver == "psycopg":
                dialect.has_terminate = True
                dialect.do_terminate = _finish
            limit_statements(engine, terms.clock)
            watch_for_vanished_clients(engine, terms.config.idle_in_transaction_timeout)
            name_transactions_behind_poolers(engine)
        case "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
            dialect.do_begin = _begin_sqlite
            _offer_readonly(dialect, "PRAGMA query_only = 1", "PRAGMA query_only = 0")
        case _:  # mysql, mariadb
            watch_for_vanished_clients(engine, terms.config.idle_in_transaction_timeout)
            alone = cast("MysqlDriver", driver(dialect.driver)).alone
            dialect.set_isolation_level = alone(dialect.set_isolation_level)
            _offer_readonly(dialect, "SET TRANSACTION READ ONLY", "")


def _finish(connection: Theirs) -> None:
    connection.driver_connection.pgconn.finish()


def _offer_readonly(dialect: Theirs, on: str, off: str) -> None:
    known = dialect.connection_characteristics
    dialect.connection_characteristics = known.union({READONLY: _Readonly(on, off)})


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    _say(connection, f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}", "PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: PoolProxiedConnection) -> None:
    # sqlite3 would begin only before the first write, and reads would see no snapshot.
    if connection.isolation_level is not None:  # None is how SQLAlchemy says AUTOCOMMIT
        _say(connection, "BEGIN")


class _Readonly:
    """What SQLAlchemy calls a characteristic: *on* is said before a read-only transaction.

    *off* is said when its connection comes back, unless it is empty.
    """

    transactional: Final = True

    def __init__(self, on: str, off: str) -> None:
        self._on = on
        self._off = off

    def set_connection_characteristic(
        self, _: Dialect, _connection: object, driver: DBAPIConnection, _value: object
    ) -> None:
        _say(driver, self._on)

    def reset_characteristic(self, _: Dialect, driver: DBAPIConnection) -> None:
        if self._off:
            _say(driver, self._off)


def _say(connection: Theirs, *statements: str) -> None:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
