"""PostgreSQL: a token rides in with the COMMIT, in one message, and costs no round trip.

    SELECT koo.commit_token('...'); COMMIT ------> one row, if the transaction has a number
                       |
               lost, a fresh connection: INSERT the same token, as a fence
                       |
               is it the fence that is there?
                       |
         +-------------+------------------+
      COMMITTED                  ABSENT: a COMMIT that comes late dies of it

The fence waits for a transaction that is just committing. One that is still open holds its
locks until its server notices that nobody is there, so its backend is ended: the one that greeted
us, or through a pooler the one that has our name. The fence is one message, and a transaction by
itself: nothing of it can be left open, at the server or at a pooler.

What has written here has a number. What has written elsewhere (a foreign table, a NOTIFY) has
none, so that it is given one if anything was said that does not only read. A transaction that has
a number and may not write any more can leave no token: nobody will know.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import PoolProxiedConnection

from ...resilience import Clock
from ..scope import Fate, Scope
from ..theirs import Theirs
from .fence import fate_by, new_token

__all__ = ["WRITE", "Backend", "Tokens", "say_alone"]

#: Whose COMMIT waits for the synchronous standbys, as one that has written nothing does not: what
#: had committed before is there as well. A COMMIT that was cancelled while it waited is not.
WRITE: Final = "SELECT pg_logical_emit_message(true, 'koo', 'a COMMIT was lost');"

_RIDE: Final = "SELECT koo.commit_token('{}');"
# The condition comes before what is selected. A transaction that may not write has not written.
_RIDE_WITH_NUMBER: Final = (
    "SELECT koo.commit_token('{}') WHERE CASE"
    " WHEN current_setting('transaction_read_only') = 'off' THEN pg_current_xact_id() IS NOT NULL"
    " ELSE true END;"
)
_CAN_LEAVE_NOTHING: Final = (
    "SELECT current_setting('transaction_read_only') = 'on'"
    " AND pg_current_xact_id_if_assigned() IS NOT NULL"
)
_FENCE: Final = (
    "INSERT INTO koo.commit_tokens (token, fenced) VALUES ('{}', true) ON CONFLICT DO NOTHING;"
)
_LOOK: Final = text(
    "SELECT fenced, EXISTS (SELECT 1 FROM koo.commit_tokens WHERE token = CAST(:mark AS uuid))"
    " FROM koo.commit_tokens WHERE token = CAST(:token AS uuid)"
)
# A role that was logged in with SET ROLE may not end what belongs to the one that has logged in.
# Whether that one may end what belongs to another, PostgreSQL decides.
_AS_OURSELVES: Final = text("SET LOCAL ROLE NONE")
# A number may belong to somebody else by now, or on the server that answers after a failover.
# Nobody else there is as old as our backend and has a transaction as old as ours.
_END: Final = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid = :pid AND usename IN (session_user, :user)"
    " AND clock_timestamp() - xact_start > make_interval(secs => CAST(:sent AS double precision))"
    " AND abs(extract(epoch FROM clock_timestamp() - backend_start)"
    " - CAST(:lived AS double precision)) < 10"
)
_END_NAMED: Final = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = :alias AND datname = current_database()"
)


@dataclass(frozen=True, slots=True)
class Backend:
    """The server's process that has a transaction: the one whose name is *alias*.

    Without one ("") it is *pid*, which had *lived* for some seconds as *user*'s when COMMIT was
    *sent*.
    """

    alias: str
    pid: int
    user: str
    lived: float
    sent: float

    @classmethod
    def of(cls, driver: Theirs, clock: Clock) -> Self:
        """That of a *driver*'s connection, which is about to send COMMIT."""
        return cls(driver.alias, driver.backend_pid, driver.user, driver.age, clock.monotonic())

    async def end(self, connection: AsyncConnection, clock: Clock) -> None:
        """End it, if it is still there and its transaction open; asked on *connection*."""
        with suppress(DBAPIError):
            await connection.execute(_AS_OURSELVES)
            if self.alias:
                await connection.execute(_END_NAMED, {"alias": self.alias})
            else:
                await connection.execute(_END, self._known(clock))

    def _known(self, clock: Clock) -> dict[str, object]:
        sent = clock.monotonic() - self.sent
        return {"pid": self.pid, "user": self.user, "sent": sent, "lived": self.lived + sent}


@dataclass(frozen=True, slots=True)
class Tokens:
    """The witness that writes a token, into the table known by *mark*, with all that is written."""

    clock: Clock
    mark: str

    def attend(self, connection: PoolProxiedConnection, scope: Scope) -> _Trace | None:
        """Let a token ride with the next COMMIT of *connection*, if it can."""
        if scope.is_locked and _can_leave_nothing(connection):
            return None
        token = new_token(self.clock)
        driver: Theirs = connection.driver_connection
        driver.riding = (_RIDE_WITH_NUMBER if scope.wrote else _RIDE).format(token)
        return _Trace(self, token, Backend.of(driver, self.clock))


@dataclass(frozen=True, slots=True)
class _Trace:
    how: Tokens
    token: str
    backend: Backend

    async def judge(self, connection: AsyncConnection) -> Fate | None:
        clock = self.how.clock
        await say_alone(connection, WRITE + _FENCE.format(self.token))
        fate = await fate_by(connection, _LOOK, self.token, mark=self.how.mark, clock=clock)
        if fate is Fate.ABSENT:
            await self.backend.end(connection, clock)
        return fate


async def say_alone(connection: AsyncConnection, statements: str) -> None:
    """Say *statements* on *connection* as one message and a transaction by itself.

    Raises what the driver raises.
    """
    driver: Theirs = (await connection.get_raw_connection()).driver_connection
    await driver.say_alone(statements)


def _can_leave_nothing(connection: PoolProxiedConnection) -> bool:
    cursor = connection.cursor()
    cursor.execute(_CAN_LEAVE_NOTHING)
    (found,) = cursor.fetchone()  # type: ignore[misc] # it is one row
    cursor.close()
    return bool(found)
