"""Whether to try again, and after how long."""

import random

import pytest

from koo.resilience import (
    Backoff,
    Failure,
    RetryBudget,
    RetryBudgetConfig,
    RetryClass,
    RetryConfig,
)

from ..tools import CONFLICTED, FAILED, THROTTLED, WRONG

BACKOFF = Backoff(base_delay=1, max_delay=30, multiplier=2)


def named(seconds):
    return Failure(retryable=True, trips=True, retry_after=seconds)


@pytest.mark.parametrize(
    ("retry_class", "ceilings"),
    [
        (RetryClass.TRANSIENT, [1, 2, 4, 8, 16, 30, 30]),
        (RetryClass.RESOLVED, [1, 2, 4, 8, 16, 30, 30]),
        (RetryClass.CONFLICT, [0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 1.5]),
        (RetryClass.THROTTLED, [5, 10, 20, 40, 60, 60, 60]),
    ],
)
def test_each_class_scales_the_base_and_the_cap(retry_class, ceilings):
    assert [BACKOFF.ceiling(retry, retry_class) for retry in range(1, 8)] == pytest.approx(ceilings)


def test_a_millionth_retry_is_no_longer_than_the_cap():
    assert BACKOFF.ceiling(1_000_000) == 30
    assert Backoff(multiplier=1).ceiling(1_000_000) == 1


@pytest.mark.parametrize("failure", [FAILED, CONFLICTED, THROTTLED])
@pytest.mark.parametrize("retry", [1, 3, 50])
def test_the_jitter_is_full_and_the_cap_is_inside_it(failure, retry, seed):
    draw = random.Random(seed).random
    ceiling = BACKOFF.ceiling(retry, failure.retry_class)
    delays = [BACKOFF.delay(failure, retry, draw) for _ in range(2000)]
    assert 0 <= min(delays) < ceiling / 100
    assert ceiling * 0.99 < max(delays) <= ceiling
    assert sum(delays) / 2000 == pytest.approx(ceiling / 2, rel=0.1)


@pytest.mark.parametrize("seconds", [0.2, 1, 7, 100])
def test_what_the_dependency_names_is_a_floor_with_jitter_above_it(seconds, seed):
    draw = random.Random(seed).random
    above = [BACKOFF.delay(named(seconds), 3, draw) - seconds for _ in range(2000)]
    assert min(above) >= 0
    assert max(above) <= max(0.1, seconds / 10) + 1e-9
    assert max(above) > 0.9 * max(0.1, seconds / 10)


def test_a_negative_wait_is_none():
    assert BACKOFF.delay(named(-5), 1, lambda: 0.0) == 0


def test_a_backoff_keeps_no_state():
    """Six calls that share one see the same ceilings."""
    delays = [[BACKOFF.delay(FAILED, retry, lambda: 1.0) for retry in (1, 2, 3)] for _ in range(6)]
    assert delays == [[1, 2, 4]] * 6


@pytest.mark.parametrize(
    ("failure", "attempt", "allowed"),
    [
        (FAILED, 1, True),
        (FAILED, 3, True),
        (FAILED, 4, False),
        (WRONG, 1, False),
        (CONFLICTED, 1, True),
        (THROTTLED, 1, True),
        (named(120), 1, True),
        (named(120.1), 1, False),
        (named(1e300), 1, False),
    ],
)
def test_another_attempt_is_allowed_if_it_may_help_and_is_not_too_far_away(
    failure, attempt, allowed
):
    assert RetryConfig(max_retries=3).allows(failure, attempt) is allowed


