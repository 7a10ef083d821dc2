"""Standbys for reading, each used only while it is known to be fresh enough.

    primary --every moment: "your log is at L"--> mark (when asked, L)
    standby --every moment: "I have replayed R"--> complete up to the last mark of this log, L <= R
    session --one that is complete up to less than the bound ago?--> there, in turn
       +------none, or it does not answer-------------------------> the primary

No clock of a server is read, so none can be wrong. Who follows nobody any more stops
at its last mark, and a primary that nobody reaches makes no marks: both are stale soon.
Another cluster has another log, and so has a server from its promotion on: who had replayed
what the new primary never got is not ahead of it, but elsewhere.
Each question has a connection of its own, so that an exhausted pool makes nobody stale.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from math import inf
from typing import Final, NamedTuple, Self, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from ...errors import PoolExhausted
from ...resilience import Clock, Counter, detached
from ..commit import Sessions, Transaction
from ..config import DatabaseConfig
from ..pool import WatchedPool
from ..scope import Scope
from ..verdicts import is_trouble
from .stats import ReplicaStats

__all__ = ["Marks", "Readers", "Replica"]

_CLUSTER: Final = "(SELECT system_identifier FROM pg_control_system())"
_AT: Final = (
    f"SELECT concat_ws(' ', {_CLUSTER}, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),"
    " pg_current_wal_lsn())"
)
# The timeline that was replayed some time ago. What is received only some roles may see, others
# know of a promotion with the standby's next restartpoint.
_REPLAYED: Final = (
    f"SELECT concat_ws(' ', {_CLUSTER}, lpad(upper(to_hex(greatest("  # noqa: S608 - of a constant
    "(SELECT timeline_id FROM pg_control_checkpoint()),"
    " (SELECT min_recovery_end_timeline FROM pg_control_recovery()),"
    " (SELECT received_tli FROM pg_stat_wal_receiver)"
    "))), 8, '0'), pg_last_wal_replay_lsn()) WHERE pg_is_in_recovery()"
)
_QUESTIONS_PER_BOUND: Final = 8
_LONGEST_PAUSE: Final = 0.5
_MARKS: Final = 1024


class _Position(NamedTuple):
    log: str
    at: int

    @classmethod
    def of(cls, answer: str) -> Self:
        """What a server has told: cluster, timeline, and two halves of a number in hexadecimal."""
        log, _, at = answer.rpartition(" ")
        high, _, low = at.partition("/")
        return cls(log, (int(high, 16) << 32) + int(low, 16))


class Marks:
    """Where the primary's log was, and when."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, _Position]] = deque(maxlen=_MARKS)

    def note(self, asked: float, position: str | None) -> None:
        """The log was at *position*, or further, for whoever asked at *asked*."""
        if position is None:
            self._marks.clear()
        else:
            self._marks.append((asked, _Position.of(position)))

    def reached(self, position: str) -> float:
        """Up to when a standby that has replayed *position* is complete; -inf if unknown."""
        log, at = _Position.of(position)
        told = (asked for asked, mark in reversed(self._marks) if mark.log == log and mark.at <= at)
        return next(told, -inf)


class Replica:
    """One standby, and up to when it is known to be complete."""

    def __init__(self, name: str, pooled: AsyncEngine, asker: AsyncEngine, marks: Marks) -> None:
        self.name = name
        self.pooled = pooled
        self.asker = asker
        self.complete_until = -inf
        self.sessions = Counter()
        self.failures = Counter()
        self._marks = marks
        self._answers = True

    def learn(self, _asked: float, position: str | None) -> None:
        """It has replayed up to *position*; None if it does not answer, or is no standby."""
        did, self._answers = self._answers, position is not None
        if did and not self._answers:
            self.failures.add()
        self.complete_until = -inf if position is None else self._marks.reached(position)

    def distrust(self) -> None:
        """It failed somebody: not to be used before it has answered again."""
        self.failures.add()
        self.complete_until = -inf

    def photograph(self, now: float, config: DatabaseConfig) -> ReplicaStats:
        """A photograph; its pool is as large as *config* says."""
        keeper = cast("WatchedPool", self.pooled.sync_engine.pool).keeper
        return ReplicaStats(
            name=self.name,
            age=None if self.complete_until == -inf else now - self.complete_until,
            sessions_total=self.sessions.value,
            failures_total=self.failures.value,
            pool=keeper.terms.counts.photograph([keeper], config, now),
        )


