"""A transaction that reads one row by its key: operations a second, and CPU of each.

Core is a `text()` statement on a connection, as `engine.begin()` gives one; ORM a mapped object
from a session. What a layer costs is the CPU that the same transaction takes more with it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from lab.figures import Figure, Section
from lab.load import Lap, Operation, cpu, paired_laps, rates, shown
from lab.paired import Estimate, differences, ratios
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from koo.database import DatabaseManager

from .place import Effort, place
from .stacks import AsyncpgPool, KooEngine, PsycopgPool, Sizes, SqlAlchemy, Stack

__all__ = ["few_tasks", "throughput"]

_KEY = 7
_DOCUMENTED = Sizes(kept=10, most=30)
_FIXED = Sizes(kept=30, most=30)
_STATEMENT = text("SELECT id, name, val FROM item WHERE id = :key")
_BY_KEY = "SELECT id, name, val FROM item WHERE id = 7"

_KOO_CORE = "koo, `engine.begin()`, Core"
_KOO_SESSION = "koo, `session_scope`, Core"
_KOO_ORM = "koo, `session_scope`, ORM"
_KOO_RETRY = "koo, `transactional_with_retry`, ORM"
_PING_CORE, _PING_ORM = (f"SQLAlchemy 10+20, pool_pre_ping, {x}" for x in ("Core", "ORM"))
_BARE_CORE, _BARE_ORM = (f"SQLAlchemy 10+20, no ping, {x}" for x in ("Core", "ORM"))
_FIXED_CORE, _FIXED_ORM = (f"SQLAlchemy 30+0, no ping, {x}" for x in ("Core", "ORM"))
_ASYNCPG, _PSYCOPG = "asyncpg.Pool", "psycopg_pool"

Laps = Mapping[str, Sequence[Lap]]


class _Base(DeclarativeBase):
    pass


class _Item(_Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    val: Mapped[float]


async def throughput(effort: Effort) -> Sequence[Section]:
    """Fifty tasks on the documented pool."""
    async with place() as server, AsyncExitStack() as closing:
        operations = _operations(server.port, closing)
        laps = await paired_laps(operations, 50, effort.pairs, effort.lap)
    figures = [
        _ratio(laps, (_KOO_CORE, _PING_CORE), ">= 1.6"),
        _ratio(laps, (_KOO_CORE, _FIXED_CORE), ">= 0.97"),
        _ratio(laps, (_KOO_ORM, _PING_ORM), ">= 1.35"),
        _ratio(laps, (_KOO_ORM, _FIXED_ORM), ">= 0.97"),
        _ratio(laps, (_KOO_RETRY, _KOO_ORM), ">= 0.8"),
        _ratio(laps, (_KOO_SESSION, _PING_CORE), ">= 1.6"),
        _ratio(laps, (_KOO_SESSION, _FIXED_CORE), ""),
        *(shown(name, taken) for name, taken in laps.items()),
    ]
    method = (
        "Documented defaults (10 connections and 20 more), 50 tasks, asyncpg; a transaction that"
        " reads one row by its key. Ratios are medians of"
        f" {effort.pairs} paired rounds with their 95 % interval; below them operations a second."
        " Where Core misses its goal beside 30 fixed connections: what koo's pool adds to each"
        " operation is in the next table, most of it around the statement and COMMIT. A"
        " `session_scope` around a Core statement has a session and a breaker more than they."
    )
    return [Section("Throughput at 50 tasks", method, figures), _layers(laps)]


async def few_tasks(effort: Effort) -> Sequence[Section]:
    """One task, and ten: no queue, so every microsecond is the caller's."""
    figures: list[Figure] = []
    async with place() as server, AsyncExitStack() as closing:
        every = _operations(server.port, closing)
        ours = (_KOO_CORE, _KOO_ORM)
        names = (*ours, _PING_CORE, _PING_ORM, _BARE_CORE, _BARE_ORM, _ASYNCPG, _PSYCOPG)
        operations = {name: every[name] for name in names}
        for tasks in (1, 10):
            laps = await paired_laps(operations, tasks, effort.pairs, effort.lap)
            figures += _few(laps, f"at {tasks} task{'s' if tasks > 1 else ''}")
    method = (
        "As above with one task and with ten. Goals hold for operations a second beside"
        " SQLAlchemy with pool_pre_ping, and for CPU of the client beside it without; what it"
        " gains by not pinging at all is the ceiling of the former. For the ORM at ten tasks that"
        " ceiling is below the goal; Core could reach it, and there CPU costs it. Where CPU misses"
        " its goal: most"
        " of it is what stands around each statement and COMMIT (their limits, their count, the"
        " transaction's state), the rest the pool and what travels with BEGIN."
    )
    return [Section("Throughput at 1 and 10 tasks", method, figures)]


def _few(laps: Laps, when: str) -> list[Figure]:
    return [
        _ratio(laps, (_KOO_CORE, _PING_CORE), ">= 1.25", when),
        _ratio(laps, (_KOO_ORM, _PING_ORM), ">= 1.25", when),
        _cpu_ratio(laps, (_KOO_CORE, _BARE_CORE), "<= 1.03", when),
        _cpu_ratio(laps, (_KOO_ORM, _BARE_ORM), "<= 1.03", when),
        _ratio(laps, (_BARE_CORE, _PING_CORE), "", when),
        _ratio(laps, (_BARE_ORM, _PING_ORM), "", when),
        *(shown(f"{name}, {when}", taken) for name, taken in laps.items()),
    ]


