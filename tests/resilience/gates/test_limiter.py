"""Several windows and weights, admitted all or none."""

import gc

import pytest

from koo.errors import RateLimited
from koo.resilience import (
    ABANDONED,
    SUCCESS,
    Ask,
    Failure,
    Limit,
    RateLimiter,
    RateLimiterConfig,
    Spent,
    Success,
)
from koo.resilience.limiter_windows import Meter
from koo.testing import FakeClock

from ..tools import admitted, call, refused
from .waiters import queue

MINUTE, HOUR = 60.0, 3600.0


@pytest.fixture
def clock():
    return FakeClock()


def limiter(clock, *limits, **config):
    return RateLimiter("dep", RateLimiterConfig(limits, **config), clock=clock)


def used(gate):
    return [window.used for window in gate.stats().windows]


def test_the_limit_is_admitted_and_not_one_more(clock):
    gate = limiter(clock, Limit(60, MINUTE))
    for _ in range(60):
        call(gate)
    refusal = refused(gate)
    assert isinstance(refusal, RateLimited)
    assert refusal.line is gate
    assert refusal.retry_after == pytest.approx(MINUTE, rel=1 / 60)


def test_a_refusal_says_when_the_call_would_fit(clock):
    gate = limiter(clock, Limit(2, MINUTE))
    call(gate)
    clock.advance(30)
    call(gate)
    wait = refused(gate).retry_after
    clock.advance(wait - 0.01)
    assert refused(gate).retry_after == pytest.approx(0.01)
    clock.advance(0.01)
    call(gate)


def test_what_was_admitted_leaves_when_it_is_as_old_as_the_window_and_not_before(clock):
    gate = limiter(clock, Limit(1, MINUTE))
    call(gate)
    clock.advance(59.999)
    refused(gate)
    clock.advance(0.001 + MINUTE / 64)
    call(gate)


def test_a_call_counts_in_every_window_or_in_none(clock):
    gate = limiter(clock, Limit(5, MINUTE), Limit(8, HOUR), Limit(100, MINUTE, "tokens"))
    call(gate, ask=Ask(tokens=90))
    refused(gate, Ask(tokens=11))
    assert used(gate) == [1, 1, 90]
    for _ in range(4):
        call(gate, ask=Ask())
    refused(gate)
    assert used(gate) == [5, 5, 90]
    clock.advance(62)
    for _ in range(3):
        call(gate)
    refused(gate)
    assert used(gate) == [3, 8, 0]


def test_the_longest_wait_of_all_windows_is_named(clock):
    gate = limiter(clock, Limit(1, MINUTE), Limit(1, HOUR))
    call(gate)
    refusal = refused(gate)
    assert refusal.retry_after == pytest.approx(HOUR, rel=1 / 60)
    assert refusal.cause == "1 requests per 3600 s"


def test_the_window_that_is_full_is_named_and_no_other(clock):
    gate = limiter(clock, Limit(9, MINUTE), Limit(1, 1.5), Limit(50, MINUTE, "tokens"))
    call(gate, ask=Ask(tokens=40))
    assert refused(gate).cause == "1 requests per 1.5 s"
    clock.advance(1.6)
    assert refused(gate, Ask(tokens=11)).cause == "50 tokens per 60 s"


def test_behind_others_no_window_is_blamed(clock):
    gate = limiter(clock, Limit(2, MINUTE))
    call(gate)
    queue(gate, Ask(requests=2))
    assert refused(gate).cause is None


def test_weights_are_counted_apart(clock):
    gate = limiter(clock, Limit(10, MINUTE), Limit(50, MINUTE, "tokens"), Limit(7, 1.0, "nanousd"))
    call(gate, ask=Ask(requests=2, tokens=30, nanousd=5))
    assert used(gate) == [2, 30, 5]
    refused(gate, Ask(nanousd=3))
    refused(gate, Ask(tokens=21))
    call(gate, ask=Ask(tokens=20, nanousd=2))


def test_more_than_a_limit_is_refused_at_once_and_for_ever(clock):
    gate = limiter(clock, Limit(10, MINUTE), Limit(50, MINUTE, "tokens"))
    refusal = refused(gate, Ask(tokens=51))
    assert (refusal.line, refusal.retry_after) == (None, None)
    assert str(refusal) == (
        "dep: rate limit reached (the request is larger than the limit);"
        " waiting alone does not help"
    )
    call(gate, ask=Ask(tokens=50))


