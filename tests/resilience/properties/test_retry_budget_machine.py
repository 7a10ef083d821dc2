"""The retry budget beside a log of every first-try success, counted one by one."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from koo.resilience import RetryBudget, RetryBudgetConfig

#: A span is counted in so many buckets; the one that is leaving still counts.
BUCKETS = 16


class RetryBudgetMachine(RuleBasedStateMachine):
    """One budget, one log. All numbers are sums of powers of two, so that every sum is exact."""

    @initialize(
        deposit=st.sampled_from([0.25, 1.0]),
        seconds=st.sampled_from([1.0, 2.0, 8.0]),
        floor=st.sampled_from([0.5, 2.0, 10.0]),
    )
    def begin(self, deposit, seconds, floor):
        self.config = RetryBudgetConfig(deposit=deposit, seconds=seconds, floor=floor)
        self.budget = RetryBudget(self.config)
        self.now = 0.0
        #: When successes were counted, and how many; those that wait for the next count.
        self.log, self.uncounted, self.next_count = [], 0, 0.0
        self.capacity = self.balance = floor
        self.successes = self.paid = self.withdrawals = self.refusals = 0

    # -- the oracle --------------------------------------------------------------------------

    def bucket(self, moment):
        return int(moment * BUCKETS / self.config.seconds)

    def lately(self):
        """The successes of the last seconds, those included that are still to be counted."""
        here = self.bucket(self.now)
        counted = sum(n for moment, n in self.log if here - self.bucket(moment) <= BUCKETS)
        return counted + self.uncounted

    def capacity_now(self):
        is_known = self.now < self.next_count
        return self.capacity if is_known else max(self.config.floor, self.lately())

    # -- what a policy does ------------------------------------------------------------------

    @rule(number=st.sampled_from([0, 1, 3, 40, 500]))
    def succeed(self, number):
        """So many calls have succeeded at their first attempt since it was told last."""
        self.budget.deposit(self.now, number)
        self.successes += number
        self.uncounted += number
        self.balance = min(self.capacity, self.balance + self.config.deposit * number)
        if self.now >= self.next_count:
            self.capacity = self.capacity_now()
            self.log.append((self.now, self.uncounted))
            self.uncounted = 0
            self.next_count = self.now + self.config.seconds / BUCKETS

    @rule(cost=st.sampled_from([0.0, 0.25, 1.0]), number=st.integers(1, 30))
    def withdraw(self, cost, number):
        """As many want to try again at once; whoever asks is told of successes first."""
        self.succeed(0)
        self.balance = min(self.capacity, self.balance)
        for _ in range(number):
            pays = cost <= self.balance
            assert self.budget.withdraw(cost) is pays
            self.balance -= cost if pays else 0.0
            self.paid += cost if pays else 0.0
            self.withdrawals += pays
            self.refusals += not pays

    @rule(seconds=st.sampled_from([1 / 64, 1 / 8, 0.5, 2.0, 61.0]))
    def wait(self, seconds):
        self.now += seconds

    # -- what always holds -------------------------------------------------------------------

    @invariant()
    def the_photograph_is_true(self):
        stats, capacity = self.budget.stats(self.now), self.capacity_now()
        assert stats.capacity == capacity
        assert stats.balance == min(capacity, self.capacity, self.balance)
        assert (stats.withdrawals_total, stats.refusals_total) == (self.withdrawals, self.refusals)
        assert stats == self.budget.stats(self.now)

    @invariant()
    def retries_are_a_share_of_the_successes_and_what_is_free(self):
        assert self.paid <= self.config.floor + self.config.deposit * self.successes


@pytest.mark.properties
@pytest.mark.timeout(0)
def test_a_retry_budget_pays_what_recent_successes_have_brought_and_no_more():
    run_state_machine_as_test(
        RetryBudgetMachine, settings=settings(settings(), stateful_step_count=20)
    )
