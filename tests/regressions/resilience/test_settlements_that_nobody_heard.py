"""An attempt that was settled outside of its block was ignored without a word."""

import pytest

from koo.errors import CircuitOpen
from koo.resilience import (
    Ask,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Policy,
    RetryConfig,
    Spent,
    Success,
)
from koo.testing import running_clock

CHEAP = Success(spent=Spent(nanousd=1))
UNHEARD = "Policy 'dep': its block has not begun or is over; settle an attempt inside of it"


def _parts():
    clock = running_clock()
    budget = DailyBudget("budget", DailyBudgetConfig(1000), clock=clock)
    gate = CircuitBreaker("gate", clock=clock)
    policy = Policy("dep", gates=[gate, budget], retry=RetryConfig(max_retries=1), clock=clock)
    return policy, budget, gate


async def test_a_cost_that_is_told_after_the_block_is_refused():
    policy, budget, _ = _parts()
    async with policy.permit(Ask(nanousd=100)) as attempt:
        pass
    with pytest.raises(RuntimeError) as caught:
        attempt.settle(CHEAP)
    assert str(caught.value) == UNHEARD
    assert budget.stats().spent_nanousd == 100


async def test_a_cost_that_is_told_before_the_block_is_refused():
    policy, budget, _ = _parts()
    with pytest.raises(RuntimeError, match="not entered yet"):
        policy.permit(Ask(nanousd=100)).settle(CHEAP)
    async for attempt in policy.asking(Ask(nanousd=100)):
        with pytest.raises(RuntimeError) as caught:
            attempt.settle(CHEAP)
        assert str(caught.value) == UNHEARD
        async with attempt:
            attempt.settle(CHEAP)
        with pytest.raises(RuntimeError, match="its block has not begun or is over"):
            attempt.settle(CHEAP)
    assert budget.stats().spent_nanousd == 1


async def test_a_block_that_was_refused_can_not_be_settled():
    policy, budget, gate = _parts()
    gate.isolate("by hand")
    attempt = policy.permit(Ask(nanousd=100))
    with pytest.raises(CircuitOpen):
        await attempt.__aenter__()
    with pytest.raises(RuntimeError) as caught:
        attempt.settle(CHEAP)
    assert str(caught.value) == UNHEARD
    assert budget.stats().spent_nanousd == 0