def test_a_cancelled_call_is_refunded_in_full(clock):
    gate = limiter(clock, Limit(2, MINUTE), Limit(100, HOUR, "tokens"))
    for _ in range(50):
        admitted(gate, Ask(requests=2, tokens=100)).cancel()
        clock.advance(0.7)
    assert used(gate) == [0, 0]


def test_a_refund_goes_to_the_bucket_it_was_taken_from(clock):
    gate = limiter(clock, Limit(10, MINUTE))
    early = admitted(gate, Ask(requests=4))
    clock.advance(30)
    call(gate, ask=Ask(requests=6))
    early.cancel()
    assert used(gate) == [6]
    clock.advance(31)
    assert used(gate) == [6]
    clock.advance(30)
    assert used(gate) == [0]


def test_a_refund_of_what_has_left_the_window_gives_nothing(clock):
    gate = limiter(clock, Limit(10, MINUTE), Limit(10, HOUR))
    early = admitted(gate, Ask(requests=4))
    clock.advance(100)
    call(gate, ask=Ask(requests=5))
    early.cancel()
    assert used(gate) == [5, 5]


@pytest.mark.parametrize("outcome", [SUCCESS, ABANDONED, Failure(retryable=True, trips=True)])
def test_what_was_sent_stays_counted(clock, outcome):
    gate = limiter(clock, Limit(10, MINUTE), Limit(100, MINUTE, "tokens"))
    call(gate, outcome, Ask(tokens=40))
    assert used(gate) == [1, 40]


def test_a_dropped_permit_stays_counted(clock):
    gate = limiter(clock, Limit(10, MINUTE))
    admitted(gate)
    gc.collect()
    assert used(gate) == [1]


def test_what_was_not_spent_is_refunded(clock):
    gate = limiter(clock, Limit(10, MINUTE), Limit(100, MINUTE, "tokens"))
    permit = admitted(gate, Ask(tokens=80))
    clock.advance(20)
    permit.settle(Success(spent=Spent(requests=1, tokens=30)))
    assert used(gate) == [1, 30]


def test_what_was_spent_beyond_the_estimate_is_counted_when_it_is_known(clock):
    gate = limiter(clock, Limit(100, MINUTE, "tokens"))
    permit = admitted(gate, Ask(tokens=10))
    clock.advance(59)
    permit.settle(Success(spent=Spent(tokens=95)))
    assert used(gate) == [95]
    clock.advance(3)
    assert used(gate) == [85]
    clock.advance(55)
    assert used(gate) == [85]
    refused(gate, Ask(tokens=16))
    clock.advance(3)
    assert used(gate) == [0]


def test_an_overdraft_is_paid_off_before_anything_is_admitted(clock):
    gate = limiter(clock, Limit(100, MINUTE, "tokens"))
    call(gate, Success(spent=Spent(tokens=250)), Ask(tokens=10))
    assert gate.stats().windows[0].remaining == 0
    assert used(gate) == [250]
    refused(gate, Ask(tokens=1))
    clock.advance(62)
    call(gate, ask=Ask(tokens=100))


def test_settling_twice_corrects_once(clock):
    gate = limiter(clock, Limit(100, MINUTE, "tokens"))
    permit = admitted(gate, Ask(tokens=80))
    permit.settle(Success(spent=Spent(tokens=30)))
    permit.settle(Success(spent=Spent(tokens=30)))
    permit.cancel()
    assert used(gate) == [30]
    assert gate.stats().double_settled_total == 2


def test_a_refund_calls_the_line(clock):
    gate = limiter(clock, Limit(100, MINUTE, "tokens"))
    permit = admitted(gate, Ask(tokens=80))
    (visitor,) = queue(gate, Ask(tokens=60))
    permit.settle(Success(spent=Spent(tokens=40)))
    assert visitor.permit is not None


def test_a_photograph_tells_what_is_left_and_when_all_is_free(clock):
    gate = limiter(clock, Limit(10, MINUTE))
    (window,) = gate.stats().windows
    assert (window.remaining, window.reset_after) == (10, 0)
    call(gate)
    clock.advance(30)
    call(gate)
    (window,) = gate.stats().windows
    assert (window.limit, window.per, window.weight) == (10, 60, "requests")
    assert (window.used, window.remaining) == (2, 8)
    assert window.reset_after == pytest.approx(60, rel=1 / 60)
    clock.advance(window.reset_after)
    assert used(gate) == [0]


def test_a_single_call_is_free_again_when_its_bucket_has_left(clock):
    gate = limiter(clock, Limit(10, MINUTE))
    call(gate)
    (window,) = gate.stats().windows
    assert MINUTE <= window.reset_after <= MINUTE * 65 / 64 + 1e-6


