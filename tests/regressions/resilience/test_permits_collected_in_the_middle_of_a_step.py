"""What nobody has settled the collector gives back, and it may come between any two steps.

Each test has it come at the first allocation, at the second, and so on. It took the line away
under whoever joined it, who got an AttributeError or was never called, and the oldest call under
who looked for it; and it called whoever was next in the midst of another's admission, so that a
breaker let in two probes at once.
"""

import asyncio
import gc
from collections import OrderedDict
from contextlib import suppress

import pytest

from koo.errors import BudgetExhausted, CircuitOpen
from koo.resilience import (
    Ask,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Policy,
)
from koo.resilience.flights import Flights
from koo.resilience.timers import Lane
from koo.testing import FakeClock

from ...resilience.policy.actors import policy, started

#: More allocations than any of these steps makes.
STEPS = 60


class Cycle:
    """Something that only the collector can let go."""

    def __init__(self, held):
        self.me, self.held = self, held


@pytest.fixture(autouse=True)
def collector():
    """It looks only at what these tests make, and when they say so; afterwards not at it either."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    yield
    gc.set_threshold(*before)
    gc.enable()


def quiet():
    """Nothing is collected until ``at_step``."""
    gc.disable()
    gc.collect()


def at_step(number):
    """Have the collector come so many allocations from now, or in half a second."""
    gc.set_threshold(gc.get_count()[0] + number, 10, 10)
    gc.enable()
    asyncio.get_running_loop().call_later(0.5, gc.collect)


async def fine():
    return "served"


def bulkheads():
    return [Bulkhead(name, BulkheadConfig(1)) for name in ("first", "second")]


def budget():
    """Given up is spent, so who waits for it is refused, and soon."""
    return [DailyBudget("day", DailyBudgetConfig(10), clock=FakeClock())]


@pytest.mark.parametrize(("make", "is_served"), [(bulkheads, True), (budget, False)])
async def test_whoever_joins_a_line_hears_of_it(make, is_served):
    for step in range(STEPS):
        gates, ask = make(), Ask(nanousd=10)
        through = policy(gates=gates, patience=1)
        quiet()
        for gate in gates:
            Cycle(gate.admit(ask))
        at_step(step)
        outcome = await through.outcome(fine, ask)
        assert outcome.ok or isinstance(outcome.error, BudgetExhausted), f"step {step}"
        assert outcome.ok is is_served
        assert outcome.waited <= 0.5, f"step {step}"


@pytest.mark.parametrize(("make", "is_served"), [(bulkheads, True), (budget, False)])
async def test_whoever_leaves_a_line_leaves_it_to_the_next(make, is_served):
    for step in range(STEPS):
        gates, ask = make(), Ask(nanousd=10)
        through = policy(gates=gates, patience=1)
        quiet()
        for gate in gates:
            Cycle(gate.admit(ask))
        gone, kept = (asyncio.create_task(through.outcome(fine, ask)) for _ in range(2))
        await asyncio.sleep(0.1)
        gone.cancel()
        at_step(step)
        outcome = await kept
        assert outcome.ok is is_served, f"step {step}: {outcome.error!r}"
        assert outcome.waited < 1, f"step {step}"
        assert all(gate.stats().waiting == 0 for gate in gates)


async def test_nobody_is_called_in_the_midst_of_anothers_admission():
    for step in range(STEPS):
        clock, room = FakeClock(), Bulkhead("room", BulkheadConfig(1))
        gate = CircuitBreaker("dep", BreakerConfig(recovery_timeout=10), clock=clock)
        gate.open_until(10, "dead")
        quiet()
        Cycle(room.admit(Ask()))
        waiting = await started(policy(gates=[room, gate], patience=1).outcome(fine))
        clock.advance(10)
        at_step(step)
        answer = gate.admit(Ask())
        gc.disable()
        others = (await waiting).error
        assert [isinstance(one, CircuitOpen) for one in (answer, others)].count(True) == 1, step


async def test_whoever_asks_a_breaker_that_looks_for_slow_calls_is_answered():
    clock = FakeClock()
    for step in range(STEPS):
        config = BreakerConfig(slow_threshold=1, failure_threshold=50)
        gate = CircuitBreaker("dep", config, clock=clock)
        quiet()
        for _ in range(4):
            Cycle(gate.admit(Ask()))
        clock.advance(2)
        at_step(step)
        assert await policy(gates=[gate]).run(fine) == "served"
        gc.collect()
        assert len(gate._flying) == gate._flying.overdue(9.0, 1.0) == 0


async def test_a_timer_that_looks_for_the_oldest_call_finds_the_next():
    clock = FakeClock()
    for step in range(STEPS):
        through = Policy("dep", timeout=1, clock=clock)
        quiet()
        for _ in range(3):
            left = through.run(asyncio.get_running_loop().create_future)
            left.send(None)
            Cycle(left)
            del left
        lane = through.memory.lane
        clock.advance(2)
        at_step(step)
        lane.fire()
        assert not lane.calls
        with suppress(asyncio.CancelledError):  # of those that it has found, whose task this is
            await asyncio.sleep(1)


class Falling(OrderedDict):
    """Calls of which one is collected while somebody looks at it, as of CPython 3.12 it may be."""

    def get(self, call, default=None):
        stamp = super().get(call, default)
        self.collect(call)
        return stamp


def test_a_call_that_ends_while_it_is_looked_at_is_not_overdue():
    flights = Flights()
    flights._younger = Falling()
    flights._younger.collect = flights.end
    flights.begin(1, 10.0)
    assert flights.overdue(99.0, 1.0) == len(flights) == 0


class Timed:
    def expire(self):
        pytest.fail("it had ended")


def test_a_call_that_ends_while_its_timer_looks_at_it_is_not_ended():
    lane = Lane(asyncio.new_event_loop(), 1.0, FakeClock())
    lane.calls = Falling()
    lane.calls.collect = lane.calls.pop
    lane.calls[Timed()] = 0.0
    lane.fire()
    lane.loop.close()
    assert not lane.calls
