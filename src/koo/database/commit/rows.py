"""SQLite, MariaDB, MySQL: the token is a statement of its own, the last before COMMIT.

INSERT token, COMMIT -----> one row, if anything but SELECT was said
   |
lost; a fresh connection: INSERT the same token, as a fence
   |
   +--inserted----> ABSENT
   +--in the way--> COMMITTED, unless it is an earlier fence
   +--still held by an open transaction: its thread is ended, ask again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import PoolProxiedConnection

from ...resilience import Clock
from ..scope import Fate, Scope
from ..verdicts import error_code
from .tokens import new_token

__all__ = ["Rows"]

_LOOK: Final = text("SELECT fenced FROM koo_commit_tokens WHERE token = :token")
_LOCKED: Final = 1205
_UPTIME: Final = text("SHOW GLOBAL STATUS LIKE 'Uptime'")


@dataclass(frozen=True, slots=True)
class Rows:
    """The witness that writes a token's row.

    *fence* is how a second one is no error; *hurry* is said first, so that it waits a second
    at most, empty where nobody holds a row without being alive.
    """

    fence: str
    hurry: str
    clock: Clock

    def attend(self, connection: PoolProxiedConnection, scope: Scope) -> _Trace | None:
        """Write a token by *connection*, if *scope* has perhaps written."""
        if not scope.wrote:
            return None
        token, cursor = new_token(self.clock), connection.cursor()
        cursor.execute(f"INSERT INTO koo_commit_tokens (token, fenced) VALUES ('{token}', 0)")  # noqa: S608 - our own digits
        cursor.close()
        driver: Any = connection.driver_connection
        thread = driver.thread_id() if self.hurry else None
        return _Trace(self, token, thread, self.clock.monotonic())


@dataclass(frozen=True, slots=True)
class _Trace:
    how: Rows
    token: str
    thread: int | None
    sent: float

    async def judge(self, connection: AsyncConnection) -> Fate | None:
        token = {"token": self.token}
        # With a COMMIT of its own, a fence could be left open by a connection that goes dark.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if self.how.hurry:
            await connection.execute(text(self.how.hurry))
        try:
            fence = await connection.execute(text(self.how.fence), token)
        except DBAPIError as error:
            if error_code(error) != _LOCKED:
                raise
            await self._end_thread(connection)
            return None
        if fence.rowcount:
            return Fate.ABSENT
        fenced = (await connection.execute(_LOOK, token)).scalar_one_or_none()
        if fenced is None:
            return None
        return Fate.ABSENT if fenced else Fate.COMMITTED

    async def _end_thread(self, connection: AsyncConnection) -> None:
        # Numbers begin anew with the server: ours means ours only if it has run since.
        _, uptime = (await connection.execute(_UPTIME)).one()
        if int(uptime) > self.how.clock.monotonic() - self.sent + 1:
            await connection.execute(text(f"KILL {self.thread}"))
