"""A limiter that the other side has asked to be quiet."""

import pytest

from koo.resilience import (
    Advice,
    Ask,
    Failure,
    Limit,
    LimitPaused,
    RateLimiter,
    RateLimiterConfig,
    RetryClass,
    Spent,
    Success,
)
from koo.testing import FakeClock

from ..tools import admitted, call, refused
from .waiters import queue


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def gate(clock, told):
    config = RateLimiterConfig((Limit(1000, 60), Limit(1000, 60, "tokens")), pause_cap=100)
    return RateLimiter("dep", config, clock=clock, on_event=told.append)


def throttled(retry_after, **more):
    return Failure(
        retryable=True,
        trips=False,
        retry_after=retry_after,
        retry_class=RetryClass.THROTTLED,
        **more,
    )


def test_a_429_pauses_the_key_for_everyone(gate, clock):
    call(gate, throttled(30))
    refusal = refused(gate)
    assert refusal.retry_after == 30
    assert str(refusal) == (
        "dep: rate limit reached (paused, as the service asked); try again in 30.0 s"
    )
    clock.advance(29.999)
    refused(gate)
    clock.advance(0.001)
    call(gate)


@pytest.mark.parametrize("seconds", [0.25, 1.0])
def test_a_short_pause_is_a_pause_too(gate, clock, told, seconds):
    gate.pause(seconds)
    assert told == [LimitPaused("dep", seconds)]
    assert refused(gate).retry_after == seconds
    clock.advance(seconds)
    call(gate)


def test_a_429_may_ask_for_less_than_a_second(gate):
    call(gate, throttled(0.25))
    assert refused(gate).retry_after == 0.25


def test_a_pause_may_be_capped_below_a_second(clock):
    gate = RateLimiter("dep", RateLimiterConfig((Limit(9, 60),), pause_cap=0.5), clock=clock)
    gate.pause(100)
    assert gate.stats().paused_for == 0.5


def test_a_photograph_tells_how_long_the_pause_still_is(gate, clock):
    gate.pause(30)
    clock.advance(10)
    assert gate.stats().paused_for == 20
    clock.advance(100)
    assert gate.stats().paused_for == 0


def test_after_a_pause_a_refusal_does_not_speak_of_it(clock):
    gate = RateLimiter("dep", RateLimiterConfig((Limit(1, 60),)), clock=clock)
    call(gate)
    gate.pause(30)
    clock.advance(30)
    assert refused(gate).cause == "1 requests per 60 s"


def test_a_pause_is_never_shortened(gate):
    gate.pause(30)
    gate.pause(5)
    call_after = gate.stats().paused_for
    assert call_after == 30
    gate.pause(40)
    assert gate.stats().paused_for == 40


def test_a_pause_is_no_longer_than_its_cap_and_is_told_as_it_is(gate, told):
    gate.pause(86400)
    assert gate.stats().paused_for == 100
    assert told == [LimitPaused("dep", 100)]


def test_a_pause_that_changes_nothing_is_not_told(gate, told):
    gate.pause(30)
    gate.pause(30)
    gate.pause(0)
    gate.pause(-5)
    assert told == [LimitPaused("dep", 30)]


def test_a_429_that_names_no_time_pauses_nothing(gate, clock, told):
    clock.advance(10)
    call(gate, throttled(None))
    call(gate)
    assert not told


def test_a_failure_of_another_kind_pauses_nothing(gate):
    call(gate, Failure(retryable=True, trips=True, retry_after=30))
    call(gate)


def test_an_answer_that_says_nothing_is_left_pauses_until_its_reset(gate):
    call(gate, Success(advice=Advice(remaining_requests=0, reset_after=7)))
    assert refused(gate).retry_after == 7


def test_an_answer_that_says_nothing_is_left_but_not_until_when_pauses_nothing(gate):
    call(gate, Success(advice=Advice(remaining_requests=0)))
    call(gate)


def test_an_answer_that_says_something_is_left_pauses_nothing(gate):
    call(gate, Success(advice=Advice(remaining_requests=1, reset_after=7)))
    call(gate, Success(advice=Advice(remaining_tokens=10, reset_after=7)))
    call(gate)


def test_a_429_is_debited_as_it_says(gate):
    call(gate, throttled(30, spent=Spent(requests=1, tokens=0)), Ask(tokens=500))
    assert [window.used for window in gate.stats().windows] == [1, 0]


def test_in_line_the_end_of_a_pause_is_the_due_time(gate, clock):
    gate.pause(30)
    (visitor,) = queue(gate, Ask())
    assert visitor.due == 30
    clock.advance(30)
    gate.serve()
    assert visitor.permit is not None


def test_a_pause_that_comes_while_somebody_waits_is_kept(gate, clock):
    first = admitted(gate, Ask(requests=1000))
    (visitor,) = queue(gate, Ask())
    gate.pause(90)
    assert visitor.due == 90
    clock.advance(89)
    gate.serve()
    assert visitor.permit is None
    clock.advance(1)
    gate.serve()
    assert visitor.permit is not None
    del first


def test_a_request_too_large_for_the_limit_is_refused_for_ever_even_in_a_pause(gate):
    gate.pause(30)
    assert refused(gate, Ask(requests=1001)).retry_after is None


def test_a_pause_that_becomes_twice_as_long_is_told_anew(gate, told):
    gate.pause(20)
    gate.pause(39.9)
    gate.pause(79.8)
    assert told == [LimitPaused("dep", 20), LimitPaused("dep", 79.8)]
