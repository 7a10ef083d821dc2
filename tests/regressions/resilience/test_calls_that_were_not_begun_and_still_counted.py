"""A call refused for too little time, with nothing sent, was a failure to whoever was around it."""

import asyncio

import pytest

from koo.errors import (
    CircuitOpen,
    DeadlineExceeded,
    ServiceConnectionError,
    ServiceTimeoutError,
)
from koo.resilience import (
    Ask,
    CallRejected,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Policy,
    RetryConfig,
    State,
    classify_by_type,
)
from koo.testing import running_clock


def _policy(name, **parts):
    return Policy(name, clock=running_clock(), **parts)


async def _slow():
    await asyncio.sleep(1)


async def _used_to_slowness(**parts):
    inner = _policy("inner", **parts)
    for _ in range(12):
        await inner.run(_slow)
    await inner.outcome(_slow, timeout=0.9)
    return inner


def _plain(call):
    return call


def _in_a_group(call):
    async def operation():
        async with asyncio.TaskGroup() as group:
            group.create_task(call())
            group.create_task(call())

    return operation


def _as_a_services(call):
    async def operation():
        try:
            await call()
        except DeadlineExceeded as late:
            raise ServiceTimeoutError("service", "too late") from late

    return operation


@pytest.fixture(params=[_plain, _in_a_group, _as_a_services])
def dressed(request):
    return request.param


@pytest.mark.parametrize("timeout", [0.5, 0])
@pytest.mark.parametrize("retry", [None, RetryConfig()])
async def test_who_sent_nothing_is_no_failure_further_out(dressed, timeout, retry):
    inner, gate = (
        await _used_to_slowness(retry=retry),
        CircuitBreaker("gate", clock=running_clock()),
    )
    sent = inner.stats().attempts_total
    outer = _policy("outer", gates=[gate], retry=RetryConfig(max_retries=3))
    operation = dressed(lambda: inner.run(_slow, timeout=timeout))
    for _ in range(5):
        ending = await outer.outcome(operation)
        assert not isinstance(ending.error, CircuitOpen)
        assert ending.attempts == 0
    assert (gate.stats().state, gate.stats().failures) == (State.CLOSED, 0)
    assert (outer.stats().rejected_total, outer.stats().retries_total) == (5, 0)
    assert inner.stats().attempts_total == sent


async def test_who_sent_nothing_costs_nothing_further_out(dressed):
    inner = await _used_to_slowness()
    budget = DailyBudget("budget", DailyBudgetConfig(100), clock=running_clock())
    outer = _policy("outer", gates=[budget])
    operation = dressed(lambda: inner.run(_slow, timeout=0.5))
    await outer.outcome(operation, Ask(nanousd=100))
    assert (budget.stats().spent_nanousd, budget.stats().reserved_nanousd) == (0, 0)


async def test_it_is_told_who_had_too_little_time():
    inner, told = await _used_to_slowness(), []
    outer = _policy("outer", on_event=told.append)
    with pytest.raises(DeadlineExceeded, match=r"^inner: 0\.500 s are too little time") as caught:
        await outer.run(lambda: inner.run(_slow, timeout=0.5))
    assert caught.value.refused_by == "inner"
    assert told == [CallRejected("outer", "inner", "refused", None)]


@pytest.mark.parametrize("dress", [_plain, _as_a_services])
async def test_what_was_begun_and_came_too_late_is_a_failure_as_before(dress):
    inner, gate = _policy("inner"), CircuitBreaker("gate", clock=running_clock())
    outer = _policy("outer", gates=[gate])
    ending = await outer.outcome(dress(lambda: inner.run(_slow, timeout=0.5)))
    assert getattr(ending.error, "refused_by", None) is None
    assert gate.stats().failures == 1


async def test_beside_a_failure_in_a_group_too_little_time_says_nothing():
    inner = await _used_to_slowness()
    with pytest.raises(DeadlineExceeded) as caught:
        await inner.run(_slow, timeout=0.5)
    unsent = caught.value
    assert not classify_by_type(unsent).retryable
    assert not classify_by_type(ExceptionGroup("both", [unsent, ValueError()])).trips
    both = classify_by_type(ExceptionGroup("both", [unsent, ServiceConnectionError("a", "b")]))
    assert (both.trips, both.cause) == (True, "connection")
