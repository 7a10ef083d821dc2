"""Asking the database how it is: on request, at intervals, and while its circuit is open.

    check() --answered less than 1 s ago--> that answer
       +------being asked now-------------> joins
       +------else------------------------> a fresh connection, SELECT 1, at most check_timeout

    circuit opens --> ask every 0.3 s --answers--> half-open --> probe --> closed
                          ^     |no                               |no
                          +-----+---------------------------------+

An answer says something about the server alone: it does not pass the pool, so an
exhausted pool does not look like a dead server. Whoever asks in the background
does so in an empty context, where no caller's deadline reaches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, Final

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
        self._failure: Failure | None = None
        self._asked_at = self._succeeded_at = float("-inf")
        self._flight: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._beat: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def last(self) -> CheckStats | None:
        """The last answer, None before any."""
        if self._last is None:
            return None
        every = None if self._beat is None else self._config.check_interval
        return replace(
            self._last, success_since=self._succeeded_at > self._asked_at, interval=every
        )

    @property
    def is_fresh(self) -> bool:
        """Whether a check now would ask nobody: it would join, or get the last answer."""
        is_asking = self._flight is not None and not self._flight.done()
        return is_asking or self._clock.monotonic() - self._asked_at < _STAYS_FRESH

    def forget(self) -> None:
        """Drop the last answer, so that the next check asks."""
        self._last = self._failure = None
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
        self._beat = _kept(self._beat, self._ask_at_intervals)

    def watch(self) -> None:
        """Ask until the circuit is closed again; nothing outside of a running loop."""
        try:
            self._watch = _kept(self._watch, self._ask_until_closed)
        except RuntimeError:
            return

    async def stop(self) -> None:
        """End whatever asks in the background."""
        ours = _running({self._flight, self._watch, self._beat, *self._leaving})
        for task in ours:
            task.cancel()
        if ours:
            await asyncio.wait(ours)
        # A check that was cut off has left its question behind, and that may take its time.
        if left := _running(self._leaving):
            await asyncio.wait(left, timeout=self._config.check_timeout)

    async def _answer(self) -> None:
        self._flight = _kept(self._flight, self._examine)
        await asyncio.wait({self._flight})

    async def _examine(self) -> None:
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
        self._failure, error = _judged(asking) if done else (_NO_ANSWER, "TimeoutError")
        self._asked_at = now
        self._record(at, now - started, error)

    def _record(self, at: float, seconds: float, error: str | None) -> None:
        before, failure = self._last, self._failure
        message = f"{error}: {failure.cause}" if failure else None
        ok = failure is None
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
        await self._answer()
        if self._failure is None:
            self._breaker.half_open("the database answers again")
        return self._failure is None

    async def _probe(self) -> bool:
        """One of the probes that close the circuit; False if another is under way, or it fails."""
        now = self._clock.monotonic()
        permit = self._breaker.admit(Ask(deadline=Deadline.after(self._config.check_timeout, now)))
        if not isinstance(permit, Permit):
            return False
        await self._answer()
        failure = self._failure
        if failure is None or failure.trips:
            permit.settle(failure or SUCCESS)
        else:
            permit.cancel()
        return failure is None

    def _pause(self) -> float:
        longest = self._config.breaker.recovery_timeout / _PAUSES_PER_RECOVERY
        jitter = 1 - _JITTER + 2 * _JITTER * self._random()
        return min(_LONGEST_PAUSE, longest) * jitter


def _kept(
    task: asyncio.Task[None] | None, work: Callable[[], Coroutine[Any, Any, None]]
) -> asyncio.Task[None]:
    """*task* if it still runs on this loop, else a new one. Raises RuntimeError without a loop."""
    loop = asyncio.get_running_loop()
    if task is not None and not task.done() and task.get_loop() is loop:
        return task
    return detached(work())


def _running(tasks: Iterable[asyncio.Task[None] | None]) -> set[asyncio.Task[None]]:
    """Those of *tasks* that have not ended and belong to the running loop."""
    loop = asyncio.get_running_loop()
    return {task for task in tasks if task and not task.done() and task.get_loop() is loop}


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
