"""Everybody who takes part, behind one door: a transaction around a function.

    stack.transact(work) -- takes a connection --> await work(ask) -- commits --> value
                                                     ask("SELECT 1") --> first row

The connection is taken before *work* begins, whoever it is. koo is measured by what it documents:
`session_scope`, `transact` (which `transactional_with_retry` is made of) and its engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Protocol, TypeVar

import asyncpg
import psycopg_pool
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

from koo.database import DatabaseConfig, DatabaseManager

__all__ = [
    "Ask",
    "AsyncpgPool",
    "KooEngine",
    "KooScope",
    "KooTransact",
    "Make",
    "PsycopgPool",
    "Sizes",
    "SqlAlchemy",
    "Stack",
    "has_setting",
    "limited",
    "opened",
    "warm",
]

T = TypeVar("T")
Ask = Callable[[str], Awaitable[object]]
Work = Callable[[Ask], Awaitable[T]]

_RECYCLE = 3600
_GOODBYE = 5.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many connections are kept, and how many there may be at most."""

    kept: int = 10
    most: int = 30

    @property
    def overflow(self) -> int:
        """How many more than are kept."""
        return self.most - self.kept


class Stack(Protocol):
    """One way to a database."""

    async def transact(self, work: Work[T]) -> T:
        """What *work* returns, in a transaction on a connection."""
        ...

    async def close(self) -> None:
        """Close its connections as it documents it."""
        ...


Make = Callable[[int, Sizes], Stack]
"""Makes the stack for a port; it connects on first use."""


class _Koo:
    def __init__(self, port: int, sizes: Sizes, driver: str = "asyncpg", **config: Any) -> None:  # noqa: ANN401
        self.manager = DatabaseManager(
            DatabaseConfig(
                url=_url(driver, port),
                pool_size=sizes.kept,
                max_overflow=sizes.overflow,
                **config,
            )
        )

    async def close(self) -> None:
        await self.manager.close()


class KooScope(_Koo):
    """`session_scope`, as documented."""

    async def transact(self, work: Work[T]) -> T:
        """One transaction; never repeated."""
        async with self.manager.session_scope() as session:
            await session.connection()
            return await work(partial(_asked, session))


class KooTransact(_Koo):
    """`transact`: what `transactional_with_retry` decorates with."""

    async def transact(self, work: Work[T]) -> T:
        """Again after transient errors."""

        async def attempt(session: AsyncSession) -> T:
            await session.connection()
            return await work(partial(_asked, session))

        return await self.manager.transact(attempt)


class KooEngine(_Koo):
    """Its pool alone: the manager's engine, past session and breaker."""

    async def transact(self, work: Work[T]) -> T:
        """One Core transaction."""
        async with self.manager.engine.begin() as connection:
            return await work(partial(_asked, connection))


class SqlAlchemy:
    """SQLAlchemy's own async engine, in a Core transaction."""

    def __init__(
        self,
        port: int,
        sizes: Sizes,
        driver: str = "asyncpg",
        **options: Any,  # noqa: ANN401
    ) -> None:
        self.engine = create_async_engine(
            _url(driver, port),
            pool_size=sizes.kept,
            max_overflow=sizes.overflow,
            pool_timeout=30,
            pool_recycle=_RECYCLE,
            **options,
        )

    async def transact(self, work: Work[T]) -> T:
        """One Core transaction."""
        async with self.engine.begin() as connection:
            return await work(partial(_asked, connection))

    async def close(self) -> None:
        """Dispose of the pool."""
        await self.engine.dispose()


class AsyncpgPool:
    """The pool that comes with asyncpg."""

    def __init__(self, port: int, sizes: Sizes) -> None:
        self._address = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        self._most = sizes.most
        self._opening: asyncio.Future[asyncpg.Pool] | None = None

    async def pool(self) -> asyncpg.Pool:
        """The pool, made on first use; those who come meanwhile wait for the first."""
        if self._opening is None:
            made = asyncpg.create_pool(self._address, min_size=0, max_size=self._most)
            self._opening = asyncio.ensure_future(_entered(made))
        return await self._opening

    async def transact(self, work: Work[T]) -> T:
        """One transaction."""
        pool = await self.pool()
        async with pool.acquire() as connection, connection.transaction():
            return await work(connection.fetchrow)

    async def close(self) -> None:
        """Close politely."""
        await (await self.pool()).close()


class PsycopgPool:
    """psycopg_pool's AsyncConnectionPool."""

    def __init__(self, port: int, sizes: Sizes, **options: Any) -> None:  # noqa: ANN401
        self._pool = psycopg_pool.AsyncConnectionPool(
            f"host=127.0.0.1 port={port} user=postgres dbname=postgres",
            min_size=0,
            max_size=sizes.most,
            open=False,
            **options,
        )

    async def transact(self, work: Work[T]) -> T:
        """One transaction."""
        if self._pool.closed:
            await self._pool.open()
        async with self._pool.connection() as connection:

            async def ask(statement: str) -> object:
                return await (await connection.execute(statement)).fetchone()

            return await work(ask)

    async def close(self) -> None:
        """Close politely."""
        await self._pool.close()


def limited(**options: object) -> dict[str, object]:
    """Those *options* that a DatabaseConfig of this version knows."""
    return {name: value for name, value in options.items() if has_setting(name)}


def has_setting(name: str) -> bool:
    """Whether a DatabaseConfig of this version has a field of this name."""
    return name in {field.name for field in fields(DatabaseConfig)}


@asynccontextmanager
async def opened(make: Make, port: int, sizes: Sizes) -> AsyncIterator[Stack]:
    """The stack that *make* makes, closed at the end or given up after five seconds."""
    stack = make(port, sizes)
    try:
        yield stack
    finally:
        await asyncio.wait([asyncio.ensure_future(stack.close())], timeout=_GOODBYE)


async def warm(stack: Stack, connections: int) -> None:
    """Have so many connections open and used."""
    together = asyncio.Barrier(connections)

    async def hold(ask: Ask) -> None:
        await ask("SELECT 1")
        await together.wait()

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(stack.transact(hold))


def _url(driver: str, port: int) -> str:
    if driver == "asyncmy":
        return f"mysql+asyncmy://root@127.0.0.1:{port}/app"
    return f"postgresql+{driver}://postgres@127.0.0.1:{port}/postgres"


async def _asked(place: AsyncConnection | AsyncSession, statement: str) -> object:
    return (await place.execute(text(statement))).first()


async def _entered(pool: asyncpg.Pool) -> asyncpg.Pool:
    return await pool
