"""Who waits in line is woken from any thread, and no loop waits behind another's callers."""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from koo.errors import RateLimited
from koo.resilience import (
    ONE_REQUEST,
    Ask,
    Bulkhead,
    BulkheadConfig,
    DailyBudget,
    DailyBudgetConfig,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    Success,
)
from koo.testing import FakeClock

#: Seconds; whoever is not woken is refused after them.
LONG = 30


@pytest.fixture
def gate():
    return Bulkhead("dep", BulkheadConfig(1))


async def _nothing():
    return "served"


class Elsewhere:
    """A call that waits in line on a loop of its own, in a thread of its own."""

    def __init__(self, *gates, ask=ONE_REQUEST):
        self._through = Policy("elsewhere", gates=gates, timeout=LONG)
        self._ask = ask
        self._in_line = threading.Event()
        self._threads = ThreadPoolExecutor(1)
        self._ended = self._threads.submit(asyncio.run, self._call())
        assert self._in_line.wait(LONG)

    async def _call(self):
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._through.outcome(_nothing, self._ask))
        await asyncio.sleep(0)
        self._in_line.set()
        return await self._task

    def cancel(self):
        self._loop.call_soon_threadsafe(self._task.cancel)

    def outcome(self):
        with self._threads:
            return self._ended.result(2 * LONG)


@pytest.mark.parametrize("end", ["cancel", "settle", "collected", "in_a_loop"])
def test_a_permit_that_is_given_back_in_another_thread_wakes_who_waits(gate, end):
    held = gate.admit(Ask())
    waiting = Elsewhere(gate)
    match end:
        case "cancel":
            held.cancel()
        case "settle":
            held.settle(Success())
        case "in_a_loop":
            asyncio.run(_cancelling(held))
        case "collected":
            del held
            gc.collect()
    outcome = waiting.outcome()
    assert (outcome.value, outcome.attempts) == ("served", 1)
    assert gate.stats().in_flight == gate.stats().waiting == 0


async def _cancelling(held):
    held.cancel()


def test_money_that_is_released_in_another_thread_wakes_who_waits():
    gate = DailyBudget("day", DailyBudgetConfig(1000), clock=FakeClock())
    held = gate.admit(Ask(nanousd=900))
    waiting = Elsewhere(gate, ask=Ask(nanousd=200))
    held.cancel()
    assert waiting.outcome().ok
    assert gate.stats().spent_nanousd == 200


def test_a_call_that_would_wait_behind_those_of_another_loop_is_told_so(gate):
    held = gate.admit(Ask())
    waiting = Elsewhere(gate)
    through = Policy("here", gates=[gate], timeout=LONG)
    with pytest.raises(RuntimeError) as caught:
        asyncio.run(through.run(_nothing))
    assert str(caught.value) == (
        "Bulkhead 'dep': callers of another event loop wait in its line;"
        " give each loop that runs at the same time a gate of its own"
    )
    assert gate.stats().waiting == 1
    held.cancel()
    assert waiting.outcome().ok
    assert asyncio.run(through.run(_nothing)) == "served"


def test_whoever_leaves_a_line_in_another_thread_leaves_it(gate):
    """A coroutine that is closed by the garbage collector is closed in any thread."""
    held = gate.admit(Ask())
    waiting = Elsewhere(gate)
    place = next(iter(gate._line._queues.values()))[0]
    gate.leave(place)
    held.cancel()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        waiting.outcome()
    assert gate.stats().in_flight == gate.stats().waiting == 0


def test_loops_one_after_another_wait_in_the_same_line(gate):
    async def two_of_whom_one_is_cancelled():
        held = gate.admit(Ask())
        through = Policy("dep", gates=[gate], timeout=LONG)
        gone, kept = (asyncio.create_task(through.run(_nothing)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        held.cancel()
        return await kept

    async def ends_with_somebody_in_line():
        held.append(gate.admit(Ask()))
        through = Policy("dep", gates=[gate], timeout=LONG)
        left = asyncio.create_task(through.run(_nothing))
        await asyncio.sleep(0)
        return left

    held = []
    for _ in range(3):
        assert asyncio.run(two_of_whom_one_is_cancelled()) == "served"
        assert asyncio.run(ends_with_somebody_in_line()).cancelled()
        assert (gate.stats().waiting, gate.stats().in_flight) == (0, 1)
        held.pop().cancel()


class Loops:
    """Loops that a test leaves as it likes; who waits on them is kept, as a framework may."""

    def __init__(self):
        self.tasks = []
        self.loops = []

    def with_one_in_line(self, gate):
        loop = asyncio.new_event_loop()
        self.loops.append(loop)
        through = Policy("dep", gates=[gate], timeout=LONG)
        self.tasks.append(loop.create_task(through.run(_nothing)))
        loop.run_until_complete(asyncio.sleep(0))
        assert gate.waiting
        return loop, self.tasks[-1]


@pytest.fixture
def loops():
    made = Loops()
    yield made
    for task, loop in zip(made.tasks, made.loops, strict=True):
        task._log_destroy_pending = False
        loop.close()


def test_a_line_of_a_closed_loop_is_forgotten_by_who_gives_back(gate, loops):
    held = gate.admit(Ask())
    loop, _ = loops.with_one_in_line(gate)
    loop.close()
    held.cancel()
    assert gate.stats().in_flight == gate.stats().waiting == 0


def test_a_line_of_a_closed_loop_is_forgotten_by_who_joins(gate, loops):
    held = gate.admit(Ask())
    loops.with_one_in_line(gate)[0].close()

    async def program():
        asyncio.get_running_loop().call_soon(held.cancel)
        return await Policy("dep", gates=[gate], timeout=LONG).run(_nothing)

    assert asyncio.run(program()) == "served"


def test_a_line_of_a_closed_loop_is_forgotten_by_who_has_no_patience(loops):
    clock = FakeClock()
    gate = RateLimiter("dep", RateLimiterConfig((Limit(1, 9.0),)), clock=clock)
    gate.admit(Ask())
    loops.with_one_in_line(gate)[0].close()
    clock.advance(100)
    assert isinstance(gate.admit(Ask()), RateLimited)
    assert not isinstance(gate.admit(Ask()), RateLimited)


def test_who_waits_on_a_loop_that_rests_is_served_when_it_goes_on(gate, loops):
    held = gate.admit(Ask())
    loop, task = loops.with_one_in_line(gate)
    held.cancel()
    assert loop.run_until_complete(task) == "served"


def test_nobody_joins_the_line_of_a_loop_that_rests(gate, loops):
    held = gate.admit(Ask())
    loop, task = loops.with_one_in_line(gate)
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(Policy("dep", gates=[gate], timeout=LONG).run(_nothing))
    held.cancel()
    assert loop.run_until_complete(task) == "served"


def test_a_loop_that_closes_while_it_is_called_is_no_error(gate, loops):
    held = gate.admit(Ask())
    loop, _ = loops.with_one_in_line(gate)
    home = gate._line.home
    loop.close()
    home.call(held.cancel)
    held.cancel()
