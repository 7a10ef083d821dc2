"""What became of a transaction whose COMMIT was lost, and how it is found out.

    before COMMIT    witness.attend(connection, scope) --> Trace    what it will be known by
    COMMIT is lost   trace.judge(a fresh connection) --> Fate, or None: ask again

The database itself is the witness. It can testify because something of the
transaction stays there: a token that came with the COMMIT, or its number.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["Fate", "Trace"]


class Fate(Enum):
    """What has become of a transaction whose COMMIT was not answered."""

    COMMITTED = "committed"
    ABSENT = "not committed, and it never will be"
    FORGOTTEN = "unknown, because what the database remembered was deleted, or may not be asked for"
    UNKNOWN = "unknown"


class Trace(Protocol):
    """What one transaction leaves behind, or would have."""

    async def judge(self, connection: AsyncConnection) -> Fate | None:
        """What has become of it, asked on *connection*, which commits by itself; None: not yet."""
        ...
