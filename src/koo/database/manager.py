"""The database: sessions from a watched pool, behind a circuit that closes itself.

    session_scope() --permit--> transaction ----------------------> settle: the database's doing?
    transact(fn) --> Policy: [permit -> transaction(fn) -> settle] again on transient errors
    check() --> Examiner            report(), stats() only look

Connects on first use, on whatever loop is running. A caller's own exception is
no failure of the database; a transaction that never reached the server says
nothing about it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any, Concatenate, Final, NoReturn, ParamSpec, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from ..errors import CircuitOpen, DatabaseUnavailable, DeadlineExceeded, Rejected
from ..resilience import (
    ABANDONED,
    ONE_REQUEST,
    RANDOM,
    SUCCESS,
    SYSTEM_CLOCK,
    CircuitBreaker,
    Clock,
    Event,
    Listener,
    Permit,
    Policy,
    Random,
    Report,
    State,
    StateChanged,
    following,
    ignore,
    tell,
)
from .callers import calling_line
from .checks import Examiner
from .commit import Sessions, SessionScope, Transaction, attempt, commit_outcome_unknown
from .config import DatabaseConfig
from .engines import Engines
from .pool import PoolCounts, Terms
from .report import DatabaseStats, summarize
from .scope import Scope
from .tally import Tally
from .verdicts import Kind, Verdict, classify_for, failure_in, judge_for, seal

__all__ = ["DatabaseManager"]

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseManager:
    """One database of a process: its pool, its circuit breaker and its checks.

    *sessions* makes the sessions (by default with ``expire_on_commit=False``): give your own,
    and they have your classes and options.
    """

    name: Final = "database"

    def __init__(
        self,
        config: DatabaseConfig,
        *,
        sessions: async_sessionmaker[AsyncSession] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        random: Random = RANDOM,
        on_event: Listener = ignore,
    ) -> None:
        self.config = config
        self._clock = clock
        self._random = random
        self._on_event = on_event
        self._sessions = Sessions(sessions)
        self._counts = PoolCounts()
        terms = Terms(config, self._counts, clock, random, on_event)
        self._engines = Engines(terms, self._sessions)
        self._breaker = CircuitBreaker(
            self.name, config.breaker, clock=clock, random=random, on_event=self._hear
        )
        self._breaker.lease_for(config.attempt_timeout)
        self._examiner = Examiner(
            self._engines.ask, config, self._breaker, clock=clock, random=random, on_event=on_event
        )
        self._policies: dict[int, Policy] = {}
        self._tally = Tally(clock, self._examiner.note_success)

    @property
    def engine(self) -> AsyncEngine:
        """The running loop's SQLAlchemy engine; what is done with it directly passes no breaker."""
        return self._engines.current().pooled

    @property
    def breaker(self) -> CircuitBreaker:
        """The circuit breaker before the database."""
        return self._breaker

    # -- transactions --------------------------------------------------------------

    def session_scope(
        self, *, readonly: bool = False, isolation_level: str | None = None
    ) -> AbstractAsyncContextManager[AsyncSession]:
        """A session in a transaction: committed at the end, rolled back on any error.

        Raises DatabaseUnavailable at once while the circuit is open, PoolExhausted when no
        connection came free, CommitOutcomeUnknown when the connection broke during COMMIT, and
        what SQLAlchemy raises. Each statement may take ``timeout`` seconds (DeadlineExceeded).
        With *readonly* it may be one of the replicas', as old as the configuration allows.
        """
        scope = Scope(calling_line(), readonly=readonly, isolation_level=isolation_level)
        on_primary = SessionScope(
            scope, admit=self._admit, begin=self._transaction, settle=self._settle
        )
        if self.config.replicas and scope.may_read_old:
            return self._engines.reading(scope, on_primary)
        return on_primary

    async def transact(
        self,
        fn: Callable[[AsyncSession], Awaitable[T]],
        *,
        max_retries: int | None = None,
        isolation_level: str | None = None,
        readonly: bool = False,
    ) -> T:
        """What *fn* returns, run with a session in a transaction that has committed.

        The whole of *fn* is run again, in a new transaction, after errors that
        allow it: at most *max_retries* + 1 times (default: the configuration's),
        never when something may have been committed; then a note on the error says
        so. As often it waits while the pool does not dial, and nothing has been sent.
        Raises as :meth:`session_scope` does, and DeadlineExceeded after ``timeout`` seconds.
        """
        where = calling_line(fn)
        scope = Scope(where)
        number = self.config.retry.max_retries if max_retries is None else max_retries

        async def once() -> T:
            nonlocal scope
            was_in_the_way = scope.conflicted
            scope = Scope(where, readonly=readonly, isolation_level=isolation_level)
            if not was_in_the_way:
                return await self._attempt(fn, scope, patience=number)
            async with self._engines.current().contention.turn():
                return await self._attempt(fn, scope, patience=number)

        try:
            with following("call", self.name):
                return await self._policy(max_retries).run(once)
        except CircuitOpen as refusal:
            if refusal.gate != self.name:
                raise
            self._refuse(refusal)
        except DeadlineExceeded as late:
            if scope.in_doubt:
                raise commit_outcome_unknown() from late
            if scope.is_done:
                return cast("T", scope.value)
            if scope.is_partly_done:
                seal(late)
            raise

    def transactional(
        self,
        max_retries: int | None = None,
        *,
        isolation_level: str | None = None,
        readonly: bool = False,
    ) -> Callable[
        [Callable[Concatenate[AsyncSession, P], Awaitable[T]]],
        Callable[P, Coroutine[Any, Any, T]],
    ]:
        """A decorator for ``async def f(session, ...)``: call it without the session.

        Each call is a :meth:`transact` with these options. Raises TypeError for anything but a
        coroutine function, ValueError for negative *max_retries* or options at odds.
        """
        if callable(max_retries):
            raise TypeError("database: transactional needs parentheses; write @transactional()")
        self._policy(max_retries)
        Scope(None, readonly=readonly, isolation_level=isolation_level)

        def decorate(
            function: Callable[Concatenate[AsyncSession, P], Awaitable[T]],
        ) -> Callable[P, Coroutine[Any, Any, T]]:
            if not iscoroutinefunction(function):
                raise TypeError(f"database: {function!r} is not async; decorate an async function")

            @wraps(function)
            async def in_transaction(*args: P.args, **kwargs: P.kwargs) -> T:
                return await self.transact(
                    lambda session: function(session, *args, **kwargs),
                    max_retries=max_retries,
                    isolation_level=isolation_level,
                    readonly=readonly,
                )

            return in_transaction

        return decorate

    # -- looking and asking ----------------------------------------------------------

    async def check(self) -> Report:
        """Ask the server now, and report. Never raises because of the answer."""
        await self._examiner.check()
        return self.report()

    def report(self) -> Report:
        """How the database is doing. Only looks."""
        return summarize(self.stats())

    def stats(self) -> DatabaseStats:
        """A photograph."""
        now = self._clock.monotonic()
        return DatabaseStats(
            name=self.name,
            pool=self._counts.photograph(self._engines.primaries(), self.config, now),
            breaker=self._breaker.stats(),
            check=self._examiner.last,
            fresh=self._examiner.is_fresh,
            failure_rate=self._tally.failure_rate(now),
            replicas=self._engines.replicas(now),
            errors=self._tally.errors,
        )

    def half_open(self) -> None:
        """End the open wait: the next call probes."""
        self._breaker.half_open("half-opened by hand")

    def reset(self) -> None:
        """Close the circuit, ramped, and forget the errors and the last check."""
        self._breaker.reset()
        self._examiner.forget()
        self._tally.forget()

    # -- life --------------------------------------------------------------------------

    def start(self) -> None:
        """Check the server every ``check_interval`` seconds, on the running loop."""
        self._examiner.start()

    def pause(self) -> None:
        """Hand out no connection of the running loop's pools; who needs one waits in line."""
        self._engines.current().pause()

    def resume(self) -> None:
        """Hand out connections again, after :meth:`pause` or :meth:`drain`."""
        self._engines.current().resume()

    def resize(self, *, pool_size: int, max_overflow: int) -> None:
        """Make the pool larger or smaller while it works.

        What is open beyond the new size is closed: idle connections now, the
        others when they come back. Raises ValueError as the configuration does.
        """
        self.config = replace(self.config, pool_size=pool_size, max_overflow=max_overflow)
        self._engines.resize(self.config)

    async def drain(self, timeout: float) -> int:
        """Let whoever has a connection finish; how many were torn off after *timeout* seconds.

        Whoever needs a connection from now on gets DatabaseUnavailable, until
        :meth:`resume` or :meth:`close`. Concerns the running loop's pools, the
        replicas' as well. Raises ValueError for a negative time.
        """
        return await self._engines.current().drain(timeout)

    async def close(self) -> None:
        """End the background checks and close the connections; the next use opens new ones.

        Whoever has a connection loses it at once, in the middle of a transaction, and who waits
        for one gets DatabaseUnavailable: :meth:`drain` first, to let them finish.
        """
        async with self._examiner.stopped():
            await self._engines.close()

    # -- inside ------------------------------------------------------------------------

    def _admit(self) -> Permit:
        permit = self._breaker.admit(ONE_REQUEST)
        if isinstance(permit, CircuitOpen):
            self._refuse(permit)
        return permit

    def _refuse(self, refusal: CircuitOpen) -> NoReturn:
        self._examiner.watch()
        raise DatabaseUnavailable(self.name, refusal.retry_after, refusal.cause) from refusal

    def _transaction(self, scope: Scope, *, eager: bool = False) -> Transaction:
        session = self._sessions.open(self.engine, scope)
        return Transaction(session, scope, timeout=self.config.attempt_timeout, eager=eager)

    async def _attempt(
        self, fn: Callable[[AsyncSession], Awaitable[T]], scope: Scope, *, patience: int
    ) -> T:
        for _ in range(patience):
            try:
                return await self._counted(fn, scope)
            except DatabaseUnavailable as refusal:
                if not self._is_worth_waiting(refusal, scope):
                    raise
                pause = refusal.retry_after or 0.0
            await self._clock.sleep(pause * (1 + self._random()))
        return await self._counted(fn, scope)

    def _is_worth_waiting(self, refusal: DatabaseUnavailable, scope: Scope) -> bool:
        """Whether it was our pool, between two dials: nothing has begun yet."""
        ours = refusal.gate == self.name and refusal.retry_after is not None
        return ours and not scope.touched and self._breaker.stats().state is not State.OPEN

    async def _counted(self, fn: Callable[[AsyncSession], Awaitable[T]], scope: Scope) -> T:
        try:
            with following("attempt", self.name):
                value = await attempt(
                    fn,
                    scope,
                    self._transaction(scope, eager=True),
                    witnesses=self._engines.witnesses,
                    timeout=self.config.attempt_timeout,
                )
        except BaseException as error:
            if (failed := failure_in(error)) is not None:
                if scope.is_partly_done:
                    seal(failed)
                verdict = judge_for(self._counts, failed)
                scope.conflicted = verdict.kind is Kind.CONFLICT
                self._tally.add(scope, verdict)
            raise
        self._tally.add(scope)
        return value

    def _settle(self, permit: Permit, scope: Scope, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Exception):
            if (failed := failure_in(error)) is not None:
                self._tally.add(scope, judge_for(self._counts, failed))
            permit.settle(ABANDONED)
            return
        verdict = None if error is None else judge_for(self._counts, error)
        self._tally.add(scope, verdict)
        if isinstance(error, Rejected) or not (scope.touched or _is_evidence(verdict)):
            permit.cancel()
        else:
            permit.settle(SUCCESS if verdict is None else verdict.failure)

    def _policy(self, max_retries: int | None) -> Policy:
        config = self.config
        number = config.retry.max_retries if max_retries is None else max_retries
        if number not in self._policies:
            self._policies[number] = Policy(
                self.name,
                gates=[self._breaker],
                classify=partial(classify_for, self._counts),
                retry=replace(config.retry, max_retries=number),
                retry_budget=config.retry_budget,
                timeout=config.timeout,
                clock=self._clock,
                random=self._random,
                on_event=self._on_event,
            )
        return self._policies[number]

    def _hear(self, event: Event) -> None:
        tell(self._on_event, event)
        if isinstance(event, StateChanged) and event.after == State.OPEN:
            self._engines.doubt()
            self._examiner.watch()
        elif isinstance(event, StateChanged):
            self._engines.forgive()


def _is_evidence(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.kind is not Kind.CALLER
