"""asyncpg: a goodbye that doesn't wait, and a CancelRequest that outlives the connection."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import asyncpg
from asyncpg.connect_utils import _cancel  # type: ignore[attr-defined] # untyped, private
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi

from .goodbye import say_in_background

__all__ = ["PromptConnection", "abort", "arguments"]


class PromptConnection(asyncpg.Connection):
    """A connection that never waits for the server in order to close.

    *opening* is said together with each BEGIN.
    """

    opening = ""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ANN401
        """Execute; a BEGIN with what belongs to it, in one round trip."""
        if self.opening and query.startswith("BEGIN"):
            query += self.opening
        return await super().execute(query, *args, timeout=timeout)

    async def set_type_codec(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """As asyncpg does it; on a closed connection with an error that SQLAlchemy knows.

        It is what SQLAlchemy does first with a new one, where it translates no errors.
        """
        if self.is_closed():
            words = "connection is closed"
            raise AsyncAdapt_asyncpg_dbapi.InterfaceError(words)  # type: ignore[no-untyped-call]
        await super().set_type_codec(*args, **kwargs)

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ARG002
        """Say goodbye and leave; asyncpg would wait for an answer."""
        self.terminate()

    def terminate(self) -> None:
        """Leave at once; what was cancelled here is cancelled at the server as well."""
        # asyncpg's own request would be ended together with the connection.
        if self._cancellations:  # type: ignore[attr-defined]
            _cancel_at_server(self)
        super().terminate()


def arguments(_limit: float) -> dict[str, Any]:
    """What to connect with. Its own time limit costs a timer for each round trip: ours do."""
    return {"connection_class": PromptConnection}


def abort(connection: Any) -> None:  # noqa: ANN401
    """Tear *connection* off; its statement, if any, is cancelled in the background."""
    if not connection.is_closed():
        _cancel_at_server(connection)
        connection.terminate()


def _cancel_at_server(connection: Any) -> None:  # noqa: ANN401
    # asyncpg cancels from inside only, so these are names of its own.
    protocol = connection._protocol  # noqa: SLF001
    request = partial(
        _cancel,
        addr=connection._addr,  # noqa: SLF001
        params=connection._params,  # noqa: SLF001
        backend_pid=protocol.backend_pid,
        backend_secret=protocol.backend_secret,
    )
    say_in_background(lambda: request(loop=asyncio.get_running_loop()))
