"""An asyncio event loop that owns its time.

    something ready  --> run one turn (in the order of arrival, or permuted by a seed)
    nothing ready    --> jump to the next timer
    no timer either  --> VirtualDeadlock, naming who waits and where

An hour of virtual time costs what its callbacks cost. The same seed gives the same run. There
are no sockets and no threads here: what a program gives to a thread is done at once.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from .fake_clock import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from concurrent.futures import Executor

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualDeadlock(RuntimeError):
    """Nothing is ready, no timer is set, and the program has not ended."""


class VirtualClock:
    """The ``Clock`` of one virtual-time loop."""

    def __init__(self, loop: VirtualTimeLoop, epoch: float = EPOCH) -> None:
        self._loop = loop
        self._epoch = epoch

    def monotonic(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._loop.time()

    def time(self) -> float:
        """Seconds since 1970; moves with ``monotonic`` and with ``step_wall``."""
        return self._epoch + self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(seconds)

    def step_wall(self, seconds: float) -> None:
        """Shift the wall clock alone, forward or back."""
        self._epoch += seconds


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """An event loop whose time jumps to the next timer when nothing is ready.

    With a ``seed`` the next callback is drawn from all that are ready, which finds races that
    the order of arrival hides; without one the order is asyncio's own.
    """

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, *, seed: int | None = None) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = _TimeMachine(self)
        self._ready: deque[asyncio.Handle] = deque() if seed is None else _Urn(seed)
        self.clock = VirtualClock(self)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call *func* at once, in this thread: virtual time has no other."""
        del executor
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001
            done.set_exception(error)
        return done

    def _jump(self) -> None:
        """Move to the first timer; asyncio has already dropped the cancelled ones before it."""
        if not self._scheduled:
            raise VirtualDeadlock(_who_waits(asyncio.all_tasks(self)))
        self._now = self._scheduled[0].when()
        # Due is what lies before now + resolution: one step of the float, or it would never be.
        self._clock_resolution = math.ulp(self._now)

    def _process_events(self, event_list: list[object]) -> None:
        """Nothing to do: no socket ever reports."""

    def _write_to_self(self) -> None:
        """Nothing to wake: the loop never sleeps."""


class _TimeMachine:
    """What asyncio takes for a selector: where it would block, time moves instead."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None or timeout > 0:
            self._loop._jump()  # noqa: SLF001
        return []


class _Urn(deque[asyncio.Handle]):
    """A ready queue from which the next is drawn by lot."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)  # noqa: S311

    def popleft(self) -> asyncio.Handle:
        place = self._random.randrange(len(self))
        handle = self[place]
        del self[place]
        return handle


def run(
    program: Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]],
    *,
    seed: int | None = None,
) -> T:
    """The value of *program*, run to its end on a fresh virtual-time loop.

    *program* is a coroutine, or a function that makes one. Tasks it leaves behind are cancelled.
    Raises ``VirtualDeadlock`` where a real loop would hang for ever.
    """

    async def started() -> T:
        return await (program() if callable(program) else program)

    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(seed=seed)) as runner:
        return runner.run(started())


def running_clock() -> VirtualClock:
    """The clock of the virtual-time loop that is running now.

    Raises ``RuntimeError`` outside of one.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualTimeLoop):
        return loop.clock
    raise RuntimeError(
        "running_clock: this is not a virtual-time loop; start it with koo.testing.run"
    )


def _who_waits(tasks: Iterable[asyncio.Task[Any]]) -> str:
    places = sorted(f"{task.get_name()} at {_where(task)}" for task in tasks)
    waiting = "; ".join(places) or "no task at all"
    return f"virtual loop: nothing is ready and no timer is set; waiting for ever: {waiting}"


def _where(task: asyncio.Task[Any]) -> str:
    awaitable: Any = task.get_coro()
    place = "its start"
    while (frame := getattr(awaitable, "cr_frame", None)) is not None:
        place = f"{frame.f_code.co_name}:{frame.f_lineno}"
        awaitable = awaitable.cr_await
    return place
