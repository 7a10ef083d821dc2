"""PostgreSQL where no table may be made: a transaction is known by its number.

    pg_current_xact_id...() --one round trip before COMMIT--> number, marks of the server
                       |
               lost, a fresh connection: pg_xact_status(number)
                       |
      no number -----> ABSENT, for nothing was written
      other cluster -> UNKNOWN, whatever it says: it has numbers of its own
      aborted -------> ABSENT
      marks changed -> UNKNOWN
      in progress ---> its backend is ended, ask again
      committed -----> COMMITTED, as soon as the synchronous standbys have it as well
      anything else -> UNKNOWN

After a crash, and after a failover that lost something, numbers are given out again, so that
"committed" may be said of somebody else. The marks tell: when the server started, when it
last began to count anew (a crash of any backend does that), on which timeline it is. Which cluster
it is no crash and no failover changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import PoolProxiedConnection

from ...resilience import Clock
from ..scope import Fate, Scope
from ..verdicts import error_code
from .tokens import WRITE, Backend, say_alone

__all__ = ["Numbers"]

_MARKS: Final = (
    "concat_ws(' ', pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_wal),"
    " substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))"
)
_CLUSTER: Final = "(SELECT CAST(system_identifier AS text) FROM pg_control_system())"
_IF_ANY: Final = "pg_current_xact_id_if_assigned()"
# What has written elsewhere, in a foreign table, has none of itself.
_GIVEN: Final = (
    "CASE WHEN current_setting('transaction_read_only') = 'off' THEN pg_current_xact_id()"
    f" ELSE {_IF_ANY} END"
)
_BEFORE: Final = f"SELECT CAST({{}} AS text), {_CLUSTER}, {_MARKS}"
_AFTER: Final = text(
    f"SELECT pg_xact_status(CAST(CAST(:number AS text) AS xid8)), {_CLUSTER}, {_MARKS}"
)
#: What a server says of a number that it has not given out, or has forgotten in a crash.
_IN_THE_FUTURE: Final = "22023"


@dataclass(frozen=True, slots=True)
class Numbers:
    """The witness that notes the number of each transaction that has written."""

    clock: Clock

    def attend(self, connection: PoolProxiedConnection, scope: Scope) -> _Trace | _Nothing:
        """Ask *connection* for its transaction's number; without one, nothing was written."""
        cursor = connection.cursor()
        cursor.execute(_BEFORE.format(_GIVEN if scope.wrote else _IF_ANY))
        number, cluster, marks = cursor.fetchone()  # type: ignore[misc] # it is one row
        cursor.close()
        if number is None:
            return _Nothing()
        backend = Backend.of(connection.driver_connection, self.clock)
        return _Trace(number, cluster, marks, backend, self.clock)


class _Nothing:
    async def judge(self, _: AsyncConnection) -> Fate:
        return Fate.ABSENT


@dataclass(frozen=True, slots=True)
class _Trace:
    number: str
    cluster: str
    marks: str
    backend: Backend
    clock: Clock

    async def judge(self, connection: AsyncConnection) -> Fate | None:
        try:
            found = await connection.execute(_AFTER, {"number": self.number})
        except DBAPIError as error:
            if error_code(error) == _IN_THE_FUTURE:
                return Fate.UNKNOWN
            raise
        status, *there = found.one()
        nothing_has_crashed = there == [self.cluster, self.marks]
        match status:
            case "aborted" if there[0] == self.cluster:
                return Fate.ABSENT
            case "committed" if nothing_has_crashed:
                await connection.rollback()
                await say_alone(connection, WRITE)
                return Fate.COMMITTED
            case "in progress" if nothing_has_crashed:
                await self.backend.end(connection, self.clock)
                return None
        return Fate.UNKNOWN
