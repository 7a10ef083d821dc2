"""PostgreSQL: a token rides in with the COMMIT, in one message, and costs no round trip.

    SELECT koo.commit_token('...'); COMMIT ------> one row, if the transaction has written
                       |
               lost, a fresh connection: is the row there?
                       |
         +-------------+------------------+
      COMMITTED                  INSERT the same token, as a fence; COMMIT
                                          |
                               is it the fence that is there?
                                          |
                                +---------+---------+
                             COMMITTED      ABSENT: a COMMIT that
                                            comes late dies of it

The fence waits for a transaction that is just committing. One that is still open holds its
locks until its server notices that nobody is there, so its backend is ended. The fence goes
with its COMMIT in one message, as the token did: nothing of it can be left open.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import PoolProxiedConnection

from ...resilience import Clock
from ..scope import Fate, Scope

__all__ = ["Tokens", "end_backend", "new_token"]

_FENCE: Final = (
    "INSERT INTO koo.commit_tokens (token, fenced) VALUES ('{}', true) ON CONFLICT DO NOTHING;"
)
_LOOK: Final = text("SELECT fenced FROM koo.commit_tokens WHERE token = CAST(:token AS uuid)")
# A number may belong to somebody else by now; nobody else's transaction is as old as ours.
_END: Final = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid = :pid AND usename = current_user"
    " AND clock_timestamp() - xact_start > make_interval(secs => CAST(:age AS double precision))"
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The witness that remembers a token for each transaction that has written."""

    clock: Clock

    def attend(self, connection: PoolProxiedConnection, _: Scope) -> _Trace:
        """Let a token ride with the next COMMIT of *connection*."""
        token, driver = new_token(self.clock), cast("Any", connection.driver_connection)
        driver.riding = f"SELECT koo.commit_token('{token}');"
        return _Trace(token, driver.backend_pid, self.clock.monotonic(), self.clock)


@dataclass(frozen=True, slots=True)
class _Trace:
    token: str
    pid: int
    sent: float
    clock: Clock

    async def judge(self, connection: AsyncConnection) -> Fate | None:
        fenced = await self._look(connection)
        if fenced is None:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            driver.riding = _FENCE.format(self.token)
            await connection.commit()
            fenced = await self._look(connection)
        match fenced:
            case True:
                await end_backend(connection, self.pid, self.clock.monotonic() - self.sent)
                return Fate.ABSENT
            case False:
                return Fate.COMMITTED
        return None

    async def _look(self, connection: AsyncConnection) -> bool | None:
        """Whether the token's row is a fence; None without one."""
        return (await connection.execute(_LOOK, {"token": self.token})).scalar_one_or_none()


def new_token(clock: Clock) -> str:
    """32 hexadecimal digits that nobody else draws, in the order of their time.

    In order, because a database writes neighbours together. Not of the random numbers that
    tests may choose: two that are alike would be taken for one transaction.
    """
    return f"{int(clock.time() * 1000):012x}{token_hex(10)}"


async def end_backend(connection: AsyncConnection, pid: int, age: float) -> None:
    """End backend *pid* if it is ours and its transaction is older than *age* seconds."""
    with suppress(DBAPIError):
        await connection.execute(_END, {"pid": pid, "age": age})
