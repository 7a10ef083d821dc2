"""What a dialect needs of us before its first statement."""

from __future__ import annotations

from typing import Final

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

from ..commit import READONLY

__all__ = ["prepare_dialect"]

_BUSY_TIMEOUT_MS: Final = 5000


def prepare_dialect(engine: Engine) -> None:
    """Let *engine* begin its connections and transactions as its database wants it."""
    match engine.dialect.name:
        case "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        case "mysql" | "mariadb":
            event.listen(engine, "begin", _begin_mysql)


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
