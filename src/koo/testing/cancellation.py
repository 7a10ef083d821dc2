"""Cancel an operation at every place where it can be cancelled.

A task can be cancelled while it waits, and also in the instant between the end of its wait and
its next step, when what it waited for has already been handed over. The second is where permits
are lost, so each suspension is cut twice:

    --- step ---> suspended ......................... woken ---> step ---
                     ^ WAITING: the wait is cancelled    ^ RESUMING: the wait was fulfilled
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from .virtual_loop import run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

# What a cancellation sets in motion (a line called up, a task stopped) may take a few turns.
TURNS_TO_CLEAN_UP = 10


class Moment(Enum):
    """When, within one suspension, the cancellation arrives."""

    WAITING = "while it waited"
    RESUMING = "when its wait had been fulfilled"


@dataclass(frozen=True, slots=True)
class Cuts:
    """What ``cancel_at_every_await`` did."""

    suspensions: int
    """How many times the operation, left alone, gives up control."""
    swallowed: tuple[int, ...]
    """The suspensions after whose cancellation it still ended with a value."""


def cancel_at_every_await(
    make_operation: Callable[[], Coroutine[Any, Any, object]],
    check: Callable[[int], object],
    *,
    seed: int | None = None,
) -> Cuts:
    """Run a fresh operation for every suspension *k*, cancelled there, and call ``check(k)``.

    Each run has its own virtual-time loop, on which *make_operation* and *check* are called too
    (*check* may be async); the last run is not cancelled, and its *k* is one more than the
    suspensions. An error of the operation or of *check* is raised with a note saying where the
    cut was.
    """
    swallowed: list[int] = []
    for k in itertools.count(1):
        for moment in Moment:
            trial = _Trial(make_operation, k, moment)
            ended = run(trial.judged_by(check), seed=seed)
            if trial.suspensions < k:
                return Cuts(trial.suspensions, tuple(swallowed))
            if ended:
                swallowed.append(k)
    raise AssertionError  # pragma: no cover


class _Trial:
    """One run, cancelled at its *k*-th suspension if it has so many."""

    def __init__(
        self, make_operation: Callable[[], Coroutine[Any, Any, object]], k: int, moment: Moment
    ) -> None:
        self.make_operation = make_operation
        self.suspensions = 0
        self._k = k
        self._moment = moment

    async def judged_by(self, check: Callable[[int], object]) -> bool:
        """Whether the operation ended with a value, after *check* had its say."""
        try:
            ended = await self._ended()
            verdict = check(self._k)
            if inspect.isawaitable(verdict):
                await verdict
        except Exception as error:
            error.add_note(f"cut at suspension {self._k}, {self._moment.value}")
            raise
        return ended

    def suspended_on(self, awaited: asyncio.Future[object] | None) -> None:
        """Count, and cancel if this is the place."""
        self.suspensions += 1
        if self.suspensions != self._k:
            return
        task = asyncio.current_task()
        assert task is not None
        if self._moment is Moment.WAITING:
            task.cancel()
        else:
            _cancel_before_waking(task, awaited)

    async def _ended(self) -> bool:
        task = asyncio.ensure_future(_Cut(self))
        await asyncio.wait([task])
        for _ in range(TURNS_TO_CLEAN_UP):
            await asyncio.sleep(0)
        if task.cancelled():
            return False
        task.result()
        return True


class _Cut:
    """Drives the operation as ``await`` would, and tells the trial of every suspension."""

    def __init__(self, trial: _Trial) -> None:
        self._trial = trial

    def __await__(self) -> Generator[Any, Any, object]:
        operation = self._trial.make_operation()
        step: Callable[[], Any] = partial(operation.send, None)
        while True:
            try:
                awaited = step()
            except StopIteration as end:
                return end.value
            self._trial.suspended_on(awaited)
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001
                step = partial(operation.throw, error)
            else:
                step = partial(operation.send, None)


def _cancel_before_waking(task: asyncio.Task[Any], awaited: asyncio.Future[object] | None) -> None:
    """Cancel once *awaited* is done; our callback was added before the task's own."""
    if awaited is None:
        asyncio.get_running_loop().call_soon(task.cancel)
    else:
        awaited.add_done_callback(lambda _: task.cancel())
