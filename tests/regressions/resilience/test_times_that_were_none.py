"""A time for one call was not looked at: an infinite one wedged a probe, a string was paid for."""

import asyncio

import pytest

from koo.errors import DeadlineExceeded
from koo.resilience import (
    ONE_REQUEST,
    BreakerConfig,
    CircuitBreaker,
    Deadline,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
)
from koo.testing import FakeClock, running_clock

none_at_all = pytest.mark.parametrize("time", ["5", True, float("inf"), float("nan")])


async def answer():
    return "fine"


async def items():
    yield 1


async def by_run(through, time):
    await through.run(answer, timeout=time)


async def by_outcome(through, time):
    ended = await through.outcome(answer, timeout=time)
    if ended.error:
        raise ended.error


async def by_stream(through, time):
    async for _ in through.stream(items, timeout=time):
        pass


async def by_permit(through, time):
    async with through.permit(timeout=time):
        pass


async def by_loop(through, time):
    async for attempt in through.asking(ONE_REQUEST, timeout=time):
        async with attempt:
            pass


async def by_decorator(through, time):
    await through.asking(ONE_REQUEST, timeout=time)(answer)()


every_form = pytest.mark.parametrize(
    "form", [by_run, by_outcome, by_stream, by_permit, by_loop, by_decorator]
)


def limited():
    limits = RateLimiterConfig((Limit(5, 60.0),))
    return RateLimiter("limiter", limits, clock=running_clock())


@none_at_all
@every_form
async def test_what_is_no_time_is_refused_before_anything_is_paid(form, time):
    gate = limited()
    through = Policy("dep", gates=[gate], clock=running_clock())
    with pytest.raises(ValueError) as caught:
        await form(through, time)
    assert str(caught.value) == (
        f"Policy 'dep': timeout must be a finite number, not {time!r}; leave it out for none"
    )
    assert gate.stats().windows[0].used == 0


@every_form
async def test_a_time_that_is_one_is_taken(form):
    gate = limited()
    await form(Policy("dep", gates=[gate], clock=running_clock()), 5)
    assert gate.stats().windows[0].used == 1


@every_form
@pytest.mark.parametrize("time", [0, -1])
async def test_a_time_that_is_over_is_one(form, time):
    gate = limited()
    with pytest.raises(DeadlineExceeded):
        await form(Policy("dep", gates=[gate], clock=running_clock()), time)
    assert gate.stats().windows[0].used == 0


async def test_who_makes_a_call_hears_of_it_before_it_is_awaited():
    with pytest.raises(ValueError, match="timeout must be a finite number"):
        Policy("dep").run(answer, timeout="5")


@none_at_all
def test_a_deadline_is_a_moment(time):
    with pytest.raises(ValueError) as caught:
        Deadline(time)
    assert str(caught.value) == f"Deadline: at must be a finite number, not {time!r}"


@pytest.mark.parametrize("seconds", ["5", True, float("inf"), float("nan"), 0, -1])
def test_a_lease_has_an_end(seconds):
    gate = CircuitBreaker("dep", BreakerConfig(), clock=FakeClock())
    with pytest.raises(ValueError) as caught:
        gate.lease_for(seconds)
    assert str(caught.value) == (
        f"CircuitBreaker 'dep': a probe can't be leased for {seconds!r} seconds; name the"
        " most that an attempt may take"
    )


async def test_a_hung_probe_that_would_have_had_no_end_holds_nothing():
    gate = CircuitBreaker("dep", BreakerConfig(recovery_timeout=1), clock=running_clock())
    through = Policy("dep", gates=[gate], clock=running_clock())
    gate.open_until(0.5, "for the test")
    await asyncio.sleep(1)
    with pytest.raises(ValueError, match="timeout"):
        await through.run(asyncio.Event().wait, timeout=float("inf"))
    assert await through.run(answer) == "fine"
