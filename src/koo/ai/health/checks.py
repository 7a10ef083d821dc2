"""Active checks: asked at most once per interval, and by one asker at a time.

check() --younger than the interval--> the last answer
--one is in flight----------> join it
--else----------------------> ask, in a task that belongs to no caller
"""

from __future__ import annotations

from asyncio import Task, get_running_loop, shield
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ...errors import KooError
from ...resilience import CheckStats, Clock, HealthChecked, Listener, Policy, detached, tell

__all__ = ["Checks"]


class Checks:
    """The checks of one service.

    *ask* returns None if the vendor has nothing to ask that is free of charge:
    then there is no answer to remember, and only the calls themselves tell.
    """

    def __init__(
        self,
        policy: Policy,
        ask: Callable[[], Awaitable[object]],
        *,
        interval: float,
        clock: Clock,
        on_event: Listener,
    ) -> None:
        self._policy = policy
        self._ask = ask
        self._interval = interval
        self._clock = clock
        self._on_event = on_event
        self._next_at = float("-inf")
        self._flight: Task[None] | None = None
        self._last: CheckStats | None = None
        self._is_kept = False

    def keep(self) -> None:
        """Somebody runs them in the background from now on."""
        self._is_kept = True

    async def run(self) -> None:
        """Ask, unless the last answer is young or somebody asks already. Never raises a failure."""
        flight = self._flight
        if flight is None or flight.done() or flight.get_loop() is not get_running_loop():
            if self._clock.monotonic() < self._next_at:
                return
            flight = self._flight = detached(self._fly(), name=f"{self._policy.name} check")
        await shield(flight)

    def stats(self, last_success_at: float | None) -> CheckStats | None:
        """The last answer, and whether a call succeeded at *last_success_at*, after it."""
        if self._last is None:
            return None
        since = last_success_at is not None and last_success_at >= self._last.at
        interval = self._interval if self._is_kept else None
        return replace(self._last, success_since=since, interval=interval)

    async def _fly(self) -> None:
        self._next_at = self._clock.monotonic() + self._interval
        began = self._clock.monotonic()
        try:
            answer = await self._policy.run(self._ask)
        except KooError as error:
            self._remember(began, str(error))
        except Exception as mistake:  # noqa: BLE001 - a mistake in a provider must not end the checks
            self._remember(began, f"{self._policy.name}: unexpected {type(mistake).__name__}")
        else:
            if answer is not None:
                self._remember(began, None)

    def _remember(self, began: float, error: str | None) -> None:
        taken = self._clock.monotonic() - began
        self._last = CheckStats(error is None, self._clock.time(), taken, error)
        tell(self._on_event, HealthChecked(self._policy.name, error is None, error, taken))
