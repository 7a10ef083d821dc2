"""Traps of streaming: success at the headers, restarts, permits that end too early."""

import asyncio

import pytest

from koo.resilience import Bulkhead, BulkheadConfig, CircuitBreaker, State
from koo.testing import running_clock

from ..policy.actors import QUICK, policy


async def test_a_body_that_breaks_is_not_hidden_by_good_headers():
    gate = CircuitBreaker("dep", clock=running_clock())

    @policy(gates=[gate])
    async def answer():
        yield "headers"
        raise ConnectionResetError

    for _ in range(5):
        with pytest.raises(ConnectionResetError):
            [part async for part in answer()]
    assert gate.stats().state is State.OPEN


async def test_the_consumer_never_sees_a_restart():
    """Else it would see 0, 1, 2, 0, 1, 2, 0, 1, 2, 3."""
    seen, begun = [], []

    @policy(retry=QUICK)
    async def numbers():
        begun.append(1)
        for number in range(3):
            yield number
        raise OSError

    async def consume():
        async for number in numbers():
            seen.append(number)
            await asyncio.sleep(0)

    with pytest.raises(OSError):
        await consume()
    assert (seen, len(begun)) == ([0, 1, 2], 1)


async def test_a_place_is_taken_until_the_stream_ends():
    gate = Bulkhead("dep", BulkheadConfig(2), clock=running_clock())
    most = []

    @policy(gates=[gate], timeout=100)
    async def numbers():
        for number in range(3):
            await asyncio.sleep(1)
            most.append(gate.stats().in_flight)
            yield number

    async def consume():
        async for _ in numbers():
            await asyncio.sleep(1)

    await asyncio.gather(*(consume() for _ in range(6)))
    assert max(most) == 2
    assert gate.stats().in_flight == 0


async def test_an_abandoned_iterator_is_nobodys_failure():
    gate = CircuitBreaker("dep", clock=running_clock())

    @policy(gates=[gate])
    async def numbers():
        for number in range(100):
            yield number

    for _ in range(20):
        items = numbers()
        await anext(items)
        await items.aclose()
    assert (gate.stats().outcomes, gate.stats().state) == (0, State.CLOSED)
