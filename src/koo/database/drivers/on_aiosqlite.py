"""aiosqlite: nobody waits for a thread that waits for a lock.

    work --> thread --answer--------------------------------------> who asked
               +--- abort: interrupted --ends in a moment: error--> who asked
               |                         +--waits for a lock------> who asked: given up
               +--- at its own end, after that: rolled back and closed

SQLite can be interrupted while it works, but not while it waits for another process.

With some errors (disk full, out of memory, interrupted, ROLLBACK as an answer to a conflict) it
undoes the whole transaction, and the next statement opens another; with most only the statement.
No code tells which: whether a transaction is open before and after it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL

from ..theirs import Theirs
from . import UNDONE

__all__ = ["PromptConnection", "abort", "arguments", "undone"]

T = TypeVar("T")

_MOMENT: Final = 0.05
_CHUNK: Final = 64
# The words by which SQLAlchemy knows that a connection is lost.
_CLOSED: Final = "Connection closed"


class NeverSent(aiosqlite.ProgrammingError):
    """It was refused on our side; SQLite has not heard of it."""

    is_unsent = True


class PromptConnection(aiosqlite.Connection):
    """A connection that is left at once, even if its thread has still something to do."""

    def __init__(self, connector: Callable[[], Any]) -> None:
        super().__init__(connector, _CHUNK)
        # What it waits for does not hold up the end of the program.
        self._thread.daemon = True
        self._asked: set[asyncio.Future[Any]] = set()
        self._opened: Theirs = None

    async def _connect(self) -> PromptConnection:
        """Open it; the loop may end before the thread has."""
        answer: asyncio.Future[Theirs] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((None, partial(self._work, answer, self._open)))
        try:
            self._connection = await answer
        except BaseException:
            self.stop()
            raise
        return self

    def _open(self) -> Theirs:
        """In the thread."""
        self._opened = self._connector()
        return self._opened

    async def close(self) -> None:
        """Close; what the thread is still doing is interrupted, and nobody waits for it."""
        if self._connection is None or (self._running and not self._asked):
            await super().close()
            return
        self._interrupt()
        self.stop()

    def stop(self) -> None:
        """Let the thread end when it has done what it was asked for; the loop may end before."""
        self._connection, self._running = None, False
        self._tx.put_nowait((None, self._end))

    def _end(self) -> object:
        """In the thread; whoever has opened it may have gone before he had it."""
        if self._opened is not None:
            self._opened.close()
        return _STOP_RUNNING_SENTINEL

    def give_up(self) -> None:
        """Interrupt what is asked for; what has not ended in a moment is an error."""
        self._interrupt()
        if asked := tuple(self._asked):
            asked[0].get_loop().call_later(_MOMENT, self._leave, asked)

    def _interrupt(self) -> None:
        # Its thread may have closed it, and nobody has heard of that yet.
        with suppress(ValueError, aiosqlite.ProgrammingError):
            self._conn.interrupt()

    def _leave(self, asked: Iterable[asyncio.Future[Any]]) -> None:
        for answer in asked:
            if not answer.done():
                self._running = False
                answer.set_exception(ValueError(_CLOSED))

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
        if not self._running or not self._connection:
            raise ValueError(_CLOSED)
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked.add(answer)
        self._tx.put_nowait((None, partial(self._work, answer, partial(fn, *args, **kwargs))))
        return await answer

    def _work(self, answer: asyncio.Future[T], work: Callable[[], T]) -> None:
        """In the thread; whoever has asked may have gone, and the loop as well."""
        was_open = self._is_in_transaction()
        try:
            told = partial(self._answered, answer, answer.set_result, work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked
            if was_open and not self._is_in_transaction():
                error.undoes_all = True  # type: ignore[attr-defined] # as is_unsent
            told = partial(self._answered, answer, answer.set_exception, error)
        with suppress(RuntimeError):
            answer.get_loop().call_soon_threadsafe(told)

    def _is_in_transaction(self) -> bool:
        """In the thread."""
        with suppress(aiosqlite.ProgrammingError):  # it is closed
            return self._opened is not None and bool(self._opened.in_transaction)
        return False

    def _answered(
        self, answer: asyncio.Future[T], tell: Callable[[Any], None], what: object
    ) -> None:
        self._asked.discard(answer)
        if not answer.done():
            tell(what)


def _connect(database: str, **terms: Any) -> PromptConnection:  # noqa: ANN401
    theirs = aiosqlite.connect(database, **terms)
    return PromptConnection(theirs._connector)  # noqa: SLF001 - it opens what they would open


def arguments(_limit: float) -> dict[str, Any]:
    """What to connect with."""
    return {"async_creator_fn": _connect}


def undone() -> Exception:
    """What is raised for a COMMIT of what SQLite had undone before."""
    return NeverSent(UNDONE)


def abort(connection: Theirs) -> None:
    """Interrupt what *connection* is doing; what it did is undone.

    It stays open, unless it waits for a lock.
    """
    connection.give_up()
