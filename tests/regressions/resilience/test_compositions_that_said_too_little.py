"""An explanation named a line that no gate had, and a patience that nobody could have was taken."""

import asyncio

import pytest

from koo.errors import Saturated
from koo.resilience import (
    Ask,
    Backoff,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Policy,
    RetryBudget,
    RetryConfig,
)
from koo.testing import running_clock


async def _well():
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("gates", [[], [CircuitBreaker("gate")]])
def test_a_line_that_no_gate_has_is_not_explained(gates):
    assert "  line:" not in Policy("dep", gates=gates, timeout=5).explain()
    assert "  line:" not in Policy("dep", gates=gates, timeout=5, patience=0).explain()


@pytest.mark.parametrize("gates", [[], [CircuitBreaker("gate")]])
def test_patience_without_a_line_is_refused(gates):
    with pytest.raises(ValueError) as caught:
        Policy("dep", gates=gates, patience=5)
    assert str(caught.value) == (
        "Policy 'dep': patience is for a line, and none of its gates has one; leave it out"
    )
    Policy("dep", gates=[*gates, Bulkhead("places", BulkheadConfig(1))], patience=5)


async def test_the_line_of_an_inherited_deadline_is_explained():
    gate = Bulkhead("places", BulkheadConfig(1), clock=running_clock())
    inner = Policy("inner", gates=[gate], clock=running_clock())
    assert "waits as long as a deadline of the caller's allows" in inner.explain()
    assert "and not at all without one" in inner.explain()
    held = gate.admit(Ask())
    assert isinstance((await inner.outcome(_well)).error, Saturated)
    assert running_clock().monotonic() == 0
    outer = Policy("outer", timeout=5, clock=running_clock())
    await outer.outcome(lambda: inner.run(_well))
    assert running_clock().monotonic() == pytest.approx(5)
    held.cancel()


def test_how_long_the_throttled_wait_is_explained():
    retry = RetryConfig(backoff=Backoff(base_delay=2, max_delay=60), max_retry_after=300)
    assert Policy("dep", retry=retry).explain().splitlines()[-3:] == [
        "    throttled: after up to 10 s x 2 each time, 120 s at most",
        "    in conflict: after up to 0.1 s x 2 each time, 3 s at most",
        "    a named wait: after that and a little; never if above 300 s",
    ]


def test_no_retries_are_explained_as_never():
    explained = Policy("dep", retry=RetryConfig(max_retries=0)).explain()
    assert explained.splitlines()[-1] == "  retry: never"


async def test_a_policy_that_never_retries_may_pay_into_a_budget_that_others_draw_from():
    """So the number of retries may come from a setting that is 0."""
    budget = RetryBudget()
    budget.withdraw(5)
    through = Policy(
        "dep", retry=RetryConfig(max_retries=0), retry_budget=budget, clock=running_clock()
    )
    for _ in range(20):
        await through.run(_well)
        await asyncio.sleep(1)
    assert budget.stats(running_clock().monotonic()).balance == pytest.approx(5 + 20 * 0.2, abs=0.3)
