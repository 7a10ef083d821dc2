"""psycopg: a cancelled wait that ends at once, and a CancelRequest that outlives the connection.

What belongs to a BEGIN or a COMMIT travels with it, in one message.
"""

from __future__ import annotations

import asyncio
import socket
import traceback
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import psycopg
from psycopg import capabilities, generators, waiting
from psycopg.errors import InFailedSqlTransaction, _WaitTimeout, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

from ..theirs import Theirs
from . import SWALLOWED
from .goodbye import say_in_background

if TYPE_CHECKING:
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn

__all__ = ["PromptConnection", "abort", "arguments", "is_straight", "through_pooler", "undone"]

RV = TypeVar("RV")

_INTERVAL: Final = 0.1
_NOT_GIVEN: Final = -1.0


class PromptConnection(psycopg.AsyncConnection[Any]):
    """A connection whose waits end as soon as they are cancelled, together with it.

    What *opening* returns is said together with a BEGIN, *riding* together with the next COMMIT.
    No wait takes longer than *limit* seconds. Of one that is not pinned each transaction has the
    name *alias*, "" without one. *user* has logged in.
    """

    opening = staticmethod(str)
    riding = ""
    alias = ""
    limit: float | None = None
    is_torn_off = False

    def __init__(self, pgconn: PGconn, *args: Any) -> None:
        super().__init__(pgconn, *args)
        # Kept, because one that is closed forgets it.
        self._pid, self.user = pgconn.backend_pid, pgconn.user.decode()
        self._born = asyncio.get_running_loop().time()

    def __del__(self, *terms: Any) -> None:
        # psycopg would complain of one that nobody reads any more, so that it looks open.
        if not self.is_torn_off:
            super().__del__(*terms)

    @classmethod
    async def connect(  # type: ignore[override] # a keyword more than psycopg's
        cls,
        *args: Any,
        limit: float | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new connection. Given up, it leaves no socket behind."""
        try:
            connection = await super().connect(*args, **kwargs)
        except BaseException as error:
            # The frames hold the half-made connection for as long as anyone holds the error.
            traceback.clear_frames(error.__traceback__)
            raise
        connection.limit = limit
        return connection

    @property
    def age(self) -> float:
        """How many seconds ago it was opened."""
        return asyncio.get_running_loop().time() - self._born

    @property
    def backend_pid(self) -> int:
        """The number of the server's process, also when the connection is closed; 0 if unknown."""
        return self._pid if self.is_pinned else 0

    @property
    def application_name(self) -> str:
        """What the server, or who answers for it, calls it; "" if that is not said."""
        return self.info.parameter_status("application_name") or ""

    @property
    def is_pinned(self) -> bool:
        """Whether it has one backend for all its life: on a pooler's terms it has not."""
        return self.prepare_threshold is not None

    @property
    def is_in_transaction(self) -> bool:
        """What the server has said with its last answer."""
        return self.pgconn.transaction_status != TransactionStatus.IDLE

    async def say_alone(self, statements: str) -> int:
        """Say *statements* as one message and a transaction by itself; how many rows there are."""
        await self.set_autocommit(True)
        try:
            return (await self.execute(statements.encode())).rowcount
        finally:
            # What was cut off is closed, and to say more would hide what has cut it off.
            if not self.closed:
                await self.set_autocommit(False)

    async def wait(
        self, gen: PQGen[RV], interval: float = _INTERVAL, timeout: float | None = _NOT_GIVEN
    ) -> RV:
        """What *gen* returns. Cancelled, psycopg would wait for the server to confirm it.

        Raises TimeoutError at the connection's limit, if *timeout* (None = none) is not given.
        """
        seconds = self.limit if timeout == _NOT_GIVEN else timeout
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval, seconds)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self._give_up()
            raise
        except _WaitTimeout:
            if timeout != _NOT_GIVEN:
                raise
            self._give_up()
            raise TimeoutError(f"no answer in {seconds:g} s") from None

    def _give_up(self) -> None:
        _cancel_at_server(self)
        self.pgconn.finish()

    def _start_query(self) -> PQGen[None]:
        opening = "" if self._begins_alone else self.opening()
        if not opening:
            yield from super()._start_query()
            return
        begin = self._get_tx_start_command()
        yield from self._said_together(begin + opening.encode())

    @property
    def _begins_alone(self) -> bool:
        # In a pipeline only one statement can be sent at once.
        idle = self.pgconn.transaction_status == TransactionStatus.IDLE
        return self._autocommit or not idle or self._pipeline is not None

    def _commit_gen(self) -> PQGen[None]:
        riding, self.riding = self.riding, ""
        if self._ends_in_another_way:
            if riding and self._pipeline:
                yield from self._exec_command(riding.encode())
            yield from super()._commit_gen()
            return
        try:
            said = yield from self._said_together(riding.encode() + b"COMMIT")
        except psycopg.Error as error:
            # What was to ride has failed, so that the transaction is open and can only be undone.
            if self.pgconn.transaction_status == TransactionStatus.INERROR:
                yield from self._said_together(b"ROLLBACK")
            if isinstance(error, InFailedSqlTransaction):
                raise InFailedSqlTransaction(SWALLOWED) from error
            raise
        if said == b"ROLLBACK":
            raise InFailedSqlTransaction(SWALLOWED)

    def _rollback_gen(self) -> PQGen[None]:
        self.riding = ""
        yield from super()._rollback_gen()

    @property
    def _ends_in_another_way(self) -> bool:
        idle = self.pgconn.transaction_status == TransactionStatus.IDLE
        return bool(idle or self._num_transactions or self._tpc or self._pipeline)

    def _said_together(self, statements: bytes) -> PQGen[bytes | None]:
        """Send several statements as one message; what the server says of the last."""
        self.pgconn.send_query(statements)
        results = yield from generators.execute(self.pgconn)
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result)
        said: bytes | None = results[-1].command_status
        return said


