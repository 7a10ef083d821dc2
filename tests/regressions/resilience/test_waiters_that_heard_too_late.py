"""Callers in line who were not told that waiting had become useless, or heard a stale time."""

import asyncio

import pytest

from koo.errors import RateLimited, Saturated
from koo.resilience import (
    Advice,
    Ask,
    Bulkhead,
    BulkheadConfig,
    Failure,
    Limit,
    LimitPaused,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryClass,
)
from koo.resilience.timers import SLACK
from koo.testing import FakeClock, run, running_clock

from ...resilience.tools import admitted, call, refused


async def nothing():
    return "done"


def limiter(*limits, clock, **parts):
    return RateLimiter("dep", RateLimiterConfig(limits), clock=clock, **parts)


def test_who_waits_is_told_at_once_of_a_pause_beyond_its_patience():
    async def calls():
        clock = running_clock()
        gate = limiter(Limit(1, 5.0), clock=clock)
        through = Policy("dep", gates=[gate], clock=clock, timeout=30)
        await through.run(nothing)
        waiting = [asyncio.create_task(through.outcome(nothing)) for _ in range(3)]
        await asyncio.sleep(1)
        gate.pause(3600)
        ended = await asyncio.gather(*waiting)
        assert [round(one.waited, 6) for one in ended] == [1, 1, 1]
        assert [one.retry_after for one in ended] == [3600] * 3
        assert gate.stats().rejected_total == through.stats().rejected_total == 3

    run(calls())


def test_who_has_more_patience_than_the_pause_goes_on_waiting():
    async def calls():
        clock = running_clock()
        gate = limiter(Limit(1, 5.0), clock=clock)
        await Policy("dep", gates=[gate], clock=clock).run(nothing)
        patient = Policy("dep", gates=[gate], clock=clock, timeout=100)
        hasty = Policy("dep", gates=[gate], clock=clock, timeout=20)
        waiting = [asyncio.create_task(each.outcome(nothing)) for each in (hasty, patient)]
        await asyncio.sleep(1)
        gate.pause(50)
        ended = await asyncio.gather(*waiting)
        assert [one.ok for one in ended] == [False, True]
        assert round(ended[1].waited) == 51

    run(calls())


async def all_taken_by_others(others):
    """How it ends for who waits from the first moment, and when, if *others* then come first."""
    clock = running_clock()
    gate = limiter(Limit(10, 60.0), clock=clock)
    gate.admit(Ask(requests=10))
    through = Policy("dep", gates=[gate], clock=clock, timeout=100, patience=70)
    waiting = asyncio.create_task(through.outcome(nothing))
    await asyncio.sleep(1)
    before = Policy("first", gates=[gate], clock=clock, timeout=200)
    ask = Ask(requests=10, priority=-1)
    first = [asyncio.create_task(before.run(nothing, ask)) for _ in range(others)]
    ended = await waiting
    assert ended.retry_after == refused(gate).retry_after
    await asyncio.gather(*first)
    return ended


def test_who_is_first_in_line_hears_as_soon_as_the_place_is_worth_nothing():
    ended = run(lambda: all_taken_by_others(1))
    assert round(ended.waited) == 61
    assert 60 <= ended.retry_after <= 61


def test_who_has_waited_in_vain_behind_others_hears_what_holds_by_then():
    ended = run(lambda: all_taken_by_others(2))
    assert round(ended.waited) == 70
    assert 110 <= ended.retry_after <= 115


def test_who_loses_patience_in_the_moment_that_there_is_room_may_try_again():
    async def calls():
        clock = running_clock()
        gate = limiter(Limit(1, 64.0), clock=clock)
        admitted(gate)
        due = refused(gate).retry_after
        through = Policy("dep", gates=[gate], clock=clock, timeout=due + SLACK / 2)
        ended = await through.outcome(nothing)
        assert (ended.retry_after, str(ended.error)[-9:]) == (0.0, "try again")
        assert gate.stats().windows[0].used == 0
        # By the gate, too: once in the test's own name, once in that of who waited.
        assert (gate.stats().rejected_total, through.stats().rejected_total) == (2, 1)
        admitted(gate)

    run(calls())