class Readers:
    """The replicas of one event loop; *primary* is who is asked where its log is."""

    def __init__(
        self, primary: AsyncEngine, config: DatabaseConfig, sessions: Sessions, clock: Clock
    ) -> None:
        self.replicas: list[Replica] = []
        self._primary = primary
        self._config = config
        self._sessions = sessions
        self._clock = clock
        self._marks = Marks()
        self._turn = 0
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, name: str, pooled: AsyncEngine, asker: AsyncEngine) -> None:
        """Read from one more standby as well."""
        self.replicas.append(Replica(name, pooled, asker, self._marks))

    @asynccontextmanager
    async def session(
        self, scope: Scope, on_primary: AbstractAsyncContextManager[AsyncSession]
    ) -> AsyncIterator[AsyncSession]:
        """A session in a read-only transaction on a fresh replica, else *on_primary*."""
        self._watch()
        async with AsyncExitStack() as stack:
            found = await self._entered(stack, scope)
            yield await stack.enter_async_context(on_primary) if found is None else found

    async def close(self) -> None:
        """Ask no more, and close the connections to the replicas."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for replica in self.replicas:
            await replica.pooled.dispose()

    async def _entered(self, stack: AsyncExitStack, scope: Scope) -> AsyncSession | None:
        replica = self._fresh()
        if replica is None:
            return None
        own = Scope(scope.where, readonly=True, isolation_level=scope.isolation_level)
        try:
            return await stack.enter_async_context(self._on(replica, own))
        except PoolExhausted:
            raise
        except Exception as error:
            if not is_trouble(error):
                raise
            return None

    @asynccontextmanager
    async def _on(self, replica: Replica, scope: Scope) -> AsyncIterator[AsyncSession]:
        opened = self._sessions.open(replica.pooled, scope)
        begun = Transaction(opened, scope, timeout=self._config.attempt_timeout, eager=True)
        try:
            async with begun as session:
                replica.sessions.add()
                yield session
        except Exception as error:
            if is_trouble(error):
                replica.distrust()
            raise

    def _fresh(self) -> Replica | None:
        oldest = self._clock.monotonic() - self._config.replica_staleness
        fresh = [replica for replica in self.replicas if replica.complete_until >= oldest]
        self._turn += 1
        return fresh[self._turn % len(fresh)] if fresh else None

    # -- asking -----------------------------------------------------------------------

    def _watch(self) -> None:
        if self._tasks:
            return
        self._tasks.append(detached(self._follow(self._primary, _AT, self._marks.note)))
        for replica in self.replicas:
            asking = self._follow(replica.asker, _REPLAYED, replica.learn)
            self._tasks.append(detached(asking))

    async def _follow(
        self, engine: AsyncEngine, question: str, learn: Callable[[float, str | None], None]
    ) -> None:
        pause = min(_LONGEST_PAUSE, self._config.replica_staleness / _QUESTIONS_PER_BOUND)
        while True:
            try:
                await self._ask_on_one_connection(engine, question, learn, pause)
            except Exception:  # noqa: BLE001 - whatever it is, nothing is known any more
                learn(self._clock.monotonic(), None)
            await self._clock.sleep(pause)

    async def _ask_on_one_connection(
        self,
        engine: AsyncEngine,
        question: str,
        learn: Callable[[float, str | None], None],
        pause: float,
    ) -> None:
        async with engine.connect() as connection:
            while True:
                asked = self._clock.monotonic()
                async with asyncio.timeout(self._config.check_timeout):
                    answer = (await connection.execute(text(question))).scalar()
                    # Not by AUTOCOMMIT, which not everybody has behind a pooler.
                    await connection.rollback()
                learn(asked, answer)
                await self._clock.sleep(pause)
