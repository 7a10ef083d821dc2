"""asyncpg: a goodbye that doesn't wait, and a CancelRequest that outlives the connection.

What belongs to a BEGIN or a COMMIT travels with it, in one message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, Final

import asyncpg
from asyncpg.connect_utils import _cancel  # type: ignore[attr-defined] # untyped, private
from asyncpg.protocol import BUILTIN_TYPE_NAME_MAP
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi

from ..theirs import Theirs
from . import SWALLOWED
from .goodbye import say_in_background

__all__ = ["PromptConnection", "abort", "arguments", "is_straight", "through_pooler", "undone"]


_NO_AUTOCOMMIT: Final = (
    "AUTOCOMMIT is not safe with asyncpg through a pooler; use a transaction, or the driver psycopg"
)


class PromptConnection(asyncpg.Connection):
    """A connection that never waits for the server in order to close.

    What *opening* returns is said together with a BEGIN, *riding* together with the next COMMIT.
    One that *is_pinned* has one backend for all its life; of another each transaction has the name
    *alias*, "" without one.
    """

    is_pinned = True
    alias = ""
    opening = staticmethod(str)
    riding = ""

    def __init__(self, protocol: Any, *terms: Any) -> None:
        super().__init__(protocol, *terms)
        self._pid: int = protocol.get_server_pid()
        self._born = asyncio.get_running_loop().time()

    @property
    def age(self) -> float:
        """How many seconds ago it was opened."""
        return asyncio.get_running_loop().time() - self._born

    @property
    def backend_pid(self) -> int:
        """The number of the server's process, also when the connection is closed; 0 if unknown."""
        return self._pid if self.is_pinned else 0

    @property
    def user(self) -> str:
        """Who has logged in."""
        return str(self._params.user)  # type: ignore[attr-defined] # asyncpg's own

    @property
    def application_name(self) -> str:
        """What the server, or who answers for it, calls it; "" if that is not said."""
        return getattr(self.get_settings(), "application_name", "")

    @property
    def is_unfinished(self) -> bool:
        """Whether a transaction is open, or one that could not begin is remembered as if it were.

        SQLAlchemy's adapter forgets a transaction whose BEGIN, COMMIT or ROLLBACK has failed.
        """
        if self.is_closed():
            return False
        known = self._top_xact  # type: ignore[attr-defined] # asyncpg's own: the outermost one
        return known is not None or self.is_in_transaction()

    def execute(
        self,
        query: str,
        *args: Any,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, str]:
        """Execute; a BEGIN or a COMMIT with what belongs to it, in one round trip."""
        if query.startswith("COMMIT"):
            return self._commit(query, timeout)
        if query.startswith("BEGIN"):
            # What was to ride with a COMMIT that was never said.
            self.riding = ""
            query += self.opening()
        return super().execute(query, *args, timeout=timeout)

    async def say_alone(self, statements: str) -> int:
        """Say *statements* as one message and a transaction by itself; how many rows there are."""
        return int((await self.execute(statements)).split()[-1])

    async def _commit(self, query: str, timeout: float | None) -> str:
        riding, self.riding = self.riding, ""
        try:
            said = await super().execute(riding + query, timeout=timeout)
        except asyncpg.InterfaceError as error:
            raise NeverSent(str(error)) from error
        except asyncpg.PostgresError as error:
            # What was to ride has failed, so that the transaction is open and can only be undone.
            if not self.is_closed() and self.is_in_transaction():
                await super().execute("ROLLBACK;", timeout=timeout)
            if isinstance(error, asyncpg.InFailedSQLTransactionError):
                raise asyncpg.InFailedSQLTransactionError(SWALLOWED) from error
            raise
        if said == "ROLLBACK":
            raise asyncpg.InFailedSQLTransactionError(SWALLOWED)
        return said

    async def set_type_codec(
        self,
        typename: str,
        *,
        schema: str = "public",
        **codec: Any,
    ) -> None:
        """As asyncpg does it, with one backend for all that it asks.

        Its errors are such as SQLAlchemy knows: with a new connection it does this first, where it
        translates none.
        """
        try:
            async with self._one_backend(typename, schema):
                await super().set_type_codec(typename, schema=schema, **codec)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            words = "connection is closed" if self.is_closed() else str(error)
            named = AsyncAdapt_asyncpg_dbapi.InterfaceError(words)  # type: ignore[no-untyped-call]
            raise named from error

    def _one_backend(self, _typename: str, _schema: str) -> AbstractAsyncContextManager[Any]:
        return nullcontext()

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ARG002
        """Say goodbye and leave; asyncpg would wait for an answer."""
        self.terminate()

    def terminate(self) -> None:
        """Leave at once; what was cancelled here is cancelled at the server as well."""
        # asyncpg's own request would be ended together with the connection.
        if self._cancellations:  # type: ignore[attr-defined]
            _cancel_at_server(self)
        super().terminate()