def test_a_photograph_knows_of_a_refund_whose_bucket_has_been_counted_since(clock):
    gate = limiter(clock, Limit(2, 1.0))
    first, second = admitted(gate), admitted(gate)
    refused(gate)
    second.cancel()
    [window] = gate.stats().windows
    assert (window.used, window.remaining, window.reset_after) == (1, 1, pytest.approx(65 / 64))
    first.cancel()
    [window] = gate.stats().windows
    assert (window.used, window.remaining, window.reset_after) == (0, 2, 0.0)


def test_what_was_admitted_long_ago_is_in_no_photograph(clock):
    gate = limiter(clock, Limit(2, 1.0))
    call(gate, SUCCESS)
    clock.advance(5)
    [window] = gate.stats().windows
    assert (window.used, window.remaining, window.reset_after) == (0, 2, 0.0)


def test_a_photograph_names_the_gate(clock):
    assert limiter(clock, Limit(1, MINUTE)).stats().name == "dep"


def test_an_old_call_that_is_given_back_does_not_make_room_twice(clock):
    """What was admitted since is still counted."""
    gate = limiter(clock, Limit(4, MINUTE))
    old = admitted(gate)
    clock.advance(10)
    call(gate)
    call(gate)
    old.cancel()
    call(gate)
    call(gate)
    refused(gate)


def test_what_is_spent_beyond_the_estimate_late_leaves_as_late(clock):
    """However long the call has taken, the excess counts from when it is known."""
    gate = limiter(clock, Limit(4, MINUTE))
    permit = admitted(gate)
    clock.advance(59)
    permit.settle(Success(spent=Spent(requests=2)))
    clock.advance(59)
    assert used(gate) == [1]
    clock.advance(2)
    assert used(gate) == [0]


def test_looking_changes_nothing(clock):
    gate, twin = (limiter(clock, Limit(3, MINUTE), Limit(5, HOUR)) for _ in range(2))
    for _ in range(300):
        clock.advance(1.7)
        for _ in range(3):
            assert gate.stats() == gate.stats()
        assert type(gate.admit(Ask())) is type(twin.admit(Ask()))
        assert gate.stats() == twin.stats()


def test_refusals_are_counted(clock):
    gate = limiter(clock, Limit(1, MINUTE))
    call(gate)
    for _ in range(3):
        refused(gate)
    assert gate.stats().rejected_total == 3


def test_while_somebody_waits_a_newcomer_joins_the_end_even_if_it_would_fit(clock):
    gate = limiter(clock, Limit(10, MINUTE))
    call(gate, ask=Ask(requests=5))
    queue(gate, Ask(requests=10))
    assert refused(gate).line is gate
    assert gate.stats().waiting == 1


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: Limit(0, 60),
            "Limit: limit must be at least 1; leave the limit out to admit everything",
        ),
        (lambda: Limit(1, 0), "Limit: per must be above 0 seconds"),
        (lambda: Limit(1, float("nan")), "Limit: per must be a finite number, not nan"),
        (
            lambda: Limit(1, 1, "bytes"),
            "Limit: weight must be one of requests, tokens, nanousd",
        ),
        (
            lambda: RateLimiterConfig(()),
            "RateLimiterConfig: limits is empty; name at least one Limit",
        ),
        (
            lambda: RateLimiterConfig((Limit(1, 1),), pause_cap=0),
            "RateLimiterConfig: pause_cap must be above 0 seconds",
        ),
    ],
)
def test_a_limiter_that_makes_no_sense_is_refused_at_birth(make, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        make()


def test_who_looks_at_the_clock_before_another_process_does_lets_nothing_go_too_early():
    """What is in a file is of the other's moment, which may be a little later."""
    meter = Meter("requests", (Limit(10, 64.0),))
    meter.roll(10.0)
    meter.credit -= 4
    meter.roll(11.0)
    meter.roll(10.9)
    assert [stats.used for at in (74.5, 75.1) for stats in meter.stats(at)] == [4, 0]


def test_of_two_limits_that_are_full_for_as_long_the_first_is_named(clock):
    gate = limiter(clock, Limit(1, MINUTE), Limit(5, MINUTE, "tokens"))
    call(gate, SUCCESS, Ask(tokens=5))
    assert refused(gate, Ask(tokens=5)).cause == "1 requests per 60 s"


def test_a_listener_that_is_none_is_refused_with_the_name_of_the_limiter():
    with pytest.raises(ValueError, match="^RateLimiter 'dep': on_event must be"):
        RateLimiter("dep", RateLimiterConfig((Limit(1, MINUTE),)), on_event=3)
