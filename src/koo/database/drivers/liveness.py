"""Whether a connection is dead: for free where the socket tells, else by one bounded ping.

    the server closed or reset it     the socket says so at once, nothing is sent
    the network went dark in between  nobody says anything: only a ping finds out

The kernel is asked, which costs half a microsecond: psycopg reads only when it is
told to, and what asyncpg and asyncmy read they know only after the loop has turned,
which it may not have done since the server went. Something to read is not yet death
(the server may send a notice), so an alarm is a doubt and not a verdict. SQLite
lives in this process, and dies with it.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Final

from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.util import greenlet_spawn

from ..theirs import Theirs
from . import abort, name_of
from .deadlined import Countdown

__all__ = ["Alarm", "alarm_of", "has_pings", "is_dead", "ping", "unfinished_of"]

#: Truthy when a connection may not be lent as it is: True, or what a poll of its socket has found.
Alarm = Callable[[], object]

_GONE: Final = select.POLLHUP | select.POLLERR | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)


def alarm_of(driver: Theirs) -> Alarm:
    """What tells of *driver*'s connection, for free, that it may be dead."""
    match name_of(driver):
        case "asyncpg" | "asyncmy":
            theirs = driver._transport.get_extra_info("socket")
            return _socket_alarm(driver.is_closed, theirs.fileno())
        case "psycopg":
            return _socket_alarm(lambda: driver.closed, driver.fileno())
    return _never


def is_dead(alarm: Alarm) -> bool:
    """Whether what rang *alarm* proves that the connection is gone."""
    match alarm():
        case list(found):
            return any(signs & _GONE for _, signs in found)
        case rung:
            return bool(rung)


def unfinished_of(connection: Theirs, driver: Theirs) -> Alarm:
    """What tells of a *connection* that was given back that something is still going on there.

    A statement that another task has left there; a transaction, which only SQLAlchemy's
    adapter for asyncpg gives back without having ended it; and on MySQL an autocommit that was
    asked for in words, so that nobody takes it back.
    """
    name = name_of(driver)
    if name not in {"asyncpg", "asyncmy"}:
        return _never
    # Held while a statement runs: the drivers themselves do not say that one does.
    is_asking: Alarm = connection._execute_mutex.locked
    if name == "asyncmy":
        return lambda: driver.commits_each or is_asking()
    return lambda: driver.is_unfinished or is_asking()


def has_pings(driver: object) -> bool:
    """Whether a ping can find out anything: a database in this process always answers."""
    return name_of(driver) != "aiosqlite"


async def ping(
    connection: DBAPIConnection,
    driver: Theirs,
    dialect: Dialect,
    seconds: float,
) -> Exception | None:
    """None if the server answers within *seconds*, else why not; it is torn off then.

    Silence is ended by tearing the connection off, not by cancelling the ping: a
    driver that is cancelled asks the server politely, and waits for its answer.
    """
    countdown = Countdown(seconds, driver)
    try:
        if name_of(driver) == "asyncpg":
            # One round trip; the adapter's own ping makes a transaction of it, and three.
            await driver.execute("SELECT 1")
        else:
            await greenlet_spawn(dialect.do_ping, connection)
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody may be lent this connection
        abort(driver)
        return error
    finally:
        countdown.stop()
    return TimeoutError(f"no answer in {seconds:g} s") if countdown.is_over else None


def _socket_alarm(is_closed: Callable[[], bool], fileno: int) -> Alarm:
    poll = select.poll()
    poll.register(fileno, select.POLLIN | getattr(select, "POLLRDHUP", 0))

    def alarm() -> object:
        # In this order: the number of a socket that was closed may be another one's by now.
        return is_closed() or poll.poll(0)

    return alarm


def _never() -> bool:
    return False
