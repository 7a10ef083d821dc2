"""The order of service before a gate."""

import pytest

from koo.errors import Saturated
from koo.resilience import (
    SUCCESS,
    Ask,
    Bulkhead,
    BulkheadConfig,
    DailyBudget,
    DailyBudgetConfig,
    Limit,
    LinedGate,
    RateLimiter,
    RateLimiterConfig,
    Spent,
    Success,
)
from koo.resilience.line import Line, hold_lines
from koo.testing import FakeClock

from ..tools import admitted, refused
from .waiters import HERE, Visitor, queue


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def gate(clock):
    return Bulkhead("dep", BulkheadConfig(max_concurrent=1), clock=clock)


def served(visitors, first):
    """The order in which *visitors* are served, once *first* is given back."""
    order, permit = [], first
    while permit is not None:
        before = {id(visitor) for visitor in visitors if visitor.permit is not None}
        permit.settle(SUCCESS)
        new = [
            number
            for number, visitor in enumerate(visitors)
            if visitor.permit is not None and id(visitor) not in before
        ]
        order += new
        permit = visitors[new[0]].permit if new else None
    return order


def test_whoever_came_first_is_served_first(gate):
    first = admitted(gate)
    visitors = queue(gate, *[Ask() for _ in range(5)])
    assert served(visitors, first) == [0, 1, 2, 3, 4]


def test_a_lower_number_goes_first_and_equals_in_order_of_arrival(gate):
    first = admitted(gate)
    visitors = queue(gate, *[Ask(priority=priority) for priority in (5, 0, 5, -1, 0)])
    assert served(visitors, first) == [3, 1, 4, 0, 2]


def test_a_place_is_kept_by_time_of_arrival_and_not_of_joining(gate):
    first = admitted(gate)
    visitors = queue(gate, Ask(), Ask(), Ask(), arrived=[5.0, 9.0, 7.0])
    assert served(visitors, first) == [0, 2, 1]


def test_who_came_in_the_same_moment_is_served_in_order_of_joining(gate):
    first = admitted(gate)
    visitors = queue(gate, Ask(), Ask(), Ask(), arrived=[5.0, 5.0, 5.0])
    assert served(visitors, first) == [0, 1, 2]


def test_a_newcomer_passes_nobody_whose_line_has_not_moved_yet(gate, clock):
    first = admitted(gate)
    queue(gate, Ask())
    other = RateLimiter("other", RateLimiterConfig((Limit(10, 60, "tokens"),)), clock=clock)
    admitted(other, Ask(tokens=5))
    with hold_lines():
        queue(other, Ask(tokens=10))
        assert refused(other, Ask(tokens=1)).line is other
    first.cancel()


def test_a_line_knows_who_stands_in_it():
    line, present, stranger = Line(HERE), Visitor(), Visitor()
    assert not line.remove(present)
    line.put(present)
    assert (line.head(), line.size) == (present, 1)
    assert not line.remove(stranger)
    assert line.remove(present)
    assert (line.head(), line.size) == (None, 0)


def test_who_leaves_the_line_is_not_served(gate):
    first = admitted(gate)
    visitors = queue(gate, Ask(), Ask(), Ask())
    gate.leave(visitors[1])
    gate.leave(visitors[1])
    assert gate.waiting == 2
    assert served(visitors, first) == [0, 2]


def test_leaving_a_line_that_does_not_exist_is_nothing(gate):
    gate.leave(Visitor())
    assert gate.waiting == 0


def test_the_place_of_a_stranger_is_not_lost(gate):
    first = admitted(gate)
    (visitor,) = queue(gate, Ask())
    gate.leave(Visitor(Ask(priority=3)))
    assert gate.waiting == 1
    first.cancel()
    assert visitor.permit is not None


def test_a_grant_whose_waiter_has_gone_goes_to_the_next(gate):
    first = admitted(gate)
    departed, present = Visitor(gone=True), Visitor(arrived=1)
    gate.join(departed)
    gate.join(present)
    first.cancel()
    assert present.permit is not None
    assert gate.stats().in_flight == 1