def _layers(laps: Laps) -> Section:
    """Where the operations of the raw pool go."""
    added = [
        ("SQLAlchemy Core over asyncpg, 30 fixed connections", _FIXED_CORE, _ASYNCPG),
        ("the same with 10+20: overflow closed on return", _BARE_CORE, _FIXED_CORE),
        ("koo's pool instead of 30 fixed connections", _KOO_CORE, _FIXED_CORE),
        ("session and breaker: `session_scope` for `engine.begin()`", _KOO_SESSION, _KOO_CORE),
        ("ORM for Core", _KOO_ORM, _KOO_SESSION),
        ("retry and deadline: `transactional_with_retry`", _KOO_RETRY, _KOO_ORM),
    ]
    base = Figure.estimated(_ASYNCPG, Estimate.of(cpu(laps[_ASYNCPG])), "us")
    rows = [_added(laps, *row) for row in added]
    method = "CPU of the client for each operation at 50 tasks, and what each layer adds to it."
    details = [
        Figure(f"CPU, {name}", statistics.median(cpu(taken)), "us", rounds=len(taken))
        for name, taken in laps.items()
    ]
    return Section("Where the rest goes", method, [base, *rows], details)


def _added(laps: Laps, what: str, ours: str, theirs: str) -> Figure:
    return Figure.estimated(f"+ {what}", differences(cpu(laps[ours]), cpu(laps[theirs])), "us")


def _ratio(laps: Laps, pair: tuple[str, str], goal: str, when: str = "") -> Figure:
    ours, theirs = pair
    estimate = ratios(rates(laps[ours]), rates(laps[theirs]))
    return Figure.estimated(_beside(ours, theirs, when), estimate, "times", goal)


def _cpu_ratio(laps: Laps, pair: tuple[str, str], goal: str, when: str) -> Figure:
    ours, theirs = pair
    estimate = ratios(cpu(laps[ours]), cpu(laps[theirs]))
    return Figure.estimated(f"CPU: {_beside(ours, theirs, when)}", estimate, "times", goal)


def _beside(ours: str, theirs: str, when: str) -> str:
    return f"{ours} over {theirs}" + (f", {when}" if when else "")


def _operations(port: int, closing: AsyncExitStack) -> dict[str, Operation]:
    """What each contender does; pools of their own for Core and ORM."""

    def kept(stack: Stack) -> Stack:
        closing.push_async_callback(stack.close)
        return stack

    def alchemy(sizes: Sizes, *, ping: bool) -> AsyncEngine:
        stack = SqlAlchemy(port, sizes, pool_pre_ping=ping)
        kept(stack)
        return stack.engine

    def manager() -> DatabaseManager:
        stack = KooEngine(port, _DOCUMENTED)
        kept(stack)
        return stack.manager

    retrying = manager()
    return {
        _KOO_CORE: _core_of(manager()),
        _KOO_SESSION: _session_of(manager()),
        _KOO_ORM: _scope_of(manager()),
        _KOO_RETRY: retrying.transactional()(_item),
        _PING_CORE: _core(alchemy(_DOCUMENTED, ping=True)),
        _BARE_CORE: _core(alchemy(_DOCUMENTED, ping=False)),
        _FIXED_CORE: _core(alchemy(_FIXED, ping=False)),
        _PING_ORM: _orm(alchemy(_DOCUMENTED, ping=True)),
        _BARE_ORM: _orm(alchemy(_DOCUMENTED, ping=False)),
        _FIXED_ORM: _orm(alchemy(_FIXED, ping=False)),
        _ASYNCPG: _raw(kept(AsyncpgPool(port, _DOCUMENTED))),
        _PSYCOPG: _raw(kept(PsycopgPool(port, _DOCUMENTED))),
    }


async def _item(session: AsyncSession) -> object:
    return (await session.execute(select(_Item).where(_Item.id == _KEY))).scalar_one()


def _core_of(manager: DatabaseManager) -> Operation:
    async def operation() -> object:
        async with manager.engine.begin() as connection:
            return (await connection.execute(_STATEMENT, {"key": _KEY})).one()

    return operation


def _session_of(manager: DatabaseManager) -> Operation:
    async def operation() -> object:
        async with manager.session_scope() as session:
            return (await session.execute(_STATEMENT, {"key": _KEY})).one()

    return operation


def _scope_of(manager: DatabaseManager) -> Operation:
    async def operation() -> object:
        async with manager.session_scope() as session:
            return await _item(session)

    return operation


def _core(engine: AsyncEngine) -> Operation:
    async def operation() -> object:
        async with engine.begin() as connection:
            return (await connection.execute(_STATEMENT, {"key": _KEY})).one()

    return operation


def _orm(engine: AsyncEngine) -> Operation:
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def operation() -> object:
        async with sessions() as session, session.begin():
            return await _item(session)

    return operation


def _raw(stack: Stack) -> Operation:
    async def operation() -> object:
        return await stack.transact(lambda ask: ask(_BY_KEY))

    return operation
