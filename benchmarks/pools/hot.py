"""What is added to a transaction on a connection that was used a moment ago.

cost         time of an empty checkout, with everything on, minus SQLAlchemy's own
round trips  how often a connection turns from asking to answering, counted in a proxy
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial

from lab.figures import Figure, Section
from lab.load import Operation
from lab.paired import Estimate, differences
from lab.rounds import Contender, laps
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from koo.database import DatabaseManager
from koo.resilience import ONE_REQUEST, SUCCESS, Permit
from koo.testing import FaultProxy

from .hooks import Turns
from .mariadb import mariadb
from .place import Effort, place
from .stacks import (
    AsyncpgPool,
    KooEngine,
    KooScope,
    KooTransact,
    Make,
    PsycopgPool,
    Sizes,
    SqlAlchemy,
    opened,
    warm,
)

__all__ = ["checkout", "round_trips"]

_TRANSACTIONS = 50
_SIZES = Sizes()

_KOO_SCOPE, _PLAIN_SCOPE = "koo, `session_scope`", "SQLAlchemy, session"
_KOO_ENGINE, _PLAIN_ENGINE = "koo, `engine.connect()`", "SQLAlchemy, `engine.connect()`"
_KOO_GUARDED = "koo, `engine.connect()` behind the breaker"


async def checkout(effort: Effort) -> Sequence[Section]:
    """Microseconds that koo adds to a checkout."""
    async with place() as server, AsyncExitStack() as stacks:
        koo = KooEngine(server.port, _SIZES)
        plain = SqlAlchemy(server.port, _SIZES)
        for stack in (koo, plain):
            stacks.push_async_callback(stack.close)
        contenders = [
            Contender(_KOO_SCOPE, _scope(koo.manager)),
            Contender(_PLAIN_SCOPE, _session(plain.engine)),
            Contender(_KOO_GUARDED, _guarded(koo.manager)),
            Contender(_KOO_ENGINE, _connect(koo.manager.engine)),
            Contender(_PLAIN_ENGINE, _connect(plain.engine)),
        ]
        taken = await laps(contenders, 2 * effort.pairs + 1)
    micro = {name: [one / 1000 for one in values] for name, values in taken.items()}
    pairs = {
        "breaker, ping, metrics, leak tracking": (_KOO_GUARDED, _PLAIN_ENGINE, "<= 5 us"),
        "without the breaker": (_KOO_ENGINE, _PLAIN_ENGINE, ""),
        "the same, each in a session": (_KOO_SCOPE, _PLAIN_SCOPE, "<= 5 us"),
    }
    figures = [
        *(
            _added(micro, what, (ours, theirs), goal)
            for what, (ours, theirs, goal) in pairs.items()
        ),
        *(Figure.estimated(name, Estimate.of(values), "us") for name, values in micro.items()),
    ]
    method = (
        "A connection is taken and given back, nothing is asked of it; one task, asyncpg."
        f" Medians of {2 * effort.pairs + 1} paired rounds with their 95 % interval. In a session"
        " koo gains more than it adds: SQLAlchemy's needs a task to end."
    )
    return [Section("Cost of a checkout", method, figures)]


async def round_trips(effort: Effort) -> Sequence[Section]:
    """Round trips of a transaction that reads one row, and how many of them are koo's."""
    del effort
    async with place() as server:
        counted = {name: await _counted(make, server.port) for name, make in _contenders().items()}
    async with mariadb() as port:
        if port is not None:
            counted |= {name: await _counted(make, port) for name, make in _on("asyncmy").items()}
    goals = [
        (f"added by `{what}`, {driver}", f"koo, {what}, {driver}", f"SQLAlchemy, {driver}")
        for driver in ("asyncpg", "psycopg")
        for what in ("session_scope", "transact")
    ]
    figures = [
        Figure(what, counted[ours] - counted[theirs], "round trips", "= 0")
        for what, ours, theirs in goals
    ]
    figures += [Figure(name, number, "round trips") for name, number in counted.items()]
    method = (
        f"Mean of {_TRANSACTIONS} transactions one after another on a warm connection, counted in a"
        " proxy, each once; koo's beside those of SQLAlchemy without a ping."
    )
    return [Section("Round trips of a hot transaction", method, figures)]


def _contenders() -> Mapping[str, Make]:
    raw: Mapping[str, Make] = {"asyncpg.Pool": AsyncpgPool, "psycopg_pool": PsycopgPool}
    return {**_on("asyncpg"), **_on("psycopg"), **raw}


def _on(driver: str) -> Mapping[str, Make]:
    return {
        f"koo, session_scope, {driver}": partial(KooScope, driver=driver),
        f"koo, transact, {driver}": partial(KooTransact, driver=driver),
        f"SQLAlchemy, {driver}": partial(SqlAlchemy, driver=driver),
        f"SQLAlchemy, pool_pre_ping, {driver}": partial(
            SqlAlchemy, driver=driver, pool_pre_ping=True
        ),
    }


async def _counted(make: Make, port: int) -> float:
    async with (
        FaultProxy("127.0.0.1", port) as proxy,
        opened(make, proxy.port, _SIZES) as stack,
    ):
        await warm(stack, 1)
        for _ in range(10):
            await stack.transact(lambda ask: ask("SELECT 1"))
        proxy.hook = turns = Turns()
        for _ in range(_TRANSACTIONS):
            await stack.transact(lambda ask: ask("SELECT 1"))
        proxy.hook = None
    return turns.total / _TRANSACTIONS


def _added(
    micro: Mapping[str, Sequence[float]], what: str, pair: tuple[str, str], goal: str
) -> Figure:
    ours, theirs = pair
    estimate = differences(micro[ours], micro[theirs])
    return Figure.estimated(f"{what}: {ours} minus {theirs}", estimate, "us", goal)


def _scope(manager: DatabaseManager) -> Operation:
    async def operation() -> None:
        async with manager.session_scope() as session:
            await session.connection()

    return operation


def _session(engine: AsyncEngine) -> Operation:
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def operation() -> None:
        async with sessions() as session, session.begin():
            await session.connection()

    return operation


def _guarded(manager: DatabaseManager) -> Operation:
    breaker, engine = manager.breaker, manager.engine

    async def operation() -> None:
        permit = breaker.admit(ONE_REQUEST)
        assert isinstance(permit, Permit), permit
        async with engine.connect():
            pass
        permit.settle(SUCCESS)

    return operation


def _connect(engine: AsyncEngine) -> Operation:
    async def operation() -> None:
        async with engine.connect():
            pass

    return operation
