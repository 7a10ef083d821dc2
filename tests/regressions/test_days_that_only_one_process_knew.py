"""A day that began with a refusal was not written, so a clock set back brought the day before."""

from datetime import UTC, datetime

import pytest

from koo.resilience import Ask, DailyBudgetConfig, Permit, Spent, Success
from koo.stores import SQLiteStore
from koo.testing import FakeClock

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
DAY, HOUR = 86400.0, 3600.0


@pytest.fixture
def clock():
    return FakeClock(now=1000.0, epoch=NOON - 1000.0)


@pytest.fixture
def budgets(tmp_path, clock):
    """The same budget in two processes."""
    stores = [SQLiteStore(tmp_path / "state.db", clock=clock, boot="one") for _ in range(2)]
    yield [store.budget("dep", DailyBudgetConfig(100)) for store in stores]
    for store in stores:
        store.close()


def test_a_day_that_begins_with_a_refusal_has_begun_for_all(budgets, clock):
    one, other = budgets
    first = one.admit(Ask(nanousd=60))
    assert isinstance(first, Permit)
    first.settle(Success(Spent(nanousd=60)))
    clock.advance(DAY)
    assert not isinstance(one.admit(Ask(nanousd=101)), Permit)
    clock.step_wall(-DAY + HOUR)
    assert one.stats().spent_nanousd == other.stats().spent_nanousd == 0
