"""Traps of half-open: what went wrong in other breakers, once each, through a policy."""

import asyncio
import contextlib

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded, Saturated
from koo.resilience import (
    Ask,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Limit,
    RateLimiter,
    RateLimiterConfig,
    State,
)
from koo.testing import running_clock

from ..policy.actors import Dependency, policy, started
from ..tools import trip


@pytest.fixture
def recovering():
    """A breaker whose wait is over, on the running clock."""

    def made(**config):
        gate = CircuitBreaker("dep", BreakerConfig(**config), clock=running_clock())
        trip(gate)
        return gate

    return made


async def test_a_cancelled_probe_keeps_half_open_and_the_next_call_probes(recovering):
    gate = recovering()
    await asyncio.sleep(70)
    through, dependency = policy(gates=[gate]), Dependency(9.0)
    for _ in range(100):
        probe = await started(through.run(dependency))
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert gate.stats().state is State.HALF_OPEN
    assert len(dependency.calls) == 100


async def test_our_own_timeout_of_a_probe_is_a_failure(recovering):
    gate = recovering()
    await asyncio.sleep(70)
    with pytest.raises(DeadlineExceeded):
        await policy(gates=[gate], attempt_timeout=2).run(Dependency(9.0))
    assert gate.stats().state is State.OPEN


async def test_a_probe_that_swallows_its_timeout_costs_one_lease(recovering):
    """It can't be stopped; the breaker goes on without it."""
    gate = recovering(recovery_timeout=30)
    await asyncio.sleep(40)

    stop = []

    async def deaf():
        while not stop:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1000)

    hung = await started(policy(gates=[gate], attempt_timeout=2).run(deaf))
    with pytest.raises(CircuitOpen, match="probing"):
        await policy(gates=[gate]).run(Dependency())
    await asyncio.sleep(30)
    for _ in range(2):
        await policy(gates=[gate]).run(Dependency())
    assert gate.stats().state is State.CLOSED
    assert not hung.done()
    stop.append(True)


async def test_a_stale_success_does_not_close(recovering):
    gate = recovering()
    gate.reset()
    through = policy(gates=[gate])
    stale = await started(through.run(Dependency(100.0)))
    trip(gate)
    await asyncio.sleep(70)
    probe = await started(through.run(Dependency(50.0)))
    await stale
    assert (gate.stats().state, gate.stats().successes) == (State.HALF_OPEN, 0)
    await probe


async def test_a_stale_failure_does_not_open(recovering):
    gate = recovering()
    gate.reset()
    stale = await started(policy(gates=[gate]).run(_failing_after(10)))
    gate.reset()
    assert isinstance(await _error_of(stale), OSError)
    assert (gate.stats().state, gate.stats().outcomes) == (State.CLOSED, 0)


def _failing_after(seconds):
    async def operation():
        await asyncio.sleep(seconds)
        raise OSError

    return operation


async def _error_of(task):
    await asyncio.wait([task])
    return task.exception()


@pytest.mark.parametrize("breaker_first", [True, False])
async def test_a_limiter_that_refuses_hands_the_probe_back(recovering, breaker_first):
    gate = recovering()
    limiter = RateLimiter("limit", RateLimiterConfig((Limit(1, 1000),)), clock=running_clock())
    assert limiter.admit(Ask())
    await asyncio.sleep(70)
    gates = [gate, limiter] if breaker_first else [limiter, gate]
    for _ in range(10):
        ended = await policy(gates=gates).outcome(Dependency())
        assert ended.error.gate == "limit"
    assert gate.stats().probes == 0
    assert await policy("other", gates=[gate]).run(Dependency()) == "fine"


async def test_who_waits_in_line_holds_no_probe(recovering):
    gate = recovering()
    bulkhead = Bulkhead("room", BulkheadConfig(1), clock=running_clock())
    held = bulkhead.admit(Ask())
    await asyncio.sleep(70)
    waiting = await started(policy(gates=[gate, bulkhead], timeout=30).run(Dependency()))
    assert gate.stats().probes == 0
    held.cancel()
    await waiting
    assert gate.stats().successes == 1


async def test_a_refusal_further_in_is_no_failure_of_the_dependency():
    gate = CircuitBreaker("outer", clock=running_clock())
    full = Bulkhead("inner", BulkheadConfig(1), clock=running_clock())
    held = full.admit(Ask())
    inner = policy("inner", gates=[full])
    for _ in range(100):
        with pytest.raises(Saturated):
            await policy("outer", gates=[gate]).run(lambda: inner.run(Dependency()))
    assert (gate.stats().outcomes, gate.stats().state) == (0, State.CLOSED)
    held.cancel()


async def test_a_thousand_calls_at_recovery_reach_a_dead_dependency_once(recovering):
    gate = recovering()
    await asyncio.sleep(70)
    dependency, through = Dependency(OSError()), policy(gates=[gate])
    await asyncio.gather(*(through.outcome(dependency) for _ in range(1000)))
    assert len(dependency.calls) == 1


async def test_a_thousand_calls_at_recovery_do_not_storm_a_dependency_that_is_back(recovering):
    gate = recovering()
    await asyncio.sleep(70)
    in_flight, most = [0], [0]

    async def counted():
        in_flight[0] += 1
        most[0] = max(most[0], in_flight[0])
        await asyncio.sleep(0.05)
        in_flight[0] -= 1

    through = policy(gates=[gate])
    for tick in range(20):
        calls = [asyncio.create_task(through.outcome(counted)) for _ in range(50)]
        await asyncio.sleep(0.05)
        assert most[0] <= max(1, 2 ** max(0, tick - 1)), f"after {tick} ticks"
        if most[0] >= 50:
            break
        await asyncio.sleep(0.001)
    await asyncio.gather(*calls)
    assert most[0] >= 50


async def test_calls_that_hang_open_the_breaker_before_one_has_ended():
    gate = CircuitBreaker("dep", BreakerConfig(slow_threshold=2.0), clock=running_clock())
    through = policy(gates=[gate])
    hung = [await started(through.run(Dependency(1000.0))) for _ in range(5)]
    await asyncio.sleep(3)
    with pytest.raises(CircuitOpen, match="longer than 2 s"):
        await through.run(Dependency())
    for task in hung:
        task.cancel()
    await asyncio.wait(hung)
