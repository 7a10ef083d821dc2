"""Money for a day."""

import asyncio
import random
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from koo.errors import BudgetExhausted
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
from koo.testing import FakeClock, running_clock

from ..tools import admitted, call, refused
from .waiters import queue

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
HALF_A_DAY = 12 * 3600


@pytest.fixture
def clock():
    return FakeClock(epoch=NOON)


@pytest.fixture
def gate(clock):
    return DailyBudget("dep", DailyBudgetConfig(1000), clock=clock)


def money(gate):
    stats = gate.stats()
    return stats.spent_nanousd, stats.reserved_nanousd, stats.remaining_nanousd


def cost(nanousd):
    return Ask(nanousd=nanousd)


def spent(nanousd):
    return Success(spent=Spent(nanousd=nanousd))


def test_what_is_asked_is_reserved_and_what_was_spent_is_debited(gate):
    permit = admitted(gate, cost(300))
    assert money(gate) == (0, 300, 700)
    permit.settle(spent(120))
    assert money(gate) == (120, 0, 880)


@pytest.mark.parametrize("unknown", [SUCCESS, ABANDONED, Failure(retryable=True, trips=True)])
def test_if_nobody_knows_what_was_spent_the_whole_reservation_is_debited(gate, unknown):
    admitted(gate, cost(300)).settle(unknown)
    assert money(gate) == (300, 0, 700)


def test_a_call_that_was_never_made_costs_nothing(gate):
    admitted(gate, cost(300)).cancel()
    assert money(gate) == (0, 0, 1000)


def test_a_failure_that_spent_nothing_costs_nothing(gate):
    failure = Failure(retryable=True, trips=True, spent=Spent(nanousd=0))
    admitted(gate, cost(300)).settle(failure)
    assert money(gate) == (0, 0, 1000)


def test_what_was_spent_is_debited_in_full_even_beyond_the_estimate(gate):
    admitted(gate, cost(900)).settle(spent(1500))
    assert money(gate) == (1500, 0, 0)
    refused(gate, cost(1))


def test_reservations_count_against_the_limit(gate):
    held = [admitted(gate, cost(600)), admitted(gate, cost(400))]
    refusal = refused(gate, cost(1))
    assert isinstance(refusal, BudgetExhausted)
    assert refusal.line is gate
    assert refusal.retry_after is None
    assert "what is left is reserved by calls in flight" in str(refusal)
    del held


def test_the_last_nano_dollar_can_be_spent(gate):
    admitted(gate, cost(999)).settle(SUCCESS)
    admitted(gate, cost(1)).settle(SUCCESS)
    assert money(gate) == (1000, 0, 0)


def test_a_spent_day_refuses_at_once_and_says_when_it_ends(gate):
    admitted(gate, cost(900)).settle(SUCCESS)
    refusal = refused(gate, cost(101))
    assert refusal.line is None
    assert refusal.retry_after == HALF_A_DAY
    assert "what is left of the day is too little" in str(refusal)


def test_more_than_the_whole_budget_is_refused_at_once_and_for_ever(gate):
    refusal = refused(gate, cost(1001))
    assert (refusal.line, refusal.retry_after) == (None, None)
    assert "the call may cost more than the day's budget" in str(refusal)


def test_midnight_brings_a_new_budget(gate, clock):
    admitted(gate, cost(1000)).settle(SUCCESS)
    clock.advance(HALF_A_DAY - 0.001)
    refused(gate, cost(1))
    clock.advance(0.001)
    assert money(gate) == (0, 0, 1000)
    admitted(gate, cost(1000))


def test_what_was_reserved_yesterday_is_debited_to_yesterday(gate, clock):
    overnight = admitted(gate, cost(800))
    clock.advance(HALF_A_DAY)
    today = admitted(gate, cost(1000))
    overnight.settle(spent(700))
    assert money(gate) == (0, 1000, 0)
    assert gate.stats().settled_late_nanousd == 700
    today.settle(spent(1000))
    assert money(gate) == (1000, 0, 0)


def test_what_was_reserved_yesterday_and_cancelled_today_gives_today_nothing(gate, clock):
    overnight = admitted(gate, cost(800))
    clock.advance(HALF_A_DAY)
    overnight.cancel()
    assert money(gate) == (0, 0, 1000)
    assert gate.stats().settled_late_nanousd == 0


