"""What a person does to a breaker, and what its photograph then said or did that was not so."""

import asyncio

import pytest

from koo.errors import CircuitOpen
from koo.resilience import (
    ONE_REQUEST,
    CircuitBreaker,
    Mode,
    Permit,
    Policy,
    State,
    StateChanged,
    StateRenewed,
    WindowConfig,
)
from koo.testing import FakeClock, run, running_clock

from ...resilience.tools import FAILED, admitted, breaker, call, calls, refused, trip


@pytest.fixture
def clock():
    return FakeClock()


def rush(gate, number=100):
    """How many of so many callers at one moment are let in."""
    answers = [gate.admit(ONE_REQUEST) for _ in range(number)]
    return sum(isinstance(answer, Permit) for answer in answers)


def test_a_reset_refuses_no_call_of_a_busy_service_that_is_well():
    """A hundred calls a second that take half a second each; the button is pressed in between."""

    async def busy():
        gate = CircuitBreaker("dep", clock=running_clock())
        through = Policy("dep", gates=[gate], clock=running_clock())
        calls = []
        for number in range(1000):
            if number == 500:
                gate.reset()
            calls.append(asyncio.create_task(through.outcome(lambda: asyncio.sleep(0.5))))
            await asyncio.sleep(0.01)
        return [ended.ok for ended in await asyncio.gather(*calls)]

    assert all(run(busy))


@pytest.mark.parametrize("mode", ["force_close", "disable", "shadow"])
def test_a_reset_out_of_a_mode_that_let_all_in_refuses_nobody(clock, mode):
    gate = breaker(clock)
    getattr(gate, mode)()
    gate.reset()
    assert gate.stats().mode is Mode.NORMAL
    assert rush(gate) == 100


def test_a_reset_of_a_closed_breaker_forgets_its_failures(clock):
    gate = breaker(clock)
    calls(gate, 4, FAILED)
    gate.reset()
    calls(gate, 4, FAILED)
    assert gate.stats().state is State.CLOSED


def test_a_reset_on_the_ramp_leaves_it_as_wide_as_it_is(clock):
    gate = breaker(clock)
    trip(gate)
    clock.advance(60)
    calls(gate, 2)
    calls(gate, 8)
    gate.reset()
    assert rush(gate) == 10


def test_to_isolate_twice_is_one_opening_with_two_reasons(clock):
    heard = []
    gate = breaker(clock, on_event=heard.append)
    gate.isolate("first")
    before = gate.stats()
    clock.advance(10)
    gate.isolate("second")
    after = gate.stats()
    assert (after.opened_total, after.since, after.generation) == (1, before.since, 1 + 1)
    assert (before.cause, after.cause) == ("first", "second")
    assert heard[2:] == [StateRenewed("dep", "open", "second")]
    assert refused(gate).cause == "second"


def test_to_isolate_what_is_open_is_no_other_opening(clock):
    gate = breaker(clock)
    trip(gate)
    gate.isolate("by hand")
    assert gate.stats().opened_total == 1


def test_in_the_shadow_nobody_has_to_wait(clock):
    gate = breaker(clock)
    gate.shadow()
    trip_by = 5
    calls(gate, trip_by, FAILED)
    assert (gate.stats().state, gate.stats().retry_after) == (State.OPEN, 0.0)
    gate.release()
    assert gate.stats().retry_after == 60


@pytest.mark.parametrize("size", [0, 5, 100])
def test_a_photograph_shows_the_last_outcomes_of_any_window(clock, size):
    gate = breaker(clock, failure_threshold=50, window=WindowConfig(size=size, span=10.0))
    call(gate, FAILED)
    calls(gate, 30)
    call(gate, FAILED)
    assert gate.stats().latest == (*[True] * 19, False)


def test_a_window_of_time_shows_nothing_that_has_left_it(clock):
    gate = breaker(clock, window=WindowConfig(size=0, span=10.0))
    calls(gate, 3, FAILED)
    clock.advance(20)
    call(gate)
    assert gate.stats().latest == (True,)


def test_a_listener_that_probes_leaves_no_second_probe_to_the_caller(clock):
    held = []

    def probe(event):
        if isinstance(event, StateChanged) and event.after == State.HALF_OPEN:
            held.append(admitted(gate))

    gate = breaker(clock, on_event=probe)
    trip(gate)
    clock.advance(60)
    refusal = gate.admit(ONE_REQUEST)
    assert isinstance(refusal, CircuitOpen)
    assert refusal.cause == "probing"
    assert (len(held), gate.stats().probes) == (1, 1)


def test_a_listener_that_closes_what_is_about_to_probe_lets_the_caller_onto_the_ramp(clock):
    def close(event):
        if isinstance(event, StateChanged) and event.after == State.HALF_OPEN:
            gate.reset()

    gate = breaker(clock, on_event=close)
    trip(gate)
    clock.advance(60)
    assert rush(gate) == 2
    assert gate.stats().state is State.CLOSED
