"""PostgreSQL where no table may be made: a transaction is known by its number.

    pg_current_xact_id_if_assigned() --one round trip before COMMIT--> number, marks of the server
                       |
               lost, a fresh connection: pg_xact_status(number)
                       |
      no number -----> ABSENT, for nothing was written
      aborted -------> ABSENT
      marks changed -> UNKNOWN
      in progress ---> its backend is ended, ask again
      committed -----> COMMITTED, as soon as the synchronous standbys have it as well
      anything else -> UNKNOWN

After a crash, and after a failover that lost something, numbers are given out again, so that
"committed" may be said of somebody else. The marks tell: when the server started, when it
last began to count anew (a crash of any backend does that), on which timeline it is.
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
from .tokens import WRITE, Backend

__all__ = ["Numbers"]

_MARKS: Final = (
    "concat_ws(' ', pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_wal),"
    " substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))"
)
_BEFORE: Final = f"SELECT CAST(pg_current_xact_id_if_assigned() AS text), {_MARKS}"
_AFTER: Final = text(f"SELECT pg_xact_status(CAST(CAST(:number AS text) AS xid8)), {_MARKS}")
#: What a server says of a number that it has not given out, or has forgotten in a crash.
_IN_THE_FUTURE: Final = "22023"


@dataclass(frozen=True, slots=True)
class Numbers:
    """The witness that notes the number of each transaction that has written."""

    clock: Clock

    def attend(self, connection: PoolProxiedConnection, _: Scope) -> _Trace | _Nothing:
        """Ask *connection* for its transaction's number; without one, nothing was written."""
        cursor = connection.cursor()
        cursor.execute(_BEFORE)
        number, marks = cursor.fetchone()  # type: ignore[misc] # it is one row
        cursor.close()
        if number is None:
            return _Nothing()
        backend = Backend.of(connection.driver_connection, self.clock)
        return _Trace(number, marks, backend, self.clock)


class _Nothing:
    async def judge(self, _: AsyncConnection) -> Fate:
        return Fate.ABSENT


@dataclass(frozen=True, slots=True)
class _Trace:
    number: str
    marks: str
    backend: Backend
    clock: Clock

    async def judge(self, connection: AsyncConnection) -> Fate | None:
        try:
            status, marks = (await connection.execute(_AFTER, {"number": self.number})).one()
        except DBAPIError as error:
            if error_code(error) == _IN_THE_FUTURE:
                return Fate.UNKNOWN
            raise
        if status == "aborted":
            return Fate.ABSENT
        if marks != self.marks:
            return Fate.UNKNOWN
        match status:
            case "committed":
                await connection.execute(WRITE)
                await connection.commit()
                return Fate.COMMITTED
            case "in progress":
                await self.backend.end(connection, self.clock)
                return None
        return Fate.UNKNOWN
