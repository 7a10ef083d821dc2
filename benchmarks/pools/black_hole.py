"""A network that goes silent at one of ten phases of a request that has a second.

    the row            a process for each contender
    phase by phase --> warm pool; requests; night falls --> seconds until each came back
                       the process ends ------------------> counts as hanging; a new process

Everybody meets the hole at once, each on a connection of its own. Who has not come back when the
patience is over counts as long as that, and is given up. A driver that is torn off at the wrong
moment may take its process along, therefore a process of its own. A phase that the darkness has
not met measures nothing, and ends the row.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Final

from lab.figures import Figure, Section
from lab.paired import percentile

from koo.testing import BlackHole, FaultProxy

from .hooks import Darkness, Falls, after, before
from .mariadb import mariadb
from .patience import patiently, timed
from .place import Effort, place
from .sqlite import endless_statements
from .stacks import (
    Ask,
    AsyncpgPool,
    KooScope,
    KooTransact,
    Make,
    PsycopgPool,
    Sizes,
    SqlAlchemy,
    Stack,
    opened,
    warm,
)

__all__ = ["black_hole"]

_DEADLINE: Final = 1.0
_IDLE: Final = 2.0
"""Long enough for a pool that asks its idle connections before use."""
_MYSQL: Final = "asyncmy"
_GOAL: Final = "<= 1.05 s"
_LOGIN: Final = (b"user\0", b"root\0")
"""Where a client says who it is: to PostgreSQL with the field's name, to MariaDB without."""

Request = Callable[[Stack], Awaitable[object]]


async def _reads(ask: Ask) -> object:
    return await ask("SELECT 'in the dark'")


async def _fails(ask: Ask) -> object:
    await _reads(ask)
    raise LookupError


async def _lingers(ask: Ask) -> object:
    await _reads(ask)
    return await asyncio.Event().wait()


async def _transacts(stack: Stack) -> object:
    return await stack.transact(_reads)


async def _rolls_back(stack: Stack) -> object:
    return await stack.transact(_fails)


async def _is_elsewhere(stack: Stack) -> object:
    return await stack.transact(_lingers)


async def _closes(stack: Stack) -> object:
    return await stack.close()


@dataclass(frozen=True, slots=True)
class _Phase:
    """Where in its life a connection goes dark; *falls* is None where it never was bright."""

    falls: Falls | None
    request: Request = _transacts
    idle: float = 0.0
    is_cold: bool = False


@dataclass(frozen=True, slots=True)
class _Contender:
    make: Make
    limit: float | None = _DEADLINE
    """Of the caller's own `asyncio.timeout`; None where the stack was told its time."""
    goal: str = ""
    has_begin: bool = True
    """Whether something is said to begin a transaction."""

    @property
    def phases(self) -> list[str]:
        """The phases that its requests have."""
        return [phase for phase in _PHASES if self.has_begin or phase != "BEGIN"]


_PHASES: Final[Mapping[str, _Phase]] = {
    "connect": _Phase(None, is_cold=True),
    "auth": _Phase(after(*_LOGIN), is_cold=True),
    "ping": _Phase(before(), idle=_IDLE),
    "BEGIN": _Phase(before(b"BEGIN")),
    "statement": _Phase(before(b"in the dark")),
    "COMMIT request": _Phase(before(b"COMMIT")),
    "COMMIT reply": _Phase(after(b"COMMIT")),
    "ROLLBACK": _Phase(before(b"ROLLBACK"), request=_rolls_back),
    "ROLLBACK after the deadline": _Phase(before(b"ROLLBACK"), request=_is_elsewhere),
    "close": _Phase(before(), request=_closes),
}


def _ours(driver: str) -> dict[str, _Contender]:
    told = partial(KooTransact, driver=driver, timeout=_DEADLINE, attempt_timeout=_DEADLINE)
    has_begin = driver != _MYSQL
    return {
        f"koo, `session_scope` in `asyncio.timeout`, {driver}": _Contender(
            partial(KooScope, driver=driver), goal=_GOAL, has_begin=has_begin
        ),
        f"koo, `transact` told its timeout, {driver}": _Contender(
            told, limit=None, goal=_GOAL, has_begin=has_begin
        ),
    }


def _alchemy(driver: str) -> dict[str, _Contender]:
    make = partial(SqlAlchemy, driver=driver, pool_pre_ping=True)
    return {f"SQLAlchemy, pool_pre_ping, {driver}": _Contender(make, has_begin=driver != _MYSQL)}


_OURS: Final = _ours("asyncpg") | _ours("psycopg")
_THEIRS: Final = (
    _alchemy("asyncpg")
    | _alchemy("psycopg")
    | {"asyncpg.Pool": _Contender(AsyncpgPool), "psycopg_pool": _Contender(PsycopgPool)}
)
_OURS_ON_MARIADB: Final = _ours(_MYSQL)
_THEIRS_ON_MARIADB: Final = _alchemy(_MYSQL)
_ALL: Final = _OURS | _THEIRS | _OURS_ON_MARIADB | _THEIRS_ON_MARIADB


