"""A driver made an error of its own of an inherited deadline, and the dependency was blamed."""

import asyncio
import contextlib

import pytest

from koo.resilience import (
    Ask,
    BreakerConfig,
    CircuitBreaker,
    Deadline,
    Policy,
    RetryConfig,
    State,
)
from koo.testing import running_clock


class DriverError(Exception):
    """What a driver raises for a connection that was cut in the middle."""


def policy(name="dep", **parts):
    return Policy(name, clock=running_clock(), **parts)


def breaker():
    return CircuitBreaker("dep", BreakerConfig(failure_threshold=2), clock=running_clock())


async def cut(error=DriverError):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError as cancelled:
        raise error("closed in the middle of an operation") from cancelled


async def in_a_group(call):
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(call())


async def in_the_same_task(call):
    await call()


async def in_a_task_of_its_own(call):
    task = asyncio.create_task(call())
    try:
        await asyncio.shield(task)
    finally:
        await asyncio.gather(task, return_exceptions=True)


ways = pytest.mark.parametrize("within", [in_the_same_task, in_a_group, in_a_task_of_its_own])
errors = pytest.mark.parametrize("error", [DriverError, ConnectionResetError, TimeoutError])


@errors
@ways
@pytest.mark.parametrize("parts", [{}, {"attempt_timeout": 30}, {"timeout": 30}])
async def test_an_impatient_caller_blames_nobody(within, error, parts):
    gate = breaker()
    inner = policy("inner", gates=[gate], retry=RetryConfig(), **parts)
    for _ in range(4):
        with pytest.raises((error, TimeoutError, ExceptionGroup)):
            await policy("outer", timeout=0.5).run(
                lambda: within(lambda: inner.run(lambda: cut(error)))
            )
    assert gate.stats().state is State.CLOSED
    assert (gate.stats().failures, inner.stats().failures_total) == (0, 0)
    assert inner.stats().abandoned_total == (12 if within is in_a_group else 4)


@errors
async def test_a_deadline_in_the_ask_blames_nobody(error):
    gate = breaker()
    through = policy(gates=[gate])
    for _ in range(4):
        ask = Ask(deadline=Deadline(running_clock().monotonic() + 0.5))
        with pytest.raises(error):
            await through.run(lambda: cut(error), ask)
    assert (gate.stats().failures, through.stats().abandoned_total) == (0, 4)


async def test_the_layer_in_between_blames_nobody_either():
    """What it hears is the driver's word, before its own timer has fired."""
    gate = breaker()
    middle = policy("middle", gates=[gate])

    async def cut_by_an_inner_layer():
        await asyncio.sleep(0.5 - 1e-7)
        try:
            asyncio.current_task().cancel()
            await asyncio.sleep(0)
        except asyncio.CancelledError as cancelled:
            asyncio.current_task().uncancel()
            raise DriverError from cancelled

    for _ in range(4):
        ask = Ask(deadline=Deadline(running_clock().monotonic() + 0.5))
        with pytest.raises(DriverError):
            await middle.run(cut_by_an_inner_layer, ask)
    assert (gate.stats().failures, middle.stats().abandoned_total) == (0, 4)


async def test_a_group_of_what_is_late_and_what_was_cut_is_late():
    gate = breaker()
    through = policy(gates=[gate])

    async def work():
        async with asyncio.TaskGroup() as group:
            group.create_task(cut())
            group.create_task(cut(TimeoutError))

    ask = Ask(deadline=Deadline(running_clock().monotonic() + 0.5))
    with pytest.raises(ExceptionGroup):
        await through.run(work, ask)
    assert through.stats().abandoned_total == 1


async def cut_by_the_deadline():
    with pytest.raises(asyncio.CancelledError) as caught:
        await asyncio.sleep(60)
    error = DriverError()
    error.__context__ = caught.value
    return error


async def test_a_group_of_which_only_a_part_was_cut_is_late_if_the_rest_is():
    through = policy(gates=[breaker()])

    async def work():
        error = await cut_by_the_deadline()
        raise ExceptionGroup("both", [error, TimeoutError()])

    ask = Ask(deadline=Deadline(running_clock().monotonic() + 0.5))
    with pytest.raises(ExceptionGroup):
        await through.run(work, ask)
    assert through.stats().abandoned_total == 1


async def test_a_group_that_is_made_while_being_cut_is_late():
    through = policy(gates=[breaker()])

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as cancelled:
            raise ExceptionGroup("cut", [DriverError()]) from cancelled

    ask = Ask(deadline=Deadline(running_clock().monotonic() + 0.5))
    with pytest.raises(ExceptionGroup):
        await through.run(work, ask)
    assert through.stats().abandoned_total == 1


@errors
async def test_the_outer_policy_that_set_the_time_has_waited_in_vain(error):
    gate = breaker()
    through = policy(gates=[gate], timeout=0.5)
    for _ in range(2):
        with pytest.raises((error, TimeoutError)):
            await through.run(lambda: policy("inner").run(lambda: cut(error)))
    assert gate.stats().state is State.OPEN


async def test_a_limit_of_ones_own_is_still_the_dependencys_failure():
    """Even if the cleanup goes on until the inherited deadline has come as well."""
    gate = breaker()
    inner = policy("inner", gates=[gate], attempt_timeout=0.5)

    async def slow_to_leave():
        try:
            await cut(ValueError)
        except ValueError as late:
            await asyncio.sleep(0.2)
            raise DriverError from late

    for _ in range(2):
        ask = Ask(deadline=Deadline(running_clock().monotonic() + 0.6))
        with pytest.raises(DriverError):
            await inner.run(slow_to_leave, ask)
    assert gate.stats().state is State.OPEN


async def test_an_error_before_the_deadline_is_the_dependencys():
    gate = breaker()
    inner = policy("inner", gates=[gate])

    async def own_trouble():
        try:
            asyncio.current_task().cancel()
            await asyncio.sleep(1)
        except asyncio.CancelledError as cancelled:
            asyncio.current_task().uncancel()
            raise ConnectionResetError from cancelled

    for _ in range(2):
        ask = Ask(deadline=Deadline(running_clock().monotonic() + 9))
        with pytest.raises(ConnectionResetError):
            await inner.run(own_trouble, ask)
    assert gate.stats().state is State.OPEN


async def test_who_swallows_the_cancellation_and_then_fails_is_judged_by_the_error():
    """Nothing says any more that it was cut; a mistake of the caller's own blames nobody."""
    gate = breaker()
    through = policy(gates=[gate], attempt_timeout=0.5)

    async def deaf():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        raise LookupError

    for _ in range(3):
        with pytest.raises(LookupError):
            await through.run(deaf)
    assert gate.stats().state is State.CLOSED
