"""The store of those who need none: plain gates, which forget with their process."""

import pytest

from koo.resilience import (
    SYSTEM_CLOCK,
    Ask,
    DailyBudget,
    DailyBudgetConfig,
    Limit,
    LimitPaused,
    MemoryStore,
    RateLimiter,
    RateLimiterConfig,
)
from koo.testing import FakeClock

from ..tools import admitted, refused

LIMITS = RateLimiterConfig((Limit(1, 60.0),))


def test_it_makes_a_limiter_on_its_clock_that_tells_of_pauses():
    clock, told = FakeClock(), []
    gate = MemoryStore(clock=clock).limiter("dep", LIMITS, on_event=told.append)
    assert type(gate) is RateLimiter
    assert gate.name == "dep"
    admitted(gate)
    assert refused(gate).retry_after == pytest.approx(60, abs=1)
    clock.advance(61)
    admitted(gate)
    gate.pause(5)
    assert told == [LimitPaused("dep", 5)]


def test_it_makes_a_budget_on_its_clock():
    clock = FakeClock()
    gate = MemoryStore(clock=clock).budget("dep", DailyBudgetConfig(10))
    assert type(gate) is DailyBudget
    assert gate.name == "dep"
    admitted(gate, Ask(nanousd=10)).cancel()
    assert gate.stats().limit_nanousd == 10
    assert 0 < gate.stats().resets_at - clock.time() <= 86_400


def test_it_makes_both_at_once():
    told = []
    limiter, budget = MemoryStore(clock=FakeClock()).limiter_and_budget(
        "dep", LIMITS, DailyBudgetConfig(10), on_event=told.append
    )
    assert (type(limiter), type(budget)) == (RateLimiter, DailyBudget)
    limiter.pause(5)
    assert told == [LimitPaused("dep", 5)]
    assert refused(budget, Ask(nanousd=11)).gate == "dep"


def test_gates_of_one_name_know_nothing_of_each_other_even_from_one_store():
    store = MemoryStore()
    for _ in range(2):
        admitted(store.limiter("dep", LIMITS))
        admitted(store.budget("dep", DailyBudgetConfig(1)), Ask(nanousd=1)).cancel()
    store.close()


def test_its_clock_is_the_machines_unless_it_is_given_one():
    assert MemoryStore()._clock is SYSTEM_CLOCK
