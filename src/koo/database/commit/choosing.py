"""Which witness a database has, found out once.

    first connection: look --ready--------------------------------------> its witness
                        |                                                     ^
                        +--absent--> first transaction: make the table -------+
                        |                         +--not allowed--> numbers, else nobody
                        +--read-only, or no answer--> again in a minute

What is old is taken out of the table now and then, in the background.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
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
from .ledger import Found, ledger_of
from .numbers import Numbers

__all__ = ["Connect", "Witnesses"]

Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

_AGAIN: Final = 60.0
_CLEANED_EVERY: Final = 600.0
_KEPT_AT_LEAST: Final = 3600.0
_IN_VAIN: Final = (SQLAlchemyError, OSError)


class Witnesses:
    """Who is the witness of a manager's transactions; *connect* opens a fresh connection."""

    def __init__(self, terms: Terms, connect: Connect) -> None:
        config = terms.config
        is_off = config.commit_tokens == "off" or config.is_memory
        self._kept = max(_KEPT_AT_LEAST, 4 * config.timeout)
        self._ledger = ledger_of(config.location.get_backend_name(), terms.clock, self._kept)
        self._connect = connect
        self._terms = terms
        self._now = terms.clock.monotonic
        self._witness: Witness | None = None
        self._look_at = inf if is_off else -inf
        self._clean_at = inf
        self._looking: asyncio.Task[None] | None = None

    def learn(self, connection: Theirs, _record: object) -> None:
        """Look, on a driver's new *connection*, whether the table is there."""
        if self._look_at == inf:
            return
        cursor, found = connection.cursor(), Found.LATER
        with suppress(Exception):
            cursor.execute(self._ledger.look)
            found = Found(cursor.fetchone()[0])
        cursor.close()
        connection.rollback()
        self._conclude(found)

    async def ready(self) -> Witness | None:
        """The witness of transactions now, None without one; makes the table if it may."""
        now = self._now()
        if now >= self._look_at:
            await self._look_again()
        if now >= self._clean_at:
            self._clean_at = now + _CLEANED_EVERY
            detached(self._clean(), name="koo: old commit tokens")
        return self._witness

    def doubt(self) -> None:
        """The table may be gone: look again before the next transaction."""
        self._witness, self._look_at, self._clean_at = None, -inf, inf

    def _conclude(self, found: Found) -> None:
        self._witness, self._look_at, self._clean_at = None, inf, inf
        match found:
            case Found.READY:
                self._witness = self._ledger.witness
                self._clean_at = self._now() + _CLEANED_EVERY * self._terms.random()
            case Found.NUMBERS:
                self._witness = Numbers(self._terms.clock)
            case Found.ABSENT:
                self._look_at = -inf
            case Found.LATER:
                self._look_at = self._now() + _AGAIN

    async def _look_again(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = detached(self._look(), name="koo: look for the commit tokens")
        if self._looking.get_loop() is asyncio.get_running_loop():
            await asyncio.shield(self._looking)

    async def _look(self) -> None:
        found = Found.LATER
        with suppress(*_IN_VAIN):
            async with self._briefly() as connection:
                found = Found((await connection.exec_driver_sql(self._ledger.look)).scalar_one())
                found = await self._made(connection) if found is Found.ABSENT else found
        self._conclude(found)

    async def _made(self, connection: AsyncConnection) -> Found:
        for statement in self._ledger.make:
            await connection.exec_driver_sql(statement)
        await connection.commit()
        tell(self._terms.on_event, SchemaChanged(COMPONENT, f"table {self._ledger.name} made"))
        return Found.READY

    async def _clean(self) -> None:
        with suppress(*_IN_VAIN):
            async with self._briefly() as connection:
                await connection.execute(text(self._ledger.clean), {"kept": self._kept})
                await connection.commit()

    @asynccontextmanager
    async def _briefly(self) -> AsyncIterator[AsyncConnection]:
        async with asyncio.timeout(self._terms.config.check_timeout), self._connect() as connection:
            yield connection
