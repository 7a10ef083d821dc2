"""Refusals whose only cure is to wait, and which said that waiting alone does not help."""

import pytest

from koo.resilience import (
    Ask,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
)
from koo.testing import FakeClock

from ...resilience.tools import admitted, refused


def test_a_full_bulkhead_says_to_come_when_a_call_ends():
    gate = Bulkhead("dep", BulkheadConfig(1))
    held = admitted(gate)
    assert str(refused(gate)) == (
        "dep: too many calls at once (1 in flight, 0 waiting); try again when a call ends"
    )
    held.cancel()


def test_a_reserved_budget_says_to_come_when_a_call_ends():
    gate = DailyBudget("dep", DailyBudgetConfig(10), clock=FakeClock())
    held = admitted(gate, Ask(nanousd=8))
    assert str(refused(gate, Ask(nanousd=5))).endswith(
        "calls in flight); try again when a call ends"
    )
    held.cancel()


@pytest.mark.parametrize("ask", [Ask(nanousd=11)])
def test_what_no_wait_mends_says_so_still(ask):
    assert str(refused(DailyBudget("dep", DailyBudgetConfig(10)), ask)).endswith(
        "waiting alone does not help"
    )
    shut = CircuitBreaker("dep")
    shut.isolate("by hand")
    assert str(refused(shut)).endswith("waiting alone does not help")
