"""A policy inside another with the same breaker was refused by the probe that it was part of."""

import asyncio
from functools import partial

import pytest

from koo.resilience import (
    ONE_REQUEST,
    SUCCESS,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Policy,
    RetryConfig,
    State,
)
from koo.testing import run, running_clock

RECOVERY = 10.0


def _half_open(**config):
    config = BreakerConfig(recovery_timeout=RECOVERY, **config)
    gate = CircuitBreaker("dep", config, clock=running_clock(), random=lambda: 0.0)
    gate.open_until(RECOVERY, "dead")
    gate.half_open()
    return gate


def _behind(*gates):
    return Policy("dep", gates=gates, timeout=5, clock=running_clock())


async def _well():
    return "well"


async def _ill():
    raise OSError("down")


async def _in_a_block(outer, inner):
    async with outer.permit():
        return await inner.run(_well)


async def _in_a_stream(outer, inner):
    async def items():
        yield await inner.run(_well)

    [item] = [item async for item in outer.stream(items)]
    return item


async def _in_a_call(outer, inner):
    return await outer.run(partial(inner.run, _well))


async def _two_deep(outer, inner):
    between = Policy("between", clock=running_clock())
    return await outer.run(partial(between.run, partial(inner.run, _well)))


async def _in_a_task(outer, inner):
    async def begun():
        return await asyncio.create_task(inner.run(_well))

    return await outer.run(begun)


@pytest.mark.parametrize("call", [_in_a_call, _in_a_block, _in_a_stream, _two_deep, _in_a_task])
def test_a_call_inside_a_probe_is_part_of_it(call):
    async def calls():
        gate = _half_open(success_threshold=1)
        assert await call(_behind(gate), _behind(gate)) == "well"
        assert gate.stats().state is State.CLOSED

    run(calls())


async def _as_a_block(inner):
    async with inner.permit():
        return await _well()


async def _as_a_stream(inner):
    async def items():
        yield await _well()

    [item] = [item async for item in inner.stream(items)]
    return item


async def _as_an_outcome(inner):
    return (await inner.outcome(_well)).value


@pytest.mark.parametrize("inside", [_as_a_block, _as_a_stream, _as_an_outcome])
def test_whatever_form_it_has_inside_a_probe_it_is_part_of_it(inside):
    async def calls():
        gate = _half_open(success_threshold=1)
        assert await _behind(gate).run(partial(inside, _behind(gate))) == "well"
        assert gate.stats().state is State.CLOSED

    run(calls())


def test_another_attempt_inside_a_probe_is_part_of_it_as_well():
    async def calls():
        gate, attempts = _half_open(success_threshold=1), iter([_ill, _well])
        patient = Policy(
            "dep", gates=[gate], timeout=5, retry=RetryConfig(max_retries=1), clock=running_clock()
        )

        async def in_turn():
            return await next(attempts)()

        assert await _behind(gate).run(partial(patient.run, in_turn)) == "well"
        assert gate.stats().state is State.CLOSED

    run(calls())


def test_a_probe_fails_if_the_call_inside_it_fails():
    async def calls():
        gate = _half_open()
        outcome = await _behind(gate).outcome(partial(_behind(gate).run, _ill))
        assert isinstance(outcome.error, OSError)
        assert gate.stats().state is State.OPEN

    run(calls())


def test_a_call_inside_a_probe_is_part_of_it_after_a_wait_in_line_too():
    async def calls():
        gate, narrow = _half_open(success_threshold=1), Bulkhead("narrow", BulkheadConfig(1))
        held = narrow.admit(ONE_REQUEST)
        outer, inner = _behind(gate), _behind(narrow, gate)
        probe = asyncio.create_task(outer.run(partial(inner.run, _well)))
        await asyncio.sleep(1)
        held.cancel()
        assert await probe == "well"
        assert gate.stats().state is State.CLOSED
        assert narrow.stats().in_flight == 0

    run(calls())


def test_a_call_beside_a_probe_is_no_part_of_it():
    async def calls():
        gate = _half_open()
        probe = asyncio.create_task(_behind(gate).run(partial(asyncio.sleep, 1)))
        await asyncio.sleep(0)
        assert (await _behind(gate).outcome(_well)).error.gate == "dep"
        await probe

    run(calls())


def test_a_call_inside_one_of_another_breaker_is_no_part_of_its_probe():
    async def calls():
        gate, other = _half_open(), _half_open()
        held = gate.admit(ONE_REQUEST)
        outcome = await _behind(other).outcome(partial(_behind(gate).run, _well))
        assert outcome.error.gate == "dep"
        held.cancel()

    run(calls())


def test_a_probe_is_none_any_more_once_the_breaker_has_moved():
    async def calls():
        gate = _half_open()

        async def outlived():
            gate.open_until(RECOVERY, "dead again")
            return await _behind(gate).run(_well)

        outcome = await _behind(gate).outcome(outlived)
        assert outcome.error.gate == "dep"

    run(calls())


@pytest.mark.parametrize("inner_gates", ["alone", "after a wait in line"])
def test_what_goes_along_was_not_refused(inner_gates):
    async def calls():
        gate, narrow = _half_open(success_threshold=1), Bulkhead("narrow", BulkheadConfig(1))
        held = narrow.admit(ONE_REQUEST)
        if inner_gates == "alone":
            held.cancel()
        asyncio.get_running_loop().call_later(1, held.cancel)
        inner = _behind(narrow, gate)
        assert await _behind(gate).run(partial(inner.run, _well)) == "well"
        assert gate.stats().rejected_total == inner.stats().rejected_total == 0

    run(calls())


def _recovering(ramp_start):
    gate = _half_open(success_threshold=1, ramp_start=ramp_start)
    gate.admit(ONE_REQUEST).settle(SUCCESS)
    assert gate.stats().state is State.CLOSED
    return gate


@pytest.mark.parametrize("call", [_in_a_call, _in_a_block, _in_a_stream, _two_deep, _in_a_task])
@pytest.mark.parametrize("ramp_start", [1, 2])
def test_a_call_inside_one_on_the_ramp_is_part_of_it(call, ramp_start):
    async def calls():
        gate = _recovering(ramp_start)
        for _ in range(3):
            assert await call(_behind(gate), _behind(gate)) == "well"
        assert gate.stats().rejected_total == 0

    run(calls())


def test_a_call_beside_one_on_the_ramp_is_no_part_of_it():
    async def calls():
        gate = _recovering(1)
        held = gate.admit(ONE_REQUEST)
        assert (await _behind(gate).outcome(_well)).error.gate == "dep"
        assert gate.stats().rejected_total == 1
        held.cancel()

    run(calls())


def test_what_a_breaker_has_refused_by_hand_does_not_go_along():
    async def calls():
        gate = _recovering(1)

        async def isolated():
            gate.isolate("by hand")
            return await _behind(gate).run(_well)

        assert (await _behind(gate).outcome(isolated)).error.gate == "dep"
        assert gate.stats().rejected_total == 1

    run(calls())


def test_only_a_permit_of_a_probe_that_has_not_ended_takes_along():
    async def calls():
        gate = _half_open()
        probe = gate.admit(ONE_REQUEST)
        assert probe.takes_along()
        assert not Bulkhead("narrow", BulkheadConfig(1)).admit(ONE_REQUEST).takes_along()
        probe.cancel()
        assert not probe.takes_along()

    run(calls())
