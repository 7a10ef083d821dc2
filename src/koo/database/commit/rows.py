"""SQLite, MariaDB, MySQL: the token is a statement of its own, the last before COMMIT.

INSERT token, COMMIT -----> one row, if what was said does not only read
   |
lost; a fresh connection: INSERT the same token, as a fence
   |
   +--it is in the table, or the token is----> as the row says
   +--still held by an open transaction------> its server is asked to end it; ask again
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
from ..theirs import Theirs
from ..verdicts import error_code
from .fence import fate_by, new_token

__all__ = ["Rows"]

_LOOK: Final = text(
    "SELECT fenced, EXISTS (SELECT 1 FROM koo_commit_tokens WHERE token = :mark)"
    " FROM koo_commit_tokens WHERE token = :token"
)
_LOCKED: Final = 1205


@dataclass(frozen=True, slots=True)
class Rows:
    """The witness that writes a token's row into the table known by *mark*.

    *fence* is how a second one is no error; *hurry* is said first, so that it waits a second
    at most, empty where nobody holds a row without being alive.
    """

    fence: str
    hurry: str
    clock: Clock
    mark: str

    def attend(self, connection: PoolProxiedConnection, scope: Scope) -> _Trace | None:
        """Write a token by *connection*, if *scope* has perhaps written."""
        if not scope.wrote:
            return None
        token, cursor = new_token(self.clock), connection.cursor()
        cursor.execute(f"INSERT INTO koo_commit_tokens (token, fenced) VALUES ('{token}', 0)")  # noqa: S608 - our own digits
        cursor.close()
        return _Trace(self, token, connection.driver_connection)


@dataclass(frozen=True, slots=True)
class _Trace:
    how: Rows
    token: str
    sender: Theirs

    async def judge(self, connection: AsyncConnection) -> Fate | None:
        how = self.how
        # With a COMMIT of its own, a fence could be left open by a connection that goes dark.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if how.hurry:
            await connection.execute(text(how.hurry))
        try:
            await connection.execute(text(how.fence), {"token": self.token})
        except DBAPIError as error:
            if error_code(error) != _LOCKED:
                raise
            self.sender.kill_at_server()
            return None
        return await fate_by(connection, _LOOK, self.token, mark=how.mark, clock=how.clock)
