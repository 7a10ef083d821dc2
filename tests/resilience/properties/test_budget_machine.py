"""The daily budget beside a ledger that writes down every call of every day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from koo.resilience import (
    ABANDONED,
    SUCCESS,
    Ask,
    DailyBudget,
    DailyBudgetConfig,
    Failure,
    Permit,
    Spent,
    Success,
)
from koo.testing import FakeClock

# Midnight does not exist there on some days, and comes twice on others.
ODD = {"America/Havana", "Asia/Beirut", "America/Sao_Paulo", "Europe/Berlin"}
ZONES = [
    UTC,
    timezone(timedelta(hours=-11, minutes=-30)),
    *(ZoneInfo(name) for name in sorted(ODD & available_timezones())),
]
# 2024-03-10 and 2024-03-31 in the afternoon: clocks go forward that night, or have just done so.
MOMENTS = [datetime(2024, month, day, 15, tzinfo=UTC) for month, day in ((3, 9), (3, 30), (11, 2))]

money = st.integers(0, 12)
asks = st.builds(Ask, nanousd=money)


@dataclass(eq=False)
class Booking:
    """One call in the ledger."""

    day: object
    reserved: int
    spent: int = 0


class BudgetMachine(RuleBasedStateMachine):
    """One budget, one ledger."""

    @initialize(
        limit=st.integers(0, 40), zone=st.sampled_from(ZONES), begin=st.sampled_from(MOMENTS)
    )
    def begin(self, limit, zone, begin):
        self.limit, self.zone = limit, zone
        self.clock = FakeClock(epoch=begin.timestamp())
        self.budget = DailyBudget("dep", DailyBudgetConfig(limit, zone), clock=self.clock)
        self.ledger: list[Booking] = []
        self.open_calls: list[tuple[Permit, Booking]] = []
        self.day = None
        self.refused = self.late = self.twice = 0
        self.someone_spent_more_than_asked = False

    # -- the oracle --------------------------------------------------------------------------

    def date(self):
        return datetime.fromtimestamp(self.clock.time(), self.zone).date()

    def turn_the_page(self):
        """A day begins with the first call after midnight, and never comes back."""
        if self.day is None or self.date() > self.day:
            self.day = self.date()

    def of_day(self, day):
        booked = [booking for booking in self.ledger if booking.day == day]
        return sum(b.spent for b in booked), sum(b.reserved for b in booked)

    # -- calls -------------------------------------------------------------------------------

    @rule(ask=asks)
    def ask(self, ask):
        self.turn_the_page()
        spent, reserved = self.of_day(self.day)
        answer = self.budget.admit(ask)
        assert isinstance(answer, Permit) == (
            not ask.nanousd or spent + reserved + ask.nanousd <= self.limit
        )
        if isinstance(answer, Permit):
            booking = Booking(self.day, ask.nanousd)
            self.ledger.append(booking)
            self.open_calls.append((answer, booking))
            return
        self.refused += 1
        self.refusal_says_what_to_do(answer, spent, ask)

    def refusal_says_what_to_do(self, refusal, spent, ask):
        """Wait for a settlement, for midnight, or never."""
        if ask.nanousd > self.limit:
            assert (refusal.retry_after, refusal.line) == (None, None)
        elif spent + ask.nanousd > self.limit:
            assert refusal.line is None
            assert refusal.retry_after == pytest.approx(self.until_midnight())
        else:
            assert (refusal.retry_after, refusal.line) == (None, self.budget)

    def until_midnight(self):
        """To the first second of the day after the ledger's, counted in steps of a minute."""
        wall = self.clock.time()
        day = self.date() if self.day is None else max(self.day, self.date())

        def is_over(moment):
            return datetime.fromtimestamp(moment, self.zone).date() > day

        moment = wall - wall % 60
        while not is_over(moment):
            moment += 60 if is_over(moment + 3600) else 3600
        return max(0.0, moment - wall)

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000))
    def cancel(self, index):
        permit, booking = self.pop(index)
        self.turn_the_page()
        permit.cancel()
        booking.reserved = 0

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000))
    def forget(self, index):
        """The caller drops its permit: what it reserved is spent."""
        self.turn_the_page()
        permit, booking = self.pop(index)
        self.debit(booking, booking.reserved)
        del permit

    @precondition(lambda self: self.open_calls)
    @rule(
        index=st.integers(0, 1000),
        outcome=st.sampled_from([SUCCESS, ABANDONED, Failure(retryable=True, trips=True)]),
    )
    def settle_unknown(self, index, outcome):
        permit, booking = self.pop(index)
        self.turn_the_page()
        permit.settle(outcome)
        self.debit(booking, booking.reserved)

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000), spent=money)
    def settle_known(self, index, spent):
        permit, booking = self.pop(index)
        self.turn_the_page()
        self.someone_spent_more_than_asked |= spent > booking.reserved
        permit.settle(Success(spent=Spent(nanousd=spent)))
        self.debit(booking, spent)

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000), spent=money)
    def settle_twice(self, index, spent):
        permit, booking = self.pop(index)
        self.turn_the_page()
        permit.settle(SUCCESS)
        permit.settle(Success(spent=Spent(nanousd=spent)))
        permit.cancel()
        self.twice += 2
        self.debit(booking, booking.reserved)

    def pop(self, index):
        return self.open_calls.pop(index % len(self.open_calls))

    def debit(self, booking, spent):
        booking.reserved, booking.spent = 0, spent
        if booking.day != self.day:
            self.late += spent

    # -- time --------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, 60.0, 3599.0, 3600.0, 20_000.0, 90_000.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(early=st.sampled_from([1.0, 0.001, 0.0, -1.0]))
    def wait_for_midnight(self, early):
        """Time alone turns no page: nobody has asked."""
        self.clock.advance(max(0.0, self.until_midnight() - early))

    @rule(seconds=st.sampled_from([-90_000.0, -3600.0, -1.0, 1.0, 3600.0, 90_000.0]))
    def step_the_wall_clock(self, seconds):
        self.clock.step_wall(seconds)

    # -- what always holds -------------------------------------------------------------------

    @invariant()
    def the_days_spend_never_passes_the_limit(self):
        for day in {booking.day for booking in self.ledger}:
            spent, reserved = self.of_day(day)
            assert spent + reserved <= self.limit or self.someone_spent_more_than_asked

    @invariant()
    def the_photograph_is_true(self):
        stats, spent, reserved = self.budget.stats(), 0, 0
        if self.day is not None and self.date() <= self.day:
            spent, reserved = self.of_day(self.day)
        assert (stats.spent_nanousd, stats.reserved_nanousd) == (spent, reserved)
        assert stats.remaining_nanousd == max(0, self.limit - spent - reserved)
        assert stats.settled_late_nanousd == self.late
        assert (stats.rejected_total, stats.double_settled_total) == (self.refused, self.twice)
        assert stats.resets_at > self.clock.time()
        assert stats == self.budget.stats()


@pytest.mark.properties
@pytest.mark.timeout(0)
def test_a_day_never_costs_more_than_its_budget():
    run_state_machine_as_test(
        BudgetMachine,
        settings=settings(max_examples=settings().max_examples * 3, stateful_step_count=40),
    )
