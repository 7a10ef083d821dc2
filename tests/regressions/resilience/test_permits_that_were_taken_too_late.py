"""A call without time asked its gates first: it spent what it gave back, and moved a breaker."""

import asyncio

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded
from koo.resilience import (
    Ask,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Deadline,
    Policy,
    RetryConfig,
    State,
)
from koo.testing import running_clock


class Asked(Bulkhead):
    """A bulkhead that counts how often it was asked."""

    asked = 0

    def admit(self, ask):
        self.asked += 1
        return super().admit(ask)


def policy(gate, **parts):
    return Policy("dep", gates=[gate], clock=running_clock(), **parts)


def room():
    return Asked("room", BulkheadConfig(2), clock=running_clock())


async def work():
    return "done"


async def by_run(through, ask):
    await through.run(work, ask)


async def by_outcome(through, ask):
    outcome = await through.outcome(work, ask)
    if outcome.error is not None:
        raise outcome.error


async def by_permit(through, ask):
    async with through.permit(ask):
        await work()


async def by_loop(through, ask):
    async for attempt in through.asking(ask):
        async with attempt:
            await work()


async def by_decorator(through, ask):
    await through.asking(ask)(work)()


async def by_stream(through, ask):
    async def items():
        yield await work()

    async for _ in through.stream(items, ask):
        pass


in_every_form = pytest.mark.parametrize(
    "form", [by_run, by_outcome, by_permit, by_loop, by_decorator, by_stream]
)


def in_seconds(seconds):
    return Ask(deadline=Deadline(running_clock().monotonic() + seconds))


@in_every_form
@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_call_whose_deadline_has_come_asks_no_gate(form, seconds):
    gate = room()
    with pytest.raises(DeadlineExceeded, match="too little time to begin"):
        await form(policy(gate), in_seconds(seconds))
    assert (gate.asked, gate.stats().in_flight) == (0, 0)


@in_every_form
async def test_a_call_with_time_asks_its_gate_once(form):
    gate = room()
    await form(policy(gate), in_seconds(1))
    assert (gate.asked, gate.stats().in_flight) == (1, 0)


@in_every_form
async def test_a_call_that_cannot_end_in_time_asks_no_gate(form):
    gate = room()
    through = policy(gate)
    for _ in range(20):
        await through.run(lambda: asyncio.sleep(1))
    await through.outcome(lambda: asyncio.sleep(1), timeout=0.9)
    gate.asked = 0
    with pytest.raises(DeadlineExceeded, match="too little time to begin"):
        await form(through, in_seconds(0.5))
    assert gate.asked == 0


@in_every_form
async def test_a_cleanup_after_the_inherited_deadline_asks_no_gate(form):
    gate, refusals = room(), []

    async def cleaned_up():
        try:
            await asyncio.sleep(9)
        finally:
            try:
                await form(policy(gate), Ask())
            except DeadlineExceeded as late:
                refusals.append(late)

    with pytest.raises(DeadlineExceeded):
        await Policy("outer", timeout=2, clock=running_clock()).run(cleaned_up)
    assert (len(refusals), gate.asked) == (1, 0)


@in_every_form
async def test_a_breaker_does_not_begin_to_probe_for_a_call_without_time(form):
    clock = running_clock()
    breaker = CircuitBreaker("dep", BreakerConfig(recovery_timeout=1), clock=clock)
    breaker.open_until(1, "down")
    await asyncio.sleep(2)
    with pytest.raises(DeadlineExceeded):
        await form(policy(breaker), in_seconds(0))
    assert breaker.stats().state is State.OPEN


async def test_a_retry_whose_deadline_came_while_the_loop_stood_still_asks_no_gate():
    clock, gate = running_clock(), room()

    class Oversleeping:
        """A clock on which the backoff lasts longer than it was told to."""

        time, monotonic = clock.time, clock.monotonic

        async def sleep(self, seconds):
            await clock.sleep(seconds + 9)

    async def broken():
        raise ConnectionResetError

    through = Policy("dep", gates=[gate], retry=RetryConfig(), timeout=5, clock=Oversleeping())
    with pytest.raises(ConnectionResetError):
        await through.run(broken)
    assert gate.asked == 1


async def test_an_open_circuit_is_told_to_a_call_with_time():
    breaker = CircuitBreaker("dep", clock=running_clock())
    breaker.open_until(60, "down")
    outcome = await policy(breaker).outcome(work, in_seconds(5))
    assert isinstance(outcome.error, CircuitOpen)
