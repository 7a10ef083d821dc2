"""Which witness a database has, found out once.

    first connection: look --ready, marked-----------------------------> its witness
                        +--absent, no mark, no answer                        ^
                             |                                               |
                             v                                               |
    before a transaction: look, make it, mark it ----------------------------+
          ^                  +--not allowed--> numbers, else nobody
          +---in a minute----+--read-only
          +---in a second----+--no answer

A transaction that only reads has the witness that is known by then. Of several processes that miss
the table at once one makes it, and tells of it; the others look again when it is there.

What is old is taken out of the table now and then, in the background; if the mark has gone by then,
it is looked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from math import inf
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...resilience import SchemaChanged, detached, tell
from ..pool import COMPONENT, Terms
from ..scope import Witness
from ..theirs import Theirs
from ..verdicts import Kind, judge
from .fence import new_mark
from .ledger import SOME, Found, ledger_of
from .numbers import Numbers

__all__ = ["Connect", "Witnesses"]

Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

# Moments of the next look that no clock shows. All wait for one that is due at once, and for one
# that has been in vain before only who begins it: it may take as long as the first has.
_AT_ONCE: Final = -inf
_NEVER: Final = inf
# A process that starts in the middle of trouble must not go without a witness for long.
_AFTER_SILENCE: Final = 1.0
_AFTER_REFUSAL: Final = 60.0
_CLEANED_EVERY: Final = 600.0
_IN_VAIN: Final = (SQLAlchemyError, OSError)
#: An error of these would come again.
_REFUSALS: Final = {Kind.QUERY, Kind.READ_ONLY, Kind.CONFIGURATION}


class Witnesses:
    """Who is the witness of a manager's transactions; *connect* opens a fresh connection."""

    def __init__(self, terms: Terms, connect: Connect) -> None:
        config = terms.config
        is_off = config.commit_tokens == "off" or config.is_memory
        self._ledger = ledger_of(config.location.get_backend_name(), terms.clock)
        self._connect = connect
        self._terms = terms
        self._now = terms.clock.monotonic
        self._witness: Witness | None = None
        self._mark = ""
        self._look_at = _NEVER if is_off else _AT_ONCE
        self._clean_at = _NEVER
        self._looking: asyncio.Task[None] | None = None

    def learn(self, connection: Theirs, _record: object) -> None:
        """Look, on a driver's new *connection*, whether the table is there."""
        if self._look_at == _NEVER:
            return
        cursor = connection.cursor()
        with suppress(Exception):
            self._conclude(*self._said_to(cursor))
        cursor.close()
        connection.rollback()

    def _said_to(self, cursor: Theirs) -> tuple[Found, str]:
        cursor.execute(self._ledger.look)
        found = Found(cursor.fetchone()[0])
        if found is not Found.READY:
            return found, ""
        cursor.execute(self._ledger.find)
        marked = cursor.fetchone()
        return (Found.READY, marked[0]) if marked else (Found.ABSENT, "")

    @property
    def known(self) -> Witness | None:
        """The witness of transactions as far as is known by now, None without one."""
        return self._witness

    async def ready(self) -> Witness | None:
        """The witness of transactions now, None without one; makes the table if it may."""
        now = self._now()
        if now >= self._look_at:
            await self._look_again()
        if now >= self._clean_at:
            self._clean_at = now + _CLEANED_EVERY
            detached(self._clean(), name="koo: old commit tokens")
        return self._witness

    def forget(self) -> None:
        """The table may be gone: look again before the next transaction."""
        self._witness, self._look_at, self._clean_at = None, _AT_ONCE, _NEVER

    def _conclude(self, found: Found, mark: str) -> None:
        self._witness, self._look_at, self._clean_at = None, _NEVER, _NEVER
        self._mark = mark
        match found:
            case Found.READY:
                self._witness = self._ledger.witness(mark)
                self._clean_at = self._now() + _CLEANED_EVERY * self._terms.random()
            case Found.NUMBERS:
                self._witness = Numbers(self._terms.clock)
            case Found.ABSENT:
                self._look_at = _AT_ONCE
            case Found.LATER:
                self._look_at = self._now() + _AFTER_REFUSAL
            case Found.SILENT:
                self._look_at = self._now() + _AFTER_SILENCE

    async def _look_again(self) -> None:
        looking, is_awaited = self._looking, self._look_at == _AT_ONCE
        # On a loop that was closed without being shut down, it never ends.
        if looking is None or looking.done() or looking.get_loop().is_closed():
            self._looking = looking = detached(self._look(), name="koo: look for the commit tokens")
            is_awaited = True
        if is_awaited and looking.get_loop() is asyncio.get_running_loop():
            await asyncio.shield(looking)

    async def _look(self) -> None:
        try:
            async with self._briefly() as connection:
                found, mark = await self._seen(connection)
        except _IN_VAIN as error:
            found, mark = Found.LATER if judge(error).kind in _REFUSALS else Found.SILENT, ""
        self._conclude(found, mark)

    async def _seen(self, connection: AsyncConnection) -> tuple[Found, str]:
        """What is there, and its mark; made, and marked, if that is missing."""
        found = await self._found(connection)
        if found is Found.ABSENT and self._ledger.lock:
            await connection.exec_driver_sql(self._ledger.lock)
            found = await self._found(connection)
        if found is Found.ABSENT:
            await self._make(connection)
            found = Found.READY
        return found, await self._marked(connection) if found is Found.READY else ""

    async def _found(self, connection: AsyncConnection) -> Found:
        return Found((await connection.exec_driver_sql(self._ledger.look)).scalar_one())

    async def _make(self, connection: AsyncConnection) -> None:
        for statement in self._ledger.make:
            await connection.exec_driver_sql(statement)
        await connection.commit()
        tell(self._terms.on_event, SchemaChanged(COMPONENT, f"table {self._ledger.name} made"))

    async def _marked(self, connection: AsyncConnection) -> str:
        marks = await self._marks(connection)
        # By itself, so that two who look at once are not in each other's way. If both write one,
        # there are two, which does no harm.
        await connection.commit()
        if marks:
            return marks[0]
        mark = new_mark()
        await connection.exec_driver_sql(self._ledger.mark.format(mark))
        await connection.commit()
        return mark

    async def _marks(self, connection: AsyncConnection) -> Sequence[str]:
        return (await connection.exec_driver_sql(self._ledger.find)).scalars().all()

    async def _clean(self) -> None:
        with suppress(*_IN_VAIN):
            while await self._cleaned() == SOME:
                pass

    async def _cleaned(self) -> int:
        """How many rows were taken away."""
        async with self._briefly() as connection:
            now = {"now": self._terms.clock.time()}
            gone = (await connection.execute(text(self._ledger.clean), now)).rowcount
            await connection.commit()
            if self._witness is not None and self._mark not in await self._marks(connection):
                self.forget()
            return gone

    @asynccontextmanager
    async def _briefly(self) -> AsyncIterator[AsyncConnection]:
        async with asyncio.timeout(self._terms.config.check_timeout), self._connect() as connection:
            yield connection