@dataclass(slots=True)
class _Taken:
    """Seconds until requests came back, by phase, and the phases that ended the process."""

    by_phase: dict[str, list[float]] = field(default_factory=dict)
    crashed: list[str] = field(default_factory=list)

    def told(self) -> str:
        """Where it took longest, and where the process ended."""
        slowest = max(self.by_phase, key=lambda phase: max(self.by_phase[phase]))
        crashes = f", process crashed at {' and '.join(self.crashed)}" if self.crashed else ""
        return f"slowest at {slowest}{crashes}"


async def black_hole(effort: Effort) -> Sequence[Section]:
    """How long a request with one second is kept."""
    async with place() as server:
        taken = await _measured(_OURS, _THEIRS, server.port, effort)
    async with mariadb() as port:
        if port is not None:
            taken |= await _measured(_OURS_ON_MARIADB, _THEIRS_ON_MARIADB, port, effort)
    figures = [_summed_up(name, one) for name, one in taken.items()]
    if port is None:
        figures.append(Figure("asyncmy; MariaDB is not installed here", 0, "requests", rounds=0))
    method = (
        f"A request has {_DEADLINE:g} s; its connection goes silent at one of ten phases"
        f" ({', '.join(_PHASES)}; nothing is said to BEGIN with asyncmy). Seconds until it came"
        f" back: the 99th percentile of {effort.samples} requests in each phase (one pool closes),"
        f" of the phase where it is highest; given up after {effort.patience:g} s. SQLite has no"
        " network: there a statement computes for longer, or waits for the lock of another."
    )
    figures += await endless_statements(effort)
    return [Section("Black hole", method, figures, _details(taken))]


async def _measured(
    ours: Iterable[str], theirs: Iterable[str], port: int, effort: Effort
) -> dict[str, _Taken]:
    taken = {name: await _through_all_phases(name, port, effort) for name in ours}
    # They mostly wait: side by side they take no longer than the slowest.
    met = await asyncio.gather(*(_through_all_phases(name, port, effort) for name in theirs))
    return taken | dict(zip(theirs, met, strict=True))


def _summed_up(name: str, taken: _Taken) -> Figure:
    phases = taken.by_phase.values()
    p99, worst = max(percentile(one, 99) for one in phases), max(map(max, phases))
    what, rounds = f"{name}; {taken.told()}", sum(map(len, phases))
    return Figure(what, p99, "s", _ALL[name].goal, worst=worst, rounds=rounds)


def _details(taken: Mapping[str, _Taken]) -> list[Figure]:
    return [
        Figure(f"{name}; at {phase}, slowest", max(values), "s", rounds=len(values))
        for name, one in taken.items()
        for phase, values in one.by_phase.items()
    ]


async def _through_all_phases(name: str, port: int, effort: Effort) -> _Taken:
    taken = _Taken()
    left = _ALL[name].phases
    while left:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            try:
                while left:
                    meet = partial(_in_a_process, name, left[0], port, effort)
                    loop = asyncio.get_running_loop()
                    taken.by_phase[left[0]] = await loop.run_in_executor(process, meet)
                    left.pop(0)
            except BrokenProcessPool:
                taken.crashed.append(left[0])
                taken.by_phase[left.pop(0)] = [effort.patience] * effort.samples
    return taken


def _in_a_process(name: str, phase: str, port: int, effort: Effort) -> list[float]:
    logging.disable(logging.CRITICAL)
    values, was_met = asyncio.run(_met(_PHASES[phase], _ALL[name], port, effort))
    assert was_met, f"{name}: no connection went dark at {phase}"
    return values


async def _met(
    phase: _Phase, one: _Contender, port: int, effort: Effort
) -> tuple[list[float], bool]:
    """Seconds until each request came back, and whether a connection of theirs went dark.

    A goodbye that nobody waits for need not have come to the darkness yet.
    """
    sizes = Sizes(kept=effort.samples, most=effort.samples)
    is_goodbye = phase.request is _closes
    number, limit = (1, _DEADLINE) if is_goodbye else (effort.samples, one.limit)
    async with FaultProxy("127.0.0.1", port) as proxy, opened(one.make, proxy.port, sizes) as stack:
        if not phase.is_cold:
            await warm(stack, effort.samples)
        await asyncio.sleep(phase.idle)
        # The warming up is what makes a full collection due; it would stop the clock of everybody.
        gc.collect()
        darkness = _fallen(phase, proxy)
        requests = [timed(partial(phase.request, stack), limit) for _ in range(number)]
        values = await patiently(requests, effort.patience)
        met = darkness.connections if phase.falls else proxy.traffic.accepted_total
        _lift(darkness, proxy)
        return values, is_goodbye or met > 0


def _fallen(phase: _Phase, proxy: FaultProxy) -> Darkness:
    darkness = Darkness(phase.falls or before())
    if phase.falls is None:
        proxy.black_hole = BlackHole.NEW
    proxy.hook = darkness
    return darkness


def _lift(darkness: Darkness, proxy: FaultProxy) -> None:
    darkness.lift()
    proxy.black_hole = BlackHole.OFF
    proxy.reset_all()
