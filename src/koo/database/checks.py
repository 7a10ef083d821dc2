"""Asking the database how it is: on request, at intervals, and while its circuit is open.

    check() --answered less than 1 s ago--> that answer
       +------being asked now-------------> joins
       +------else------------------------> a fresh connection, SELECT 1, at most check_timeout

    circuit opens --> ask every 0.3 s --answers--> half-open --> probe --> closed
                          ^     |no                               |no
                          +-----+---------------------------------+

An answer says something about the server alone: it does not pass the pool, so an
exhausted pool does not look like a dead server. Whoever asks in the background
does so in an empty context, where no caller's deadline reaches, and on each event
loop for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, Generic, TypeVar

from ..resilience import (
    SUCCESS,
    Ask,
    CheckStats,
    CircuitBreaker,
    Clock,
    Deadline,
    Failure,
    HealthChecked,
    Listener,
    Mode,
    Permit,
    Random,
    State,
    detached,
    tell,
)
from .config import DatabaseConfig
from .verdicts import classify

__all__ = ["Examiner"]

T = TypeVar("T")

_STAYS_FRESH: Final = 1.0
_LONGEST_PAUSE: Final = 0.3
_PAUSES_PER_RECOVERY: Final = 5
_JITTER: Final = 0.2
_NO_ANSWER: Final = Failure(retryable=True, trips=True, cause="no answer in time")


class Examiner:
    """Asks, remembers the last answer, and brings an open circuit back."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[None]],
        config: DatabaseConfig,
        breaker: CircuitBreaker,
        *,
        clock: Clock,
        random: Random,
        on_event: Listener,
    ) -> None:
        self._ask = ask
        self._config = config
        self._breaker = breaker
        self._clock = clock
        self._random = random
        self._on_event = on_event
        self._last: CheckStats | None = None
        self._asked_at = self._succeeded_at = float("-inf")
        self._flights = _Kept(self._examine)
        self._watches = _Kept(self._ask_until_closed)
        self._beats = _Kept(self._ask_at_intervals)
        self._leaving: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.AbstractEventLoop] = set()

    @property
    def last(self) -> CheckStats | None:
        """The last answer, None before any."""
        if self._last is None:
            return None
        every = self._config.check_interval if self._beats.is_running else None
        return replace(
            self._last, success_since=self._succeeded_at > self._asked_at, interval=every
        )

    @property
    def is_fresh(self) -> bool:
        """Whether a check now would ask nobody: it would join, or get the last answer."""
        asked = self._clock.monotonic() - self._asked_at < _STAYS_FRESH
        return asked or self._flights.is_running

    def forget(self) -> None:
        """Drop the last answer, so that the next check asks."""
        self._last = None
        self._asked_at = float("-inf")

    def note_success(self, now: float) -> None:
        """A call has succeeded at *now*."""
        self._succeeded_at = now

    async def check(self) -> None:
        """Ask, join whoever is asking, or be content with an answer younger than a second."""
        if self._clock.monotonic() - self._asked_at >= _STAYS_FRESH:
            await self._answer()

    def start(self) -> None:
        """Ask every ``check_interval`` on the running loop, until :meth:`stop`."""
        self._beats.run()

    def watch(self) -> None:
        """Ask until the circuit is closed again; nothing outside of a running loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if loop not in self._closing:
            self._watches.run()

    async def stop(self) -> None:
        """End whatever asks in the background of the running loop."""
        kinds = (self._flights, self._watches, self._beats)
        ours: set[asyncio.Task[Any]] = {task for kind in kinds if (task := kind.here())}
        ours |= self._left()
        for task in ours:
            task.cancel()
        if ours:
            await asyncio.wait(ours)
        # A check that was cut off has left its question behind, and that may take its time.
        if left := self._left():
            await asyncio.wait(left, timeout=self._config.check_timeout)

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """Nothing asks in the background within, and whatever opens the circuit is not watched."""
        loop = asyncio.get_running_loop()
        self._closing.add(loop)
        try:
            await self.stop()
            yield
        finally:
            self._closing.discard(loop)

    def _left(self) -> set[asyncio.Task[None]]:
        loop = asyncio.get_running_loop()
        return {task for task in self._leaving if task.get_loop() is loop}

    async def _answer(self) -> Failure | None:
        flight = self._flights.run()
        await asyncio.wait({flight})
        # One that was cut off has learned nothing, which is not to say that all is well.
        return _NO_ANSWER if flight.cancelled() or flight.exception() else flight.result()

    async def _examine(self) -> Failure | None:
        started, at = self._clock.monotonic(), self._clock.time()
        asking = detached(_as_coroutine(self._ask))
        try:
            done, _ = await asyncio.wait({asking}, timeout=self._config.check_timeout)
        except asyncio.CancelledError:
            self._dismiss(asking)
            raise
        now = self._clock.monotonic()
        if not done:
            self._dismiss(asking)
        failure, error = _judged(asking) if done else (_NO_ANSWER, "TimeoutError")
        self._asked_at = now
        self._record(at, now - started, f"{error}: {failure.cause}" if failure else None)
        return failure

    def _record(self, at: float, seconds: float, message: str | None) -> None:
        before, ok = self._last, message is None
        self._last = CheckStats(ok, at, seconds if ok else None, message)
        if before is None or before.ok is not ok:
            tell(self._on_event, HealthChecked(self._breaker.name, ok, message, seconds))

    def _dismiss(self, asking: asyncio.Task[None]) -> None:
        """Let a question that nobody answers end by itself; taking it back may wait too."""
        asking.cancel()
        self._leaving.add(asking)
        asking.add_done_callback(self._leaving.discard)
        asking.add_done_callback(_seen)

    async def _ask_at_intervals(self) -> None:
        while True:
            await self.check()
            await self._clock.sleep(self._config.check_interval)

    async def _ask_until_closed(self) -> None:
        while True:
            stats = self._breaker.stats()
            if stats.state is State.CLOSED or stats.mode is Mode.ISOLATED:
                return
            if not await (self._knock() if stats.state is State.OPEN else self._probe()):
                await self._clock.sleep(self._pause())

    async def _knock(self) -> bool:
        failure = await self._answer()
        if failure is None:
            self._breaker.half_open("the database answers again")
        return failure is None

    async def _probe(self) -> bool:
        """One of the probes that close the circuit; False if another is under way, or it fails."""
        now = self._clock.monotonic()
        permit = self._breaker.admit(Ask(deadline=Deadline.after(self._config.check_timeout, now)))
        if not isinstance(permit, Permit):
            return False
        failure = await self._answer()
        if failure is None or failure.trips:
            permit.settle(failure or SUCCESS)
        else:
            permit.cancel()
        return failure is None

    def _pause(self) -> float:
        longest = self._config.breaker.recovery_timeout / _PAUSES_PER_RECOVERY
        jitter = 1 - _JITTER + 2 * _JITTER * self._random()
        return min(_LONGEST_PAUSE, longest) * jitter


class _Kept(Generic[T]):
    """At most one task that does *work*, on each event loop."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._tasks: dict[asyncio.AbstractEventLoop, asyncio.Task[T]] = {}

    @property
    def is_running(self) -> bool:
        """Whether one is at it, on whatever loop that still turns."""
        tasks = list(self._tasks.items())
        return any(not task.done() and not loop.is_closed() for loop, task in tasks)

    def here(self) -> asyncio.Task[T] | None:
        """The one of the running loop; None if it has ended, or never began."""
        task = self._tasks.get(asyncio.get_running_loop())
        return None if task is None or task.done() else task

    def run(self) -> asyncio.Task[T]:
        """The one of the running loop, which begins now if there is none."""
        if (task := self.here()) is not None:
            return task
        for loop in [loop for loop in list(self._tasks) if loop.is_closed()]:
            self._tasks.pop(loop, None)
        began = self._tasks[asyncio.get_running_loop()] = detached(self._work())
        return began


async def _as_coroutine(ask: Callable[[], Awaitable[None]]) -> None:
    await ask()


def _judged(asking: asyncio.Task[None]) -> tuple[Failure | None, str | None]:
    if asking.cancelled():
        return _NO_ANSWER, "CancelledError"
    match asking.exception():
        case None:
            return None, None
        case Exception() as error:
            return classify(error), type(getattr(error, "orig", None) or error).__name__
        case error:
            raise error


def _seen(task: asyncio.Task[None]) -> None:
    """Look at how *task* ended, so that the loop does not complain that nobody did."""
    if not task.cancelled():
        task.exception()
