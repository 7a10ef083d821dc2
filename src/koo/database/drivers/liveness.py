"""Whether a connection is dead: for free where the socket tells, else by one bounded ping.

    the server closed or reset it     the socket says so at once, nothing is sent
    the network went dark in between  nobody says anything: only a ping finds out

asyncpg and asyncmy keep a reader on the idle socket, so the driver knows already.
psycopg reads only when asked: its socket is polled. Something to read is not yet
death (the server may send a notice), so an alarm is a doubt and not a verdict.
SQLite lives in this process, and dies with it.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.util import greenlet_spawn

from . import abort, name_of
from .deadlined import Countdown

__all__ = ["Alarm", "alarm_of", "has_pings", "is_dead", "ping"]

#: Truthy when a connection may be dead. Called at every checkout, so it is the driver's own
#: method where there is one.
Alarm = Callable[[], object]

_GONE: Final = select.POLLHUP | select.POLLERR | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)


def alarm_of(driver: Any) -> Alarm:  # noqa: ANN401 - each driver has a class of its own
    """What tells of *driver*'s connection, for free, that it may be dead."""
    match name_of(driver):
        case "asyncpg" | "asyncmy":
            return driver.is_closed  # type: ignore[no-any-return]
        case "psycopg":
            return _socket_alarm(driver)
    return _never


def is_dead(driver: Any, alarm: Alarm) -> bool:  # noqa: ANN401
    """Whether what rang *alarm* proves that *driver*'s connection is gone."""
    rung = alarm()
    if name_of(driver) != "psycopg":
        return bool(rung)
    return driver.closed or any(found & _GONE for _, found in _list(rung))


def has_pings(driver: object) -> bool:
    """Whether a ping can find out anything: a database in this process always answers."""
    return name_of(driver) != "aiosqlite"


async def ping(
    connection: DBAPIConnection,
    driver: Any,  # noqa: ANN401
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


def _socket_alarm(driver: Any) -> Alarm:  # noqa: ANN401
    poll = select.poll()
    poll.register(driver.fileno(), select.POLLIN | getattr(select, "POLLRDHUP", 0))

    def alarm() -> object:
        return driver.closed or poll.poll(0)

    return alarm


def _list(rung: object) -> list[tuple[int, int]]:
    return rung if isinstance(rung, list) else []


def _never() -> bool:
    return False
