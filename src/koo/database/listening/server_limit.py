"""The server's own limit for a statement: what is left of the caller's time, and a little.

    BEGIN --a deadline is known--> BEGIN; SET LOCAL statement_timeout = what is left of it + 0.5 s
        +---none, or the server has a limit already----> BEGIN

Both travel together, so that it costs no round trip; what is left is read when the driver says
BEGIN, which it does by itself before the first statement. We are always first to give up; but
when the network is dark, so that no request to cancel arrives, the server gives up as well
and lets go of its locks.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

from ...resilience import Clock, current_deadline

__all__ = ["limit_statements"]

_MARGIN: Final = 0.5
_MOST_MS: Final = 2**31 - 1
_NO_LIMIT: Final = "0"
_QUESTION: Final = "SHOW statement_timeout"


def limit_statements(engine: Engine, clock: Clock) -> None:
    """Tell the server, at each BEGIN of *engine*, when its statements come too late."""
    is_free = False

    def learn(connection: DBAPIConnection, _record: object) -> None:
        nonlocal is_free
        is_free = _limit_of(connection) == _NO_LIMIT

    def opening() -> str:
        deadline = current_deadline() if is_free else None
        if deadline is None:
            return ""
        left = deadline.remaining(clock.monotonic()) + _MARGIN
        return f"; SET LOCAL statement_timeout = {int(min(left * 1000, _MOST_MS))};"

    def prepare(connection: DBAPIConnection, _record: object) -> None:
        connection.driver_connection.opening = opening

    event.listen(engine, "first_connect", learn)
    event.listen(engine, "connect", prepare)


def _limit_of(connection: DBAPIConnection) -> str | None:
    """The limit that role, database or URL have set; None if the server knows no such thing."""
    found: str | None = None
    cursor = connection.cursor()
    with suppress(Exception):
        cursor.execute(_QUESTION)
        found = cursor.fetchone()[0]  # type: ignore[index]
    cursor.close()
    connection.rollback()
    return found
