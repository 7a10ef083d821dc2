"""Many calls, few timers: what the calls of one loop share, and what they do not."""

import asyncio
import gc
import threading
import weakref
from contextvars import ContextVar

import pytest

from koo.errors import DeadlineExceeded
from koo.resilience import Policy
from koo.resilience.timers import Lane
from koo.testing import run, running_clock

from .actors import Dependency, bulkhead, policy, started


class RunningClock:
    """The time of whichever virtual loop is running, ahead of it by *skew*."""

    def __init__(self, skew=0.0):
        self.skew = skew

    def monotonic(self):
        return running_clock().monotonic() + self.skew

    def time(self):
        return running_clock().time()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


class TickingClock(RunningClock):
    """A clock that no two looks find at the same moment."""

    def monotonic(self):
        self.skew += 1e-6
        return super().monotonic()


@pytest.fixture
def timers(monkeypatch):
    """Call it to begin counting the timers that are set on the running loop."""

    def count():
        loop, set_on = asyncio.get_running_loop(), []
        call_later = loop.call_later

        def counted(delay, *args, **kwargs):
            set_on.append(delay)
            return call_later(delay, *args, **kwargs)

        monkeypatch.setattr(loop, "call_later", counted)
        return set_on

    return count


async def test_a_thousand_calls_with_one_timeout_set_one_timer(timers):
    through = policy(timeout=10)
    set_on = timers()
    for _ in range(1000):
        await through.run(Dependency())
    assert set_on == [pytest.approx(10)]


@pytest.mark.parametrize("form", ["run", "outcome", "permit"])
async def test_calls_set_one_timer_though_the_clock_ticks_while_they_begin(timers, form):
    through = Policy("dep", gates=[bulkhead()], timeout=10, clock=TickingClock())

    async def block(dependency):
        async with through.permit():
            await dependency()

    call = block if form == "permit" else getattr(through, form)
    set_on = timers()
    for _ in range(1000):
        await call(Dependency())
    assert set_on == [pytest.approx(10)]


async def test_while_a_timer_is_set_for_the_oldest_call_the_others_set_none(timers):
    through, answer = policy(timeout=2), asyncio.Event()
    await through.run(Dependency())
    await asyncio.sleep(1)
    older = await started(through.run(answer.wait))
    await asyncio.sleep(1.5)
    set_on = timers()
    for _ in range(100):
        await through.run(Dependency())
    assert set_on == []
    answer.set()
    await older


async def test_a_timer_keeps_nothing_of_the_call_that_set_it():
    class Heavy:
        pass

    carried = ContextVar("carried")
    through, heavy = policy(timeout=10), Heavy()
    gone = weakref.ref(heavy)

    async def call(thing):
        carried.set(thing)
        await through.run(Dependency())

    await asyncio.create_task(call(heavy))
    del heavy
    await asyncio.sleep(0)
    gc.collect()
    assert gone() is None


async def test_policies_with_one_timeout_and_two_clocks_keep_each_its_own():
    await policy(timeout=2).run(Dependency())
    ahead = Policy("ahead", timeout=2, clock=RunningClock(skew=1000.0))
    with pytest.raises(DeadlineExceeded):
        await ahead.run(Dependency(9.0))
    assert running_clock().monotonic() == pytest.approx(2, abs=1e-3)


def test_a_policy_keeps_its_timeout_on_one_loop_after_another():
    through = Policy("dep", timeout=2, clock=RunningClock())

    async def quick():
        return await through.run(Dependency())

    async def slow():
        with pytest.raises(DeadlineExceeded):
            await through.run(Dependency(9.0))
        return running_clock().monotonic()

    assert run(quick()) == "fine"
    assert run(slow()) == pytest.approx(2, abs=1e-3)
    assert run(quick()) == "fine"
    assert run(slow()) == pytest.approx(2, abs=1e-3)


def test_a_policy_keeps_its_timeout_on_two_loops_at_once():
    """The second thread calls in the middle of a step of the first."""
    through, ends = Policy("dep", timeout=2, clock=RunningClock()), []

    async def slow():
        with pytest.raises(DeadlineExceeded):
            await through.run(Dependency(9.0))
        ends.append(running_clock().monotonic())

    async def first():
        await through.run(Dependency())
        second = threading.Thread(target=run, args=(slow,))
        second.start()
        second.join()
        await slow()

    run(first())
    assert ends == [pytest.approx(2, abs=1e-3)] * 2


async def test_a_call_that_ends_while_its_timer_looks_at_it_does_not_expire():
    """The collector may end it between any two steps."""

    class Collected(Lane):
        __slots__ = ()

        def _oldest(self):
            call = super()._oldest()
            self.calls.pop(call, None)
            return call

    class Call:
        def expire(self):
            pytest.fail("expired")

    lane = Collected(asyncio.get_running_loop(), 1.0, running_clock())
    lane.calls[Call()] = 0.0
    lane.fire()
    assert not lane.is_armed
