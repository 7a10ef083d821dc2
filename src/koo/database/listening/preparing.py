"""What a transaction asks of its connection, isolation level and read-only, is said in time.

    set --in time--> the transaction begins ... ends --> taken back by the pool's record
     +--an error, late, or cancelled--> nobody knows what holds there: never lent again

SQLAlchemy says it past its own errors and past our limits, and remembers only afterwards what is
to be taken back: one that was cut off in the middle would keep it for others. The limit is that of
an attempt, whose own time begins afterwards: a connection gone dark must not cost the whole call.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy.engine import Connection

from ..commit import translated
from ..drivers import abort
from ..drivers.deadlined import Deadlined
from ..pool import Slot, Terms, slot_of
from ..scope import READONLY
from ..theirs import Theirs
from .sending import late_statement

__all__ = ["prepare_in_time"]


def prepare_in_time(dialect: Theirs, terms: Terms) -> None:
    """Let *dialect* ask for isolation level and read-only as if that were a statement."""
    preparing = _Preparing(dialect, terms)
    dialect._set_connection_characteristics = preparing.set


class _Preparing:
    def __init__(self, dialect: Theirs, terms: Terms) -> None:
        config = terms.config
        limit = min(config.attempt_timeout, config.timeout)
        self._dialect = dialect
        self._now = terms.clock.monotonic
        self._set = dialect._set_connection_characteristics
        self._sets = Deadlined[Slot](limit, _tear_off, self._now, partial(late_statement, limit))

    def set(self, connection: Connection, wanted: Mapping[str, Any]) -> None:
        """Ask for what is *wanted*; in the middle of a transaction SQLAlchemy refuses."""
        if connection.in_transaction():
            self._set(connection, wanted)
        else:
            self._set_in_time(connection, wanted)

    def _set_in_time(self, connection: Connection, wanted: Mapping[str, Any]) -> None:
        slot = slot_of(connection.connection)
        try:
            self._sets.run(slot, self._now(), self._set, connection, _in_order(wanted))
        except Exception as error:
            _condemn(slot)
            named = translated(error, self._dialect, slot.connection)
            if named is error:
                raise
            raise named from error
        except BaseException:
            _condemn(slot)
            # Nobody waits any more: end it before SQLAlchemy says a polite goodbye.
            _tear_off(slot)
            raise


def _in_order(wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read-only last: SQLAlchemy has taken the names out of a set.

    On MySQL it holds for the next transaction only, and COMMIT is said after an isolation level.
    """
    return dict(sorted(wanted.items(), key=lambda one: one[0] == READONLY))


def _condemn(slot: Slot) -> None:
    slot.condemned = slot.condemned or "nobody knows what holds there"


def _tear_off(slot: Slot) -> None:
    abort(slot.driver)
