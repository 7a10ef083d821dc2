"""asyncmy: an end that doesn't wait for the network, and a KILL that outlives the connection.

    abort, or a cancelled wait --> torn off
                |
                +--in the background--> a connection of its own: the same server? --> KILL
                                                                +--no, or not sure--> nothing

A MariaDB does not notice that its client has gone while it works or waits for a lock, and its
protocol knows no request to cancel. The number of a connection means something on one server
only, and until its next start: behind a balancer it may belong to somebody else, and behind a
proxy it is the proxy's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from asyncmy.connection import Connection
from asyncmy.constants.SERVER_STATUS import SERVER_STATUS_AUTOCOMMIT, SERVER_STATUS_IN_TRANS
from asyncmy.errors import InterfaceError, MySQLError
from sqlalchemy.util import await_

from ..theirs import Theirs
from . import UNDONE
from .goodbye import say_in_background

__all__ = ["PromptConnection", "abort", "alone", "arguments", "read_rest", "undone"]

_MARGIN: Final = 0.5
_ROUNDING: Final = 1.0
_UPTIME: Final = "SHOW GLOBAL STATUS LIKE 'Uptime'"
_WHO: Final = "SELECT CONNECTION_ID(), CONCAT_WS(' ', @@hostname, @@port, @@server_id)"
# A limit that the server or its administrator has set stays as it is.
_LIMIT: Final = (
    "SET max_statement_time = IF(@@max_statement_time = 0, {seconds:g}, @@max_statement_time)"
)


class NeverSent(InterfaceError):
    """It was refused on our side; the server has not heard of it."""

    is_unsent = True


class PromptConnection(Connection):
    """A connection that never waits for the server in order to close.

    *limit*: after so many seconds, and a little, a MariaDB gives a statement up by itself.
    """

    is_pinned = True

    # What asyncmy has and its stubs have not.
    _loop: asyncio.AbstractEventLoop
    _transport: asyncio.Transport | None
    _stream_broken: bool
    _result: Theirs
    server_status: int

    def __init__(self, limit: float, **terms: Any) -> None:
        super().__init__(**terms)  # type: ignore[no-untyped-call]
        self._limit = limit
        self._terms = terms
        self._server = ""
        self._born = self._loop.time()

    async def connect(self) -> None:  # type: ignore[override] # asyncmy's own returns nothing too
        """Connect, and learn which server it is that answers."""
        await super().connect()
        limit = _LIMIT.format(seconds=self._limit + _MARGIN)
        is_mariadb = "mariadb" in self.get_server_info().lower()
        try:
            number, name = await self.ask(f"{limit}; {_WHO}" if is_mariadb else _WHO)
        except MySQLError:
            # A server that knows other words is never asked to kill; one that is gone is no server.
            if self.is_closed():
                raise
        except BaseException:
            self.close()
            raise
        else:
            # A proxy gives numbers of its own, which mean nothing to the server behind it.
            self._server = name if number == str(self.thread_id()) else ""

    async def ask(self, questions: str) -> tuple[str, ...]:
        """The first row of the last answer."""
        await self.query(questions)  # type: ignore[no-untyped-call]
        while self._result.has_next:
            await self.next_result()  # type: ignore[no-untyped-call]
        return tuple(map(str, self._result.rows[0]))

    @property
    def is_in_transaction(self) -> bool:
        """What the server has said with its last answer."""
        return bool(self._said & SERVER_STATUS_IN_TRANS)

    @property
    def commits_each(self) -> bool:
        """Whether each statement commits by itself, as the server has said with its last answer."""
        return bool(self._said & SERVER_STATUS_AUTOCOMMIT)

    @property
    def _said(self) -> int:
        # asyncmy's own forgets when the server says nothing of all that. Rows of a prepared
        # statement leave no result behind, and never end a transaction.
        return self.server_status if self._result is None else self._result.server_status

    def is_closed(self) -> bool:
        """Whether it is known to be gone: by us, by the server or by the network."""
        return self._stream_broken

    def close(self) -> None:
        """Leave at once; asyncmy would first wait until all that was written has been taken."""
        if self._transport is not None:
            self._transport.abort()
        super().close()

    def kill_at_server(self) -> None:
        """Let the server end, in the background, what it does for this connection."""
        if self._server:
            say_in_background(partial(self._kill, self._loop.time() - self._born))

    def _close_on_cancel(self) -> None:
        self.kill_at_server()
        super()._close_on_cancel()  # type: ignore[misc]

    async def _kill(self, age: float) -> None:
        other = PromptConnection(self._limit, **{**self._terms, "autocommit": None})
        try:
            await other.connect()
            _, uptime = await other.ask(_UPTIME)
            if other._server == self._server and float(uptime) + _ROUNDING >= age:
                await other.query(f"KILL {self.thread_id()}")  # type: ignore[no-untyped-call]
        finally:
            other.close()


def read_rest(connection: Theirs) -> None:
    """Read what is left of a stream that nobody reads on; blocks the greenlet.

    asyncmy would do so with whatever is said next.
    """
    result = connection.driver_connection._result
    if result is not None and result.unbuffered_active:
        await_(result._finish_unbuffered_query())


def undone() -> Exception:
    """What is raised for a COMMIT of what the server had undone before."""
    return NeverSent(0, UNDONE)


def alone(work: Callable[..., None]) -> Callable[..., None]:
    """*work* on a connection, refused while another task's statement is on its way there.

    asyncmy would send a COMMIT all the same, take the statement's answer for its own, and never
    wake whoever waits for that.
    """

    def done(connection: Any, *args: Any) -> None:
        adapter = getattr(connection, "dbapi_connection", connection)
        if adapter._execute_mutex.locked():
            raise NeverSent(0, "another operation is in progress")
        work(connection, *args)

    return done


async def _connect(limit: float, **terms: Any) -> PromptConnection:
    connection = PromptConnection(limit, **terms)
    await connection.connect()
    return connection


def arguments(limit: float) -> dict[str, Any]:
    """What to connect with. A MariaDB works no longer than *limit* seconds for a statement."""
    return {"async_creator_fn": partial(_connect, limit)}


def abort(connection: Theirs) -> None:
    """Tear *connection* off; what the server does for it is ended in the background."""
    if not connection.is_closed():
        connection.kill_at_server()
        connection.close()