def test_settling_twice_debits_once(gate):
    permit = admitted(gate, cost(300))
    permit.settle(SUCCESS)
    permit.settle(SUCCESS)
    permit.cancel()
    assert money(gate) == (300, 0, 700)
    assert gate.stats().double_settled_total == 2


def test_a_wall_clock_set_back_does_not_give_a_day_twice(gate, clock):
    clock.advance(HALF_A_DAY)
    admitted(gate, cost(1000)).settle(SUCCESS)
    clock.step_wall(-3600)
    refused(gate, cost(1))
    clock.step_wall(-5 * 86400)
    refused(gate, cost(1))


def test_looking_does_not_begin_a_day(gate, clock):
    admitted(gate, cost(400)).settle(SUCCESS)
    clock.advance(HALF_A_DAY)
    assert money(gate) == (0, 0, 1000)
    clock.step_wall(-HALF_A_DAY)
    assert money(gate) == (400, 0, 600)


def test_a_photograph_says_when_the_next_day_begins(gate, clock):
    midnight = datetime(2026, 3, 11, tzinfo=UTC).timestamp()
    assert gate.stats().resets_at == midnight
    admitted(gate, cost(1)).cancel()
    assert gate.stats().resets_at == midnight
    clock.advance(HALF_A_DAY)
    assert gate.stats().resets_at == midnight + 86400


def test_a_wall_clock_set_back_does_not_bring_the_end_of_the_day_nearer(gate, clock):
    admitted(gate, cost(1)).cancel()
    midnight = gate.stats().resets_at
    clock.step_wall(-2 * 86400)
    assert gate.stats().resets_at == midnight


def test_a_photograph_names_the_gate_and_its_limit(gate):
    assert (gate.stats().name, gate.stats().limit_nanousd) == ("dep", 1000)


def test_a_photograph_counts_refusals_of_every_kind_that_stand(gate):
    for _ in range(2):
        refused(gate, cost(1001))
    held = admitted(gate, cost(1000))
    for _ in range(3):
        refused(gate, cost(1))
    queue(gate, cost(1))
    assert (gate.stats().rejected_total, gate.stats().waiting) == (5, 1)
    held.settle(SUCCESS)
    assert (gate.stats().rejected_total, gate.stats().waiting) == (6, 0)
    for _ in range(4):
        refused(gate, cost(1))
    assert gate.stats().rejected_total == 10


def test_a_refusal_says_who_refused_and_why(gate):
    assert str(refused(gate, cost(1001))) == (
        "dep: daily budget exhausted (the call may cost more than the day's budget);"
        " waiting alone does not help"
    )
    held = admitted(gate, cost(1000))
    assert str(refused(gate, cost(1))) == (
        "dep: daily budget exhausted (what is left is reserved by calls in flight);"
        " try again when a call ends"
    )
    held.settle(SUCCESS)
    assert str(refused(gate, cost(1))) == (
        "dep: daily budget exhausted (what is left of the day is too little);"
        " try again in 43200.0 s"
    )


def test_a_call_as_dear_as_the_whole_budget_may_come_back_tomorrow(gate):
    admitted(gate, cost(1)).settle(SUCCESS)
    assert refused(gate, cost(1000)).retry_after == HALF_A_DAY


def test_in_the_last_moment_of_a_day_the_wait_is_a_moment(gate, clock):
    clock.advance(HALF_A_DAY - 0.5)
    admitted(gate, cost(1000)).settle(SUCCESS)
    assert refused(gate, cost(1)).retry_after == 0.5


def test_all_that_was_settled_late_is_told(gate, clock):
    late = [admitted(gate, cost(10)) for _ in range(2)]
    clock.advance(HALF_A_DAY)
    for permit in late:
        permit.settle(SUCCESS)
    assert gate.stats().settled_late_nanousd == 20


def test_the_day_is_the_zones_own(clock):
    zone = timezone(timedelta(hours=-5))
    gate = DailyBudget("dep", DailyBudgetConfig(1000, zone), clock=clock)
    assert gate.stats().resets_at == NOON + 17 * 3600