def test_a_grant_whose_waiter_has_gone_is_cancelled_and_not_debited(clock):
    """Abandoned would keep the tokens; nothing was sent."""
    limits = (Limit(10, 60, "tokens"),)
    gate = RateLimiter("dep", RateLimiterConfig(limits), clock=clock)
    first = admitted(gate, Ask(tokens=10))
    gate.join(Visitor(Ask(tokens=10), gone=True))
    first.cancel()
    assert gate.stats().windows[0].used == 0


def test_a_thousand_may_wait_and_no_more(gate):
    first = admitted(gate)
    visitors = queue(gate, *[Ask() for _ in range(1000)])
    refusal = gate.join(Visitor(arrived=2000))
    assert isinstance(refusal, Saturated)
    assert str(refusal) == (
        "dep: too many calls at once (1000 calls are waiting); waiting alone does not help"
    )
    assert refusal.line is None
    gate.leave(visitors[500])
    assert gate.join(Visitor(arrived=2000)) is None
    del first


def test_a_line_without_anybody_costs_nothing(gate):
    assert gate._line is None
    first = admitted(gate)
    (visitor,) = queue(gate, Ask())
    assert gate._line is not None
    gate.leave(visitor)
    assert gate._line is None
    del first


def test_the_head_alone_is_told_when_to_ask_again(clock):
    gate = RateLimiter("dep", RateLimiterConfig((Limit(1, 60),)), clock=clock)
    first = admitted(gate)
    visitors = queue(gate, Ask(), Ask())
    assert visitors[0].due == pytest.approx(60, abs=1)
    assert visitors[1].due is None
    del first


def test_a_large_request_is_not_starved_by_small_ones(clock):
    """Small ones that come later stand behind it, even if they would fit."""
    gate = RateLimiter("dep", RateLimiterConfig((Limit(10, 60),)), clock=clock)
    held = [admitted(gate) for _ in range(5)]
    large, *small = queue(gate, Ask(requests=10), *[Ask() for _ in range(300)])
    assert all(visitor.permit is None for visitor in small)
    refused(gate)
    clock.advance(large.due)
    gate.serve()
    assert large.permit is not None
    del held


def test_an_urgent_request_goes_before_a_large_one(clock):
    gate = RateLimiter("dep", RateLimiterConfig((Limit(10, 60),)), clock=clock)
    held = [admitted(gate) for _ in range(5)]
    large, urgent = queue(gate, Ask(requests=10), Ask(priority=-1))
    assert large.permit is None
    assert urgent.permit is not None
    del held


def test_who_stood_behind_may_be_served_when_the_first_gives_up(clock):
    gate = RateLimiter("dep", RateLimiterConfig((Limit(10, 60),)), clock=clock)
    held = [admitted(gate) for _ in range(5)]
    large, small = queue(gate, Ask(requests=10), Ask())
    gate.leave(large)
    assert small.permit is not None
    del held


def test_who_stood_behind_is_served_when_waiting_has_become_useless_for_the_first(clock):
    gate = DailyBudget("dep", DailyBudgetConfig(100), clock=clock)
    first = admitted(gate, Ask(nanousd=100))
    dear, cheap = queue(gate, Ask(nanousd=50), Ask(nanousd=10))
    first.settle(Success(spent=Spent(nanousd=60)))
    assert dear.refusal is not None
    assert cheap.permit is not None
    assert gate.waiting == 0


def test_the_base_of_gates_with_a_line_leaves_the_decision_to_them(clock):
    with pytest.raises(NotImplementedError):
        LinedGate("dep", clock).admit(Ask())


def test_serving_nobody_is_nothing(gate):
    gate.serve()
    admitted(gate)


# -- what a newcomer is told ---------------------------------------------------------------------


BUCKET = 60 / 64 + 1e-6
TEN_A_MINUTE = (Limit(10, 60),)


def waiting(clock, *asks, limits=TEN_A_MINUTE, used=10):
    """A limiter with so much *used* at this moment, and a line."""
    gate = RateLimiter("dep", RateLimiterConfig(limits), clock=clock)
    held = [admitted(gate) for _ in range(used)]
    queue(gate, *asks)
    assert held
    return gate


