"""The daily budget beside a ledger that writes down every call of every day, and who waits."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
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

from ..gates.waiters import Visitor

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
        self.line: list[Visitor] = []
        self.arrivals = count()
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

    def serve_the_line(self):
        """Who is first goes as soon as the money is there, and hears it when it never will be."""
        while self.line:
            first = self.line[0]
            spent, reserved = self.of_day(self.day)
            if spent + reserved + first.ask.nanousd <= self.limit:
                self.book(first.permit, first.ask)
            elif spent + first.ask.nanousd > self.limit:
                assert first.refusal.line is None
                self.refused += 1
            else:
                break
            del self.line[0]
        assert all(one.permit is one.refusal is None for one in self.line)

    def book(self, permit, ask):
        assert isinstance(permit, Permit)
        booking = Booking(self.day, ask.nanousd)
        self.ledger.append(booking)
        self.open_calls.append((permit, booking))

    # -- calls -------------------------------------------------------------------------------

    @rule(ask=asks)
    def ask(self, ask):
        self.refusal_of(ask)

    def refusal_of(self, ask):
        """None: it is let in, past nobody who waits."""
        answer = self.budget.admit(ask)
        self.turn_the_page()
        self.serve_the_line()
        spent, reserved = self.of_day(self.day)
        fits = not self.line and spent + reserved + ask.nanousd <= self.limit
        assert isinstance(answer, Permit) == (fits or not ask.nanousd)
        if isinstance(answer, Permit):
            self.book(answer, ask)
            return None
        self.refused += 1
        self.refusal_says_what_to_do(answer, spent, ask)
        return answer

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

    # -- in line -----------------------------------------------------------------------------

    @rule(ask=asks)
    def queue(self, ask):
        refusal = self.refusal_of(ask)
        if refusal is not None and refusal.line is not None:
            self.line.append(Visitor(ask, next(self.arrivals)))
            assert self.budget.join(self.line[-1]) is None
            self.refused -= 1
            self.serve_the_line()

    @precondition(lambda self: self.line)
    @rule(index=st.integers(0, 1000))
    def leave(self, index):
        """Whoever stood behind may be served."""
        self.budget.leave(self.line.pop(index % len(self.line)))
        self.serve_the_line()

    @precondition(lambda self: self.line)
    @rule(index=st.integers(0, 1000))
    def patience_ends(self, index):
        """Refused is only whom what is settled, reserved and asked for ahead leaves too little."""
        place = index % len(self.line)
        spent, reserved = self.of_day(self.day)
        ahead = sum(one.ask.nanousd for one in self.line[:place])
        ask = self.line[place].ask
        assert spent + reserved + ahead + ask.nanousd > self.limit
        self.leave(place)
        assert self.refusal_of(ask) is not None

    # -- settling ----------------------------------------------------------------------------

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000))
    def cancel(self, index):
        permit, booking = self.pop(index)
        self.turn_the_page()
        permit.cancel()
        booking.reserved = 0
        self.serve_the_line()

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000))
    def forget(self, index):
        """The caller drops its permit: what it reserved is spent, and the line is called later."""
        self.turn_the_page()
        permit, booking = self.pop(index)
        del permit
        self.budget.serve()
        self.debit(booking, booking.reserved)

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
        self.serve_the_line()

    # -- time --------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, 60.0, 3599.0, 3600.0, 20_000.0, 90_000.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)
        self.timer_rings()

    @rule(early=st.sampled_from([1.0, 0.001, 0.0, -1.0]))
    def wait_for_midnight(self, early):
        """Time alone turns no page: nobody has asked."""
        self.clock.advance(max(0.0, self.until_midnight() - early))
        self.timer_rings()

    @rule(seconds=st.sampled_from([-90_000.0, -3600.0, -1.0, 1.0, 3600.0, 90_000.0]))
    def step_the_wall_clock(self, seconds):
        self.clock.step_wall(seconds)
        self.timer_rings()

    def timer_rings(self):
        """That of who is first in line, at midnight; to ring more often changes nothing."""
        if self.line:
            self.budget.serve()
            self.turn_the_page()
            self.serve_the_line()

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
        assert stats.waiting == len(self.line)
        assert stats.resets_at > self.clock.time()
        assert stats == self.budget.stats()


@pytest.mark.properties
@pytest.mark.timeout(0)
def test_a_day_never_costs_more_than_its_budget():
    run_state_machine_as_test(
        BudgetMachine,
        settings=settings(max_examples=settings().max_examples * 3, stateful_step_count=40),
    )