@pytest.mark.parametrize(
    ("place", "month", "day", "hours"),
    [
        ("Europe/Berlin", 3, 29, 23),
        ("Europe/Berlin", 10, 25, 25),
        ("Africa/Cairo", 4, 23, 24),
        ("America/Havana", 11, 1, 25),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(place, month, day, hours):
    """Also where midnight does not exist (Cairo in April) or comes twice (Havana in November)."""
    try:
        zone = ZoneInfo(place)
    except ZoneInfoNotFoundError:
        pytest.skip("this machine has no time zones")
    begins = datetime(2026, month, day, tzinfo=zone).timestamp()
    gate = DailyBudget("dep", DailyBudgetConfig(1, zone), clock=FakeClock(epoch=begins))
    assert gate.stats().resets_at - begins == hours * 3600


def test_a_budget_of_nothing_admits_only_what_is_free(clock):
    gate = DailyBudget("dep", DailyBudgetConfig(0), clock=clock)
    admitted(gate, cost(0))
    refused(gate, cost(1))


def test_a_negative_budget_is_refused_at_birth():
    with pytest.raises(
        ValueError,
        match="^DailyBudgetConfig: limit_nanousd can't be negative; use 0 to spend nothing$",
    ):
        DailyBudgetConfig(-1)


def test_who_waits_for_a_reservation_gets_what_it_leaves(gate):
    held = admitted(gate, cost(900))
    (visitor,) = queue(gate, cost(800))
    assert visitor.permit is None
    held.settle(spent(200))
    assert visitor.permit is not None
    assert money(gate) == (200, 800, 0)


def test_who_waits_is_refused_when_the_reservation_is_spent(gate):
    held = admitted(gate, cost(900))
    (visitor,) = queue(gate, cost(800))
    held.settle(SUCCESS)
    assert visitor.permit is None
    assert "what is left of the day is too little" in str(visitor.refusal)


def test_while_somebody_waits_a_newcomer_joins_the_end(gate):
    held = admitted(gate, cost(900))
    queue(gate, cost(800))
    assert refused(gate, cost(50)).line is gate
    del held


def test_what_can_never_fit_today_is_refused_at_once_whoever_waits(gate):
    held = admitted(gate, cost(900))
    queue(gate, cost(800))
    assert refused(gate, cost(1001)).line is None
    del held


def test_midnight_calls_the_line(gate, clock):
    """The calls that hold yesterday's money may hang; today's is there."""
    hung = admitted(gate, cost(1000))
    (visitor,) = queue(gate, cost(800))
    assert visitor.due == HALF_A_DAY
    clock.advance(HALF_A_DAY)
    gate.serve()
    assert visitor.permit is not None
    del hung


def test_after_midnight_a_newcomer_is_not_refused_because_of_yesterdays_line(gate, clock):
    hung = admitted(gate, cost(1000))
    (visitor,) = queue(gate, cost(800))
    clock.advance(HALF_A_DAY)
    answer = gate.admit(cost(200))
    assert visitor.permit is not None
    assert isinstance(answer, Permit)
    del hung


@pytest.mark.no_cover
async def test_ten_thousand_callers_at_once_spend_what_a_day_has_and_no_more():
    """They would spend more; each has asked for more than it settles."""
    dice, limit, paid = random.Random(1), 100_000, 0
    gate = DailyBudget("dep", DailyBudgetConfig(limit), clock=running_clock())

    async def caller(asked):
        nonlocal paid
        await asyncio.sleep(dice.random())
        permit = gate.admit(cost(asked))
        if not isinstance(permit, Permit):
            return
        await asyncio.sleep(dice.random())
        price = dice.randint(0, asked)
        permit.settle(spent(price))
        paid += price
        now_spent, reserved, _ = money(gate)
        assert now_spent == paid
        assert paid + reserved <= limit

    await asyncio.gather(*(caller(dice.randint(1, 50)) for _ in range(10_000)))
    assert gate.stats().rejected_total > 0
    assert money(gate) == (paid, 0, limit - paid)
    call(gate, spent(limit - paid), cost(limit - paid))
    refused(gate, cost(1))
