"""What a server says of itself: whether it replays another's log, whether it can be written to.

PostgreSQL 14 and later report both with the login, so that usually nothing is asked. MariaDB and
MySQL know only the second, so that whoever is read-only counts as a standby.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy.engine.interfaces import DBAPIConnection

from ..drivers import name_of
from ..theirs import Theirs
from .addresses import Role

__all__ = ["has_role", "reports_writable"]

_REPORTING: Final = {"asyncpg", "psycopg"}
_STANDBY: Final = "in_hot_standby"
_READ_ONLY: Final = "default_transaction_read_only"
_QUESTION: Final = f"SELECT pg_is_in_recovery(), current_setting('{_READ_ONLY}') = 'on'"
_MYSQL_QUESTION: Final = "SELECT @@read_only, @@read_only"


class _Server(NamedTuple):
    is_standby: bool
    is_read_only: bool


def has_role(connection: Theirs, role: Role) -> bool:
    """Whether the server of *connection* is what is wanted; inside of a greenlet."""
    if role is Role.ANY:
        return True
    server = _of_mysql(connection) or _reported(connection.driver_connection) or _asked(connection)
    match role:
        case Role.PRIMARY:
            return not server.is_standby
        case Role.STANDBY:
            return server.is_standby
        case Role.READ_WRITE:
            return not (server.is_standby or server.is_read_only)
    return server.is_standby or server.is_read_only


def reports_writable(driver_connection: Theirs) -> bool:
    """Whether the server of a *driver_connection* tells, unasked, that it can be written to.

    False where that is not told, and behind a pooler, which tells what another server had said.
    """
    if name_of(driver_connection) not in _REPORTING or not driver_connection.is_pinned:
        return False
    server = _reported(driver_connection)
    return server is not None and not (server.is_standby or server.is_read_only)


def _of_mysql(connection: Theirs) -> _Server | None:
    is_mysql = name_of(connection.driver_connection) == "asyncmy"
    return _asked(connection, _MYSQL_QUESTION) if is_mysql else None


def _reported(driver_connection: Theirs) -> _Server | None:
    standby, read_only = (_parameter(driver_connection, name) for name in (_STANDBY, _READ_ONLY))
    if standby is None or read_only is None:
        return None
    return _Server(standby == "on", read_only == "on")


def _parameter(driver_connection: Theirs, name: str) -> str | None:
    if name_of(driver_connection) == "asyncpg":
        return getattr(driver_connection.get_settings(), name, None)
    found = driver_connection.pgconn.parameter_status(name.encode())
    return None if found is None else found.decode()


def _asked(connection: DBAPIConnection, question: str = _QUESTION) -> _Server:
    cursor = connection.cursor()
    cursor.execute(question)
    is_standby, is_read_only = cursor.fetchone()  # type: ignore[misc]
    cursor.close()
    connection.rollback()
    return _Server(is_standby, is_read_only)
