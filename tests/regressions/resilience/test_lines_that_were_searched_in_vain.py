"""Whom a gate has called out of its line nobody looks for in it: that would cost the whole line."""

import asyncio

import pytest

from koo.errors import BudgetExhausted
from koo.resilience import (
    SUCCESS,
    Ask,
    Bulkhead,
    BulkheadConfig,
    DailyBudget,
    DailyBudgetConfig,
    Policy,
)
from koo.testing import run, running_clock


class Watched(Bulkhead):
    """A bulkhead that remembers who left its line by himself."""

    left = 0

    def leave(self, waiter):
        self.left += 1
        super().leave(waiter)


class WatchedBudget(DailyBudget):
    """The same of money."""

    left = 0

    def leave(self, waiter):
        self.left += 1
        super().leave(waiter)


async def _nothing():
    await asyncio.sleep(1)


def test_who_was_served_does_not_leave():
    async def calls():
        gate = Watched("dep", BulkheadConfig(1), clock=running_clock())
        through = Policy("dep", gates=[gate], timeout=99, clock=running_clock())
        await asyncio.gather(*(through.run(_nothing) for _ in range(5)))
        assert gate.left == 0
        assert (gate.waiting, gate.stats().in_flight) == (0, 0)

    run(calls())


def test_who_was_refused_does_not_leave():
    async def calls():
        gate = WatchedBudget("day", DailyBudgetConfig(100), clock=running_clock())
        through = Policy("dep", gates=[gate], timeout=99, clock=running_clock())
        held = gate.admit(Ask(nanousd=60))
        waiting = asyncio.create_task(through.run(_nothing, Ask(nanousd=60)))
        await asyncio.sleep(1)
        held.settle(SUCCESS)
        with pytest.raises(BudgetExhausted):
            await waiting
        assert (gate.left, gate.waiting) == (0, 0)

    run(calls())


@pytest.mark.parametrize("end", ["patience", "cancelled"])
def test_who_goes_away_leaves(end):
    async def calls():
        gate = Watched("dep", BulkheadConfig(1), clock=running_clock())
        through = Policy("dep", gates=[gate], timeout=5, clock=running_clock())
        held = gate.admit(Ask())
        waiting = asyncio.create_task(through.outcome(_nothing))
        await asyncio.sleep(1)
        if end == "cancelled":
            waiting.cancel()
        await asyncio.wait([waiting])
        assert (gate.left, gate.waiting) == (1, 0)
        held.cancel()

    run(calls())


def test_who_is_cancelled_in_the_instant_of_the_grant_hands_it_on():
    async def calls():
        gate = Watched("dep", BulkheadConfig(1), clock=running_clock())
        through = Policy("dep", gates=[gate], timeout=99, clock=running_clock())
        held = gate.admit(Ask())
        first, second = (asyncio.create_task(through.outcome(_nothing)) for _ in range(2))
        await asyncio.sleep(1)
        held.cancel()
        first.cancel()
        assert (await second).ok
        assert first.cancelled()
        assert (gate.waiting, gate.stats().in_flight) == (0, 0)

    run(calls())


def test_who_is_cancelled_in_the_instant_of_a_refusal_is_cancelled():
    async def calls():
        gate = DailyBudget("day", DailyBudgetConfig(100), clock=running_clock())
        through = Policy("dep", gates=[gate], timeout=99, clock=running_clock())
        held = gate.admit(Ask(nanousd=60))
        waiting = asyncio.create_task(through.run(_nothing, Ask(nanousd=60)))
        await asyncio.sleep(1)
        waiting.cancel()
        held.settle(SUCCESS)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (gate.waiting, gate.stats().reserved_nanousd) == (0, 0)

    run(calls())