def test_who_comes_to_a_line_hears_when_it_may_be_empty(clock):
    gate = waiting(clock, *[Ask() for _ in range(3)])
    assert refused(gate).retry_after == pytest.approx(60, abs=BUCKET)


@pytest.mark.parametrize(("ahead", "windows"), [(9, 1), (10, 2), (19, 2), (20, 3), (500, 51)])
def test_a_long_line_takes_many_windows(clock, ahead, windows):
    gate = waiting(clock, *[Ask() for _ in range(ahead)])
    assert refused(gate).retry_after == pytest.approx(60 * windows, abs=BUCKET)


def test_a_newcomer_that_would_fit_is_not_told_to_come_again_at_once(clock):
    gate = waiting(clock, Ask(requests=10), used=5)
    assert 30 < refused(gate).retry_after < 130


def test_the_weight_that_takes_longest_is_what_a_newcomer_hears_of(clock):
    limits = (Limit(10, 60), Limit(100, 600, "tokens"))
    gate = waiting(clock, Ask(tokens=90), Ask(tokens=90), limits=limits)
    assert refused(gate, Ask(tokens=90)).retry_after == pytest.approx(1200, abs=10)
    assert refused(gate, Ask()).retry_after == pytest.approx(600, abs=60)


def test_a_weight_that_nobody_asks_for_keeps_nobody_waiting(clock):
    limits = (Limit(10, 60), Limit(100, 600, "tokens"))
    gate = RateLimiter("dep", RateLimiterConfig(limits), clock=clock)
    for _ in range(10):
        admitted(gate, Ask(tokens=10))
    queue(gate, Ask())
    assert refused(gate).retry_after == pytest.approx(60, abs=BUCKET)


def test_a_pause_is_part_of_what_a_newcomer_hears(clock):
    gate = waiting(clock, Ask())
    gate.pause(900)
    assert refused(gate).retry_after == 900


def test_who_leaves_the_line_is_no_longer_counted(clock):
    gate = waiting(clock, used=10)
    visitors = queue(gate, *[Ask() for _ in range(30)])
    for visitor in visitors[1:]:
        gate.leave(visitor)
    assert refused(gate).retry_after == pytest.approx(60, abs=BUCKET)


def test_a_line_before_windows_that_are_empty_is_counted_from_now(clock):
    """A spent day of tokens stops the first; of requests there is plenty, but not for all."""
    limits = (Limit(10, 60), Limit(100, 86_400, "tokens"))
    gate = RateLimiter("dep", RateLimiterConfig(limits), clock=clock)
    clock.advance(1000)
    admitted(gate, Ask(requests=0, tokens=100))
    queue(gate, Ask(requests=0, tokens=1), *[Ask(requests=10) for _ in range(3)])
    refusal = refused(gate, Ask(requests=10))
    assert refusal.retry_after == pytest.approx(86_400, abs=86_400 / 64)
    assert refusal.soonest == 0


def test_the_line_is_joined_by_who_has_patience_for_his_own_turn_at_best(clock):
    """Those before may leave, and who was here first comes before them: so not by the estimate."""
    gate = waiting(clock, *[Ask() for _ in range(500)])
    refusal = refused(gate)
    assert refusal.soonest == pytest.approx(60, abs=BUCKET)
    assert refusal.retry_after > 3000


def test_who_comes_to_a_line_for_money_hears_when_it_may_be_empty(clock):
    limits = (Limit(10, 60, "nanousd"),)
    gate = RateLimiter("dep", RateLimiterConfig(limits), clock=clock)
    admitted(gate, Ask(nanousd=10))
    queue(gate, Ask(nanousd=5))
    waits = [refused(gate, Ask(nanousd=amount)).retry_after for amount in (5, 6)]
    assert waits == [pytest.approx(60, abs=BUCKET), pytest.approx(120, abs=BUCKET)]


def test_nobody_stands_before_himself_or_before_who_came_earlier():
    line, visitor = Line(HERE), Visitor(arrived=2.0)
    line.put(visitor)
    assert not line.stands_before(visitor)
    assert not line.stands_before(Visitor(arrived=1.0))
    assert line.stands_before(Visitor(arrived=3.0))
