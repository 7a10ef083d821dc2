"""What a server does about a client that is no longer there, whose locks stop everybody.

    its machine or the network is gone --> keepalives and tcp_user_timeout      2 s
    its process stands still -----------> idle_in_transaction_session_timeout  as configured
    it left in mid-statement -----------> client_connection_check_interval     1 s

Both TCP limits are needed: keepalives say nothing while an answer is unacknowledged, and
the other limit says nothing while none is. The server's defaults are hours, never and never.
What the role, the database or the URL sets stays; what a server doesn't know is left out.
Through a pooler only the last is said, and for each transaction anew: its backends are other
clients' as well, and it leaves a backend at once whose client has left in mid-statement.

A process that freezes between an asyncpg statement's Parse and its Bind is not idle to the server:
only ``transaction_timeout`` (PostgreSQL 17), which is the role's to set, would end it.

MariaDB knows only the second (``idle_transaction_timeout``), so that it stands for all; MySQL none.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from math import ceil, isinf
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_

from ..theirs import Theirs

__all__ = ["watch_for_vanished_clients"]

_CHECK: Final = ("client_connection_check_interval", "1000")
_ALWAYS: Final = {
    "tcp_keepalives_idle": "1",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "2000",
    _CHECK[0]: _CHECK[1],
}
_FOR_LIFE, _FOR_NOW = "false", "true"
_IDLE: Final = "idle_in_transaction_session_timeout"
_SETTING: Final = (
    "SELECT set_config(name, wanted, {is_local})"
    " FROM (VALUES {rows}) AS koo (name, wanted) JOIN pg_settings USING (name)"
    " WHERE source NOT IN ('user', 'database', 'database user', 'client')"
)
_MARIADB: Final = (
    "SET idle_transaction_timeout ="
    " IF(@@idle_transaction_timeout = 0, {seconds}, @@idle_transaction_timeout)"
)


def watch_for_vanished_clients(engine: Engine, idle_in_transaction_timeout: float) -> None:
    """Tell the server, on each new connection of *engine*, when its client counts as gone."""
    is_postgresql = engine.dialect.name == "postgresql"
    say = (_on_postgresql if is_postgresql else _on_mariadb)(idle_in_transaction_timeout)

    def tell(connection: Theirs, _record: object) -> None:
        # Each driver has errors of its own, and a fork may know nothing of all this: it is used
        # without. A connection that has ended here says so at the next question.
        with suppress(Exception):
            await_(say(connection.driver_connection))

    event.listen(engine, "connect", tell)


def _on_postgresql(idle: float) -> Callable[[Theirs], Coroutine[Any, Any, None]]:
    limits = _ALWAYS if isinf(idle) else {**_ALWAYS, _IDLE: str(int(idle * 1000))}
    for_life, for_now = _setting(limits, _FOR_LIFE), _setting(dict([_CHECK]), _FOR_NOW)

    async def say(theirs: Theirs) -> None:
        if theirs.is_pinned:
            await theirs.say_alone(for_life)
        elif await theirs.say_alone(for_now):
            # It may be set, so that a BEGIN does not fail of it.
            theirs.opening = _with_check(theirs.opening)

    return say


def _on_mariadb(idle: float) -> Callable[[Theirs], Coroutine[Any, Any, None]]:
    async def say(theirs: Theirs) -> None:
        if not isinf(idle):
            await theirs.query(_MARIADB.format(seconds=ceil(idle)))

    return say


def _with_check(opening: Callable[[], str]) -> Callable[[], str]:
    check = "; SET LOCAL {} = {}".format(*_CHECK)
    return lambda: check + opening()


def _setting(limits: Mapping[str, str], is_local: str) -> str:
    rows = ", ".join(f"('{name}', '{value}')" for name, value in limits.items())
    return _SETTING.format(rows=rows, is_local=is_local)