class NeverSent(asyncpg.InterfaceError):
    """A statement, or a COMMIT, was refused on our side; the server has not heard of it."""

    is_unsent = True


class UnpinnedConnection(PromptConnection):
    """A connection through a pooler: each transaction may meet another backend.

    Its statements have no name. What one backend has prepared the next does not know, and there
    a name could be another client's.
    """

    is_pinned = False

    async def prepare(self, query: str, **terms: Any) -> Any:
        """Prepare, for the rest of the transaction.

        Raises NeverSent outside of one: what comes between the preparing of a
        statement and its execution could be another client's, and so could what is executed.
        """
        if not self.is_in_transaction():
            raise NeverSent(_NO_AUTOCOMMIT)
        return await super().prepare(query, **{**terms, "name": ""})

    def _one_backend(self, typename: str, schema: str) -> AbstractAsyncContextManager[Any]:
        # Which type that is asyncpg knows by heart, and asks nothing.
        is_known = schema == "pg_catalog" and typename.lower() in BUILTIN_TYPE_NAME_MAP
        return nullcontext() if is_known else self.transaction()


def arguments(_limit: float) -> dict[str, Any]:
    """What to connect with. Its own time limit costs a timer for each round trip: ours do."""
    return {"connection_class": PromptConnection}


async def is_straight(connection: Theirs) -> bool:
    """Whether the backend that answers is the one that has greeted us."""
    # As a simple query, whose tag counts the rows: nothing is prepared yet.
    answer = await connection.execute(
        f"SELECT 1 WHERE pg_backend_pid() = {connection.get_server_pid()}"
    )
    return bool(answer == "SELECT 1")


def through_pooler() -> dict[str, Any]:
    """What to connect with where each transaction may meet another backend."""
    return {
        "connection_class": UnpinnedConnection,
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
    }


def abort(connection: Theirs) -> None:
    """Tear *connection* off; its statement, if any, is cancelled in the background."""
    if not connection.is_closed():
        _cancel_at_server(connection)
        connection.terminate()


def undone() -> Exception:
    """What is raised for a COMMIT in words after a statement that has failed."""
    failed = asyncpg.InFailedSQLTransactionError(SWALLOWED)
    return AsyncAdapt_asyncpg_dbapi.InternalError(SWALLOWED, failed)  # type: ignore[no-untyped-call]


def _cancel_at_server(connection: Theirs) -> None:
    if not getattr(connection, "is_pinned", True):
        # A pooler forgets whose request it is, or takes a backend for it; some die of it.
        return
    # asyncpg cancels from inside only, so these are names of its own.
    protocol = connection._protocol
    request = partial(
        _cancel,
        addr=connection._addr,
        params=connection._params,
        backend_pid=protocol.backend_pid,
        backend_secret=protocol.backend_secret,
    )
    say_in_background(lambda: request(loop=asyncio.get_running_loop()))
