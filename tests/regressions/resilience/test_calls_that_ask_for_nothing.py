"""A bill that was one unit too high refused calls that cost nothing until midnight."""

import pytest

from koo.errors import RateLimited
from koo.resilience import (
    Ask,
    DailyBudget,
    DailyBudgetConfig,
    Limit,
    RateLimiter,
    RateLimiterConfig,
    Spent,
    Success,
)
from koo.testing import FakeClock

from ...resilience.gates.waiters import queue
from ...resilience.tools import admitted, refused

FREE = Ask(nanousd=0, tokens=0)
LIMIT = 10


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def budget(clock):
    return DailyBudget("day", DailyBudgetConfig(LIMIT), clock=clock)


@pytest.fixture
def limiter(clock):
    limits = (Limit(LIMIT, 60, "tokens"), Limit(3, 10))
    return RateLimiter("dep", RateLimiterConfig(limits), clock=clock)


@pytest.mark.parametrize("spent", [LIMIT - 1, LIMIT, LIMIT + 1])
def test_a_free_call_passes_a_spent_budget(budget, spent):
    admitted(budget, Ask(nanousd=LIMIT)).settle(Success(Spent(nanousd=spent)))
    admitted(budget, FREE).cancel()
    assert budget.stats().spent_nanousd == spent
    refused(budget, Ask(nanousd=2))


def test_a_free_call_passes_a_budget_that_others_wait_for(budget):
    held = admitted(budget, Ask(nanousd=LIMIT))
    [waiting] = queue(budget, Ask(nanousd=1))
    admitted(budget, FREE).settle(Success())
    held.cancel()
    assert waiting.permit is not None


def test_who_is_refused_because_others_wait_is_told_so(budget):
    held = admitted(budget, Ask(nanousd=LIMIT - 1))
    queue(budget, Ask(nanousd=2))
    assert "(what is left is waited for by others)" in str(refused(budget, Ask(nanousd=1)))
    assert "(what is left is reserved by calls in flight)" in str(refused(budget, Ask(nanousd=2)))
    held.cancel()


@pytest.mark.parametrize("spent", [LIMIT - 1, LIMIT, LIMIT + 1])
def test_a_call_without_tokens_passes_a_limit_of_tokens(limiter, spent):
    admitted(limiter, Ask(tokens=LIMIT)).settle(Success(Spent(tokens=spent)))
    admitted(limiter, FREE)
    refused(limiter, Ask(tokens=2))


def test_a_call_without_tokens_is_told_of_the_limit_that_it_meets(limiter):
    admitted(limiter, Ask(tokens=LIMIT)).settle(Success(Spent(tokens=LIMIT + 1)))
    for _ in range(2):
        admitted(limiter, FREE)
    refusal = refused(limiter, FREE)
    assert isinstance(refusal, RateLimited)
    assert "(3 requests per 10 s)" in str(refusal)
    assert refusal.retry_after < 11
