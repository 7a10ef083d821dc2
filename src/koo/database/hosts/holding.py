"""How a transaction's backend is found again behind a pooler: by a lock that it holds.

    BEGIN; SELECT pg_advisory_xact_lock_shared(number of this connection) ----> one message
                       |
           COMMIT is lost, and its backend still has the transaction open
                       |
           whoever holds the lock of that number is ended (commit/tokens)

What a pooler greets with names no backend, and after each transaction there may be another. The
number is drawn for each connection, so that nobody else holds its lock and nobody waits for it. It
is let go with the transaction, as everything must be that is said through a pooler.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from secrets import randbits
from typing import Final

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_

from ..theirs import Theirs

__all__ = ["hold_locks_behind_poolers"]

_LOCK: Final = "SELECT pg_advisory_xact_lock_shared({})"


def hold_locks_behind_poolers(engine: Engine) -> None:
    """Let each transaction of *engine* hold a lock by which its backend is known.

    On PostgreSQL only, and only through a pooler.
    """
    event.listen(engine, "connect", _hold)


def _hold(connection: Theirs, _record: object) -> None:
    theirs = connection.driver_connection
    if theirs.is_pinned:
        return
    # Not of the random numbers that tests may choose: two that are alike would end one another.
    number = 1 + randbits(62)
    lock = _LOCK.format(number)
    # A fork may have no such lock; it is taken once, so that a BEGIN does not fail of it.
    with suppress(Exception):
        await_(theirs.say_alone(lock))
        theirs.lock_held, theirs.opening = number, _with(lock, theirs.opening)


def _with(lock: str, opening: Callable[[], str]) -> Callable[[], str]:
    said = f"; {lock}"
    return lambda: said + opening()
