"""A number wider than any array of the machine made every later call raise."""

import pytest

from koo.errors import RateLimited
from koo.resilience import (
    Ask,
    Limit,
    Permit,
    RateLimiter,
    RateLimiterConfig,
    Spent,
    Success,
)
from koo.resilience.measure import RollingCount
from koo.stores import SQLiteStore
from koo.testing import FakeClock

HUGE = 10**20
MINUTE = 60.0


@pytest.fixture
def clock():
    return FakeClock(now=100.0)


def _config(limit):
    return RateLimiterConfig((Limit(limit, MINUTE, "tokens"),))


@pytest.fixture(params=["memory", "file"])
def limiter(request, clock, tmp_path):
    if request.param == "memory":
        yield lambda limit: RateLimiter("tokens", _config(limit), clock=clock)
        return
    store = SQLiteStore(tmp_path / "state.db", clock=clock)
    yield lambda limit: store.limiter("tokens", _config(limit))
    store.close()


def test_a_bill_of_any_size_refuses_until_it_has_left_the_window(limiter, clock):
    gate = limiter(90_000)
    gate.admit(Ask(tokens=10)).settle(Success(Spent(tokens=HUGE)))
    for _ in range(3):
        clock.advance(2)
        refusal = gate.admit(Ask(tokens=10))
        assert isinstance(refusal, RateLimited)
        assert refusal.retry_after == pytest.approx(MINUTE, abs=8)
    assert gate.stats().windows[0].used == HUGE
    clock.advance(2 * MINUTE)
    assert isinstance(gate.admit(Ask(tokens=10)), Permit)


def test_a_limit_of_any_size_is_kept(limiter, clock):
    gate = limiter(10 * HUGE)
    for _ in range(10):
        assert isinstance(gate.admit(Ask(tokens=HUGE)), Permit)
        clock.advance(2)
    assert isinstance(gate.admit(Ask(tokens=1)), RateLimited)
    clock.advance(2 * MINUTE)
    assert isinstance(gate.admit(Ask(tokens=HUGE)), Permit)


def test_what_is_too_wide_for_an_array_is_counted_bucket_by_bucket():
    counts = RollingCount(10.0, ticks=10)
    for second, amount in enumerate([1, HUGE, 2]):
        counts.add(float(second), amount)
    assert counts.total(2.0) == HUGE + 3
    assert counts.take_back(1.0, HUGE - 5) == HUGE - 5
    assert counts.total(11.5) == 7
    assert counts.total(12.5) == 2


def test_a_bill_of_any_size_is_read_again_from_its_file(clock, tmp_path):
    for expected in (0, HUGE):
        store = SQLiteStore(tmp_path / "state.db", clock=clock)
        gate = store.limiter("tokens", _config(90_000))
        assert gate.stats().windows[0].used == expected
        if not expected:
            gate.admit(Ask(tokens=10)).settle(Success(Spent(tokens=HUGE)))
            clock.advance(2)
            gate.admit(Ask(tokens=10))
            gate.pause(1.0)
        store.close()
