"""A retry budget whose photograph told what it was worth when it was used last."""

import asyncio

import pytest

from koo.resilience import Policy, RetryBudget, RetryConfig
from koo.testing import run, running_clock


@pytest.mark.parametrize("silence", [0.0, 1.0, 3.0, 3600.0])
def test_a_photograph_shows_what_the_next_retry_finds(silence):
    async def busy_and_then_quiet():
        clock, budget = running_clock(), RetryBudget()
        through = Policy("dep", retry=RetryConfig(max_retries=1), retry_budget=budget, clock=clock)
        for _ in range(3000):
            await through.run(lambda: asyncio.sleep(0.002))
        await asyncio.sleep(silence)
        seen = budget.stats(clock.monotonic())

        async def fail():
            raise OSError

        failing = asyncio.create_task(through.outcome(fail))
        await asyncio.sleep(0)
        found = budget.stats(clock.monotonic())
        await failing
        return seen, found

    seen, found = run(busy_and_then_quiet)
    # What succeeded in the last eighth of a second, at five hundred a second, is told late.
    assert found.withdrawals_total == 1
    assert found.capacity == pytest.approx(seen.capacity, abs=0.125 * 500)
    assert found.balance == pytest.approx(seen.balance - 1, abs=0.125 * 500)
    assert (seen.capacity > 900) is (silence < 1)
    assert (seen.capacity < 100) is (silence > 2)


def test_to_look_ahead_changes_nothing():
    budget = RetryBudget()
    for number in range(1000):
        budget.deposit(number / 1000)
    assert budget.stats(1e6).balance <= 130
    assert budget.stats(1.0).balance > 150
    assert all(budget.withdraw(1) for _ in range(150))
