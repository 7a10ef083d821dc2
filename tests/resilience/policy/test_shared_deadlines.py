"""Calls inside of one another with one deadline: one timer is enough, as long as it cuts both."""

import asyncio
from contextlib import AsyncExitStack
from unittest.mock import patch

import pytest

from koo.errors import DeadlineExceeded
from koo.resilience import Ask, CircuitBreaker, Deadline, Pace, RetryConfig, State
from koo.testing import running_clock

from ..tools import FAILED, calls
from .actors import Dependency, policy


def now():
    return running_clock().monotonic()


async def timers_of(operation):
    """How many timers the loop is asked for until *operation* is over."""
    loop = asyncio.get_running_loop()
    with patch.object(loop, "call_later", wraps=loop.call_later) as call_later:
        await operation()
    return call_later.call_count


@pytest.mark.parametrize("own", [{}, {"timeout": 30}])
async def test_a_call_that_inherits_its_deadline_needs_no_timer_of_its_own(own):
    inner, counts = policy("inner", **own), []

    async def work():
        counts.append(await timers_of(lambda: inner.run(Dependency("quick"))))

    await policy("outer", timeout=5).run(work)
    await policy("outer").run(work, timeout=5)
    assert counts == [0, 0]


async def test_a_call_without_one_around_it_needs_a_timer():
    inner = policy("inner", timeout=30)
    call = inner.run(Dependency("quick"), timeout=5)
    assert await timers_of(lambda: call) == 1


@pytest.mark.parametrize("own", [{}, {"timeout": 30}])
async def test_what_inherits_a_deadline_ends_with_what_is_around_it(own):
    inner, slow = policy("inner", **own), Dependency(9.0)
    ended = await policy("outer", timeout=2).outcome(lambda: inner.run(slow))
    assert isinstance(ended.error, DeadlineExceeded)
    assert (now(), slow.cut) == (pytest.approx(2, abs=1e-4), 1)
    assert (inner.stats().abandoned_total, inner.stats().failures_total) == (1, 0)


async def test_a_task_that_outlives_the_call_around_it_ends_at_the_deadline():
    inner, slow, tasks = policy("inner", timeout=30), Dependency(9.0), []

    async def work():
        tasks.append(asyncio.create_task(inner.outcome(slow)))
        await asyncio.sleep(0)

    await policy("outer", timeout=2).run(work)
    ended = await tasks[0]
    assert isinstance(ended.error, DeadlineExceeded)
    assert (now(), slow.cut) == (pytest.approx(2, abs=1e-4), 1)


async def test_a_block_that_is_left_after_what_is_around_it_ends_at_the_deadline():
    inner, stack = policy("inner", timeout=30), AsyncExitStack()

    async def work():
        await stack.enter_async_context(inner.permit())

    await policy("outer", timeout=2).run(work)
    with pytest.raises(DeadlineExceeded):
        async with stack:
            await asyncio.sleep(9)
    assert now() == pytest.approx(2, abs=1e-4)


async def test_a_cleanup_after_an_attempt_was_cut_ends_at_the_deadline():
    inner, slow = policy("inner", timeout=30), Dependency(9.0)

    async def work():
        try:
            await asyncio.sleep(9)
        finally:
            await inner.run(slow)

    ended = await policy("outer", timeout=3, attempt_timeout=1).outcome(work)
    assert isinstance(ended.error, DeadlineExceeded)
    assert (now(), slow.cut) == (pytest.approx(3, abs=1e-4), 1)


async def test_a_cleanup_after_a_gap_was_too_long_ends_at_the_deadline():
    inner, slow = policy("inner", timeout=30), Dependency(9.0)

    async def items():
        yield 1
        try:
            await asyncio.sleep(9)
        finally:
            await inner.run(slow)

    stream = policy("outer", timeout=3).stream(items, pace=Pace(gap=1))
    with pytest.raises(DeadlineExceeded):
        assert [item async for item in stream] == [1]
    assert (now(), slow.cut) == (pytest.approx(3, abs=1e-4), 1)


async def test_a_sooner_deadline_than_that_of_the_call_around_it_counts():
    inner, slow = policy("inner", timeout=30), Dependency(9.0)
    ask = Ask(deadline=Deadline(1.0))
    outer = policy("outer")
    ended = await outer.outcome(lambda: inner.run(slow, ask), timeout=3)
    assert isinstance(ended.error, DeadlineExceeded)
    assert (now(), slow.cut) == (pytest.approx(1, abs=1e-4), 1)


async def test_what_is_cut_with_an_attempt_may_be_tried_again():
    """The deadline of the whole call is later: only the attempt around it ends."""
    inner, slow = policy("inner", timeout=30), Dependency(9.0, "quick")

    outer = policy("outer", timeout=20, attempt_timeout=1, retry=RetryConfig())
    assert await outer.run(lambda: inner.run(slow)) == "quick"


async def test_a_limit_of_its_own_that_ends_with_the_deadline_around_it_is_its_own():
    counts = []

    async def work():
        inner = policy("inner", timeout=30)
        counts.append(await timers_of(lambda: inner.run(Dependency("quick"), timeout=2)))

    await policy("outer", timeout=2).run(work)
    assert counts == [1]


async def test_a_probe_that_is_cut_with_the_call_around_it_is_leased_until_then():
    gate = CircuitBreaker("dep", clock=running_clock())
    calls(gate, 5, FAILED)
    await asyncio.sleep(60)
    assert gate.stats().state is State.OPEN
    await asyncio.sleep(10)
    inner = policy("inner", gates=[gate], timeout=5)
    probing = asyncio.create_task(
        policy("outer", timeout=20).outcome(lambda: inner.run(Dependency(12.0), timeout=30))
    )
    await asyncio.sleep(10)
    assert (gate.stats().state, gate.stats().probes) == (State.HALF_OPEN, 1)
    assert (await inner.outcome(Dependency("quick"))).error.gate == "dep"
    assert (await probing).ok