@pytest.mark.parametrize("room", [1, 3])
def test_who_waits_and_is_served_was_not_refused(room):
    async def calls():
        clock = running_clock()
        gate = Bulkhead("dep", BulkheadConfig(room), clock=clock)
        through = Policy("dep", gates=[gate], clock=clock, timeout=100)
        ended = await asyncio.gather(
            *(through.outcome(lambda: asyncio.sleep(0.5)) for _ in range(10))
        )
        assert all(one.ok for one in ended)
        assert gate.stats().rejected_total == 0

    run(calls())


def test_who_waits_in_two_lines_is_refused_once_by_whom_it_heard_it_from():
    async def calls():
        clock = running_clock()
        one, two = (Bulkhead(name, BulkheadConfig(1), clock=clock) for name in ("one", "two"))
        held = [admitted(one), admitted(two)]
        through = Policy("dep", gates=[one, two], clock=clock, timeout=5)
        waiting = asyncio.create_task(through.outcome(nothing))
        await asyncio.sleep(1)
        held[0].cancel()
        ended = await waiting
        assert isinstance(ended.error, Saturated)
        assert ended.error.gate == "two"
        assert [gate.stats().rejected_total for gate in (one, two)] == [0, 1]
        held[1].cancel()

    run(calls())


def test_who_goes_away_from_a_line_was_not_refused():
    async def calls():
        clock = running_clock()
        gate = Bulkhead("dep", BulkheadConfig(1), clock=clock)
        held = admitted(gate)
        through = Policy("dep", gates=[gate], clock=clock, timeout=100)
        waiting = asyncio.create_task(through.run(nothing))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (gate.stats().rejected_total, through.stats().abandoned_total) == (0, 1)
        held.cancel()

    run(calls())


# -- what a 429 says -------------------------------------------------------------------------------


def throttled(retry_after, reset_after=None):
    advice = None if reset_after is None else Advice(remaining_requests=0, reset_after=reset_after)
    return Failure(
        retryable=True,
        trips=False,
        retry_after=retry_after,
        retry_class=RetryClass.THROTTLED,
        advice=advice,
    )


@pytest.mark.parametrize(
    ("said", "reset", "pause"), [(None, 20, 20), (1, 60, 60), (60, 1, 60), (5, None, 5)]
)
def test_a_429_pauses_for_the_longer_of_what_it_says_and_what_its_headers_say(said, reset, pause):
    gate = limiter(Limit(100, 1.0), clock=FakeClock())
    call(gate, throttled(said, reset))
    assert refused(gate).retry_after == pause


@pytest.mark.parametrize(
    ("requests", "tokens", "is_exhausted"),
    [(-1, None, True), (None, -1, True), (5, -3, True), (1, None, False), (None, None, False)],
)
def test_less_than_nothing_is_nothing_left(requests, tokens, is_exhausted):
    assert Advice(requests, tokens).is_exhausted is is_exhausted


def test_calls_in_flight_that_all_hear_the_same_429_tell_of_one_pause():
    told, clock = [], FakeClock()
    gate = limiter(Limit(1000, 60.0), clock=clock, on_event=told.append)
    for permit in [admitted(gate) for _ in range(100)]:
        permit.settle(throttled(30))
        clock.advance(0.001)
    assert told == [LimitPaused("dep", 30)]
    assert gate.stats().paused_for == pytest.approx(29.999)


def test_a_pause_that_grows_much_longer_is_told_and_so_is_the_next_one():
    told, clock = [], FakeClock()
    gate = limiter(Limit(1000, 60.0), clock=clock, on_event=told.append)
    gate.pause(10)
    gate.pause(60)
    gate.pause(61)
    clock.advance(100)
    gate.pause(1)
    assert told == [LimitPaused("dep", seconds) for seconds in (10, 60, 1)]
    assert isinstance(gate.admit(Ask()), RateLimited)
