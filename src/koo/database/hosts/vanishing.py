"""What a server does about a client that is no longer there, whose locks stop everybody.

    its machine or the network is gone --> keepalives and tcp_user_timeout      2 s
    its process stands still -----------> idle_in_transaction_session_timeout  as configured
    it left in mid-statement -----------> client_connection_check_interval     1 s

Both TCP limits are needed: keepalives say nothing while an answer is unacknowledged, and
the other limit says nothing while none is. The server's defaults are hours, never and never.
What the role, the database or the URL sets stays; what a server doesn't know is left out.
Through a pooler nothing is said: its backends are other clients' as well.

MariaDB knows only the second (``idle_transaction_timeout``), so that it stands for all; MySQL none.
"""

from __future__ import annotations

from contextlib import suppress
from math import ceil, isinf
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_

from ..drivers import name_of

__all__ = ["watch_for_vanished_clients"]

_ALWAYS: Final = {
    "tcp_keepalives_idle": "1",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "2000",
    "client_connection_check_interval": "1000",
}
_IDLE: Final = "idle_in_transaction_session_timeout"
_SETTING: Final = (
    "SELECT set_config(name, wanted, false)"
    " FROM (VALUES {rows}) AS koo (name, wanted) JOIN pg_settings USING (name)"
    " WHERE source NOT IN ('user', 'database', 'database user', 'client')"
)
_ON_MARIADB: Final = (
    "SET idle_transaction_timeout ="
    " IF(@@idle_transaction_timeout = 0, {seconds}, @@idle_transaction_timeout)"
)


def watch_for_vanished_clients(engine: Engine, idle_in_transaction_timeout: float) -> None:
    """Tell the server, on each new connection of *engine*, when its client counts as gone."""
    is_postgresql = engine.dialect.name == "postgresql"
    statement = (_statement if is_postgresql else _mariadb)(idle_in_transaction_timeout)

    def tell(connection: Any, _record: object) -> None:  # noqa: ANN401
        if not (statement and connection.driver_connection.is_pinned):
            return
        # A fork may know nothing of all this, and is used without.
        with suppress(Exception):
            await_(_say(connection.driver_connection, statement))

    event.listen(engine, "connect", tell)


async def _say(driver_connection: Any, statement: str) -> None:  # noqa: ANN401
    match name_of(driver_connection):
        case "asyncpg":
            await driver_connection.execute(statement)
        case "asyncmy":
            await driver_connection.query(statement)
        case _:  # psycopg
            await _say_alone(driver_connection, statement)


async def _say_alone(driver_connection: Any, statement: str) -> None:  # noqa: ANN401
    await driver_connection.set_autocommit(True)
    try:
        await driver_connection.execute(statement)
    finally:
        await driver_connection.set_autocommit(False)


def _mariadb(idle: float) -> str:
    return "" if isinf(idle) else _ON_MARIADB.format(seconds=ceil(idle))


def _statement(idle: float) -> str:
    limits = _ALWAYS if isinf(idle) else {**_ALWAYS, _IDLE: str(int(idle * 1000))}
    rows = ", ".join(f"('{name}', '{value}')" for name, value in limits.items())
    return _SETTING.format(rows=rows)