def test_the_documented_defaults():
    assert (RetryConfig().max_retries, RetryConfig().backoff) == (3, BACKOFF)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: Backoff(base_delay=0),
            "Backoff: base_delay must be above 0 and at most max_delay seconds",
        ),
        (
            lambda: Backoff(base_delay=31),
            "Backoff: base_delay must be above 0 and at most max_delay seconds",
        ),
        (lambda: Backoff(multiplier=0.99), "Backoff: multiplier must be at least 1"),
        (
            lambda: RetryConfig(max_retries=-1),
            "RetryConfig: max_retries can't be negative; use 0 for a single attempt",
        ),
        (
            lambda: RetryConfig(max_retry_after=0),
            "RetryConfig: max_retry_after must be above 0 seconds",
        ),
        (
            lambda: RetryBudgetConfig(deposit=0),
            "RetryBudgetConfig: deposit must be above 0; pass no budget to turn it off",
        ),
        (
            lambda: RetryBudgetConfig(seconds=0),
            "RetryBudgetConfig: seconds must be above 0; pass no budget to turn it off",
        ),
        (
            lambda: RetryBudgetConfig(floor=-1),
            "RetryBudgetConfig: floor must be above 0; pass no budget to turn it off",
        ),
    ],
)
def test_a_retry_that_makes_no_sense_is_refused_at_birth(make, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        make()


def test_a_named_wait_of_half_a_second_may_be_the_longest():
    retry = RetryConfig(max_retry_after=0.5)
    assert [retry.allows(failure, 1) for failure in (FAILED, named(0.5))] == [True, True]
    assert not retry.allows(named(0.6), 1)


def healthy(budget, rate, seconds, began=0.0):
    """So much traffic that succeeds at its first attempt."""
    for number in range(int(rate * seconds)):
        budget.deposit(began + number / rate)
    return began + seconds


def test_a_new_budget_pays_for_its_floor_and_no_more():
    budget = RetryBudget()
    assert [budget.withdraw(1) for _ in range(11)] == [True] * 10 + [False]
    stats = budget.stats(0.0)
    assert (stats.balance, stats.withdrawals_total, stats.refusals_total) == (0, 10, 1)


def test_every_refusal_of_a_budget_is_counted():
    budget = RetryBudget(RetryBudgetConfig(floor=1))
    assert [budget.withdraw(1) for _ in range(4)] == [True, False, False, False]
    assert budget.stats(0.0).refusals_total == 3


def test_what_costs_nothing_is_always_paid_for():
    budget = RetryBudget(RetryBudgetConfig(floor=0.5))
    assert not budget.withdraw(1)
    assert all(budget.withdraw(0) for _ in range(1000))


def test_a_throttled_retry_costs_about_a_third():
    budget = RetryBudget()
    paid = 0
    while budget.withdraw(RetryClass.THROTTLED.cost):
        paid += 1
    assert paid == 28


@pytest.mark.parametrize("rate", [2, 100, 1000])
def test_the_balance_is_at_most_two_seconds_of_traffic_or_the_floor(rate):
    budget = RetryBudget()
    stats = budget.stats(healthy(budget, rate, 60))
    assert stats.capacity == pytest.approx(max(10, 2 * rate), rel=0.1)
    assert stats.balance == pytest.approx(stats.capacity, rel=0.1)


def test_each_success_pays_for_a_fifth_of_a_retry():
    budget = RetryBudget(RetryBudgetConfig(floor=100))
    while budget.withdraw(1):
        pass
    for number in range(25):
        budget.deposit(number / 100)
    assert budget.stats(0.25).balance == pytest.approx(5)


def test_one_success_in_a_quiet_time_can_not_buy_a_retry():
    budget = RetryBudget()
    while budget.withdraw(1):
        pass
    budget.deposit(1.0)
    assert not budget.withdraw(1)


def test_looking_at_a_budget_changes_nothing():
    budget = RetryBudget()
    now = healthy(budget, 100, 3)
    before = budget.stats(now)
    budget.stats(now + 3600)
    assert budget.stats(now) == before


def test_wealth_of_a_busy_time_is_gone_once_traffic_is_low():
    budget = RetryBudget()
    now = healthy(budget, 1000, 60)
    assert budget.stats(now).balance > 1500
    now = healthy(budget, 2, 10, now)
    assert budget.stats(now).balance <= 20


def test_a_new_budget_has_seen_no_traffic():
    assert RetryBudget().stats(0.0).capacity == RetryBudgetConfig().floor