def arguments(limit: float) -> dict[str, Any]:
    """What to connect with. No answer takes longer than *limit* seconds (TimeoutError)."""
    return {"async_creator_fn": partial(PromptConnection.connect, limit=limit)}


async def is_straight(connection: Theirs) -> bool:
    """Whether the backend that answers is the one that has greeted us."""
    cursor = await connection.execute("SELECT pg_backend_pid()")
    (pid,) = await cursor.fetchone()
    await connection.rollback()
    return bool(pid == connection.info.backend_pid)


def through_pooler() -> dict[str, Any]:
    """What to connect with where each transaction may meet another backend."""
    return {"prepare_threshold": None}


def abort(connection: Theirs) -> None:
    """Tear *connection* off; its statement, if any, is cancelled in the background.

    Its socket is shut down and not closed: whoever waits for it would not be told.
    """
    pgconn = connection.pgconn
    if pgconn.status != ConnStatus.OK:
        return
    _cancel_at_server(connection)
    connection.is_torn_off = True
    theirs = socket.socket(fileno=pgconn.socket)
    with suppress(OSError):
        theirs.shutdown(socket.SHUT_RDWR)
    theirs.detach()


def undone() -> Exception:
    """What is raised for a COMMIT in words after a statement that has failed."""
    return InFailedSqlTransaction(SWALLOWED)


def _cancel_at_server(connection: Theirs) -> None:
    pgconn = connection.pgconn
    is_asking = pgconn.transaction_status == TransactionStatus.ACTIVE
    # A pooler forgets whose request it is, or takes a backend for it; some die of it.
    is_pinned = connection.prepare_threshold is not None
    if not (is_asking and is_pinned) or not capabilities.has_cancel_safe():
        return
    # Started in the background: without a route to the server that fails at once.
    say_in_background(partial(_sent, pgconn.cancel_conn()))


async def _sent(request: Theirs) -> None:
    try:
        request.start()
        await waiting.wait_conn_async(generators.cancel(request), _INTERVAL)
    finally:
        # Not finished: what is cancelled may be said once more.
        request.reset()
