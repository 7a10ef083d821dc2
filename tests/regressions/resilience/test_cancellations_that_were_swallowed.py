"""A cancellation that an operation had swallowed was forgotten when our own timeout came.

The call was begun again, as often as its retries went, and a breaker heard of a failure. On
CPython 3.11 and 3.12 it can't be told from what a TaskGroup has left; that it is begun again, can.
"""

import asyncio
from contextlib import suppress

import pytest

from koo.errors import DeadlineExceeded
from koo.resilience import CircuitBreaker, Failure
from koo.resilience.policy import blame, call

from ...resilience.policy.actors import QUICK, policy, started


class Deaf:
    """Swallows the first cancellation and goes on for long."""

    def __init__(self):
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.5)
        await asyncio.sleep(9)


async def by_run(through, operation):
    await through.run(operation)


async def by_loop(through, operation):
    async for attempt in through:
        async with attempt:
            await operation()


async def by_stream(through, operation):
    @through
    async def items():
        await operation()
        yield "never"

    await anext(items())


FORMS = pytest.mark.parametrize("form", [by_run, by_loop, by_stream])
#: An end that calls share, and one that is a call's own.
LIMITS = pytest.mark.parametrize("parts", [{}, {"timeout": 60}, {"timeout": 2.5}])


@pytest.fixture
def gate():
    return CircuitBreaker("dep")


@pytest.fixture
def operation():
    return Deaf()


async def cancelled_early(form, through, operation):
    task = await started(form(through, operation))
    await asyncio.sleep(0.1)
    task.cancel()
    (error,) = await asyncio.gather(task, return_exceptions=True)
    return error


@pytest.fixture
def groups_leave_a_count(monkeypatch, request):
    for module in (call, blame):
        monkeypatch.setattr(module, "GROUPS_LEAVE_A_COUNT", request.param)


@FORMS
@LIMITS
@pytest.mark.parametrize("groups_leave_a_count", [True, False], indirect=True)
@pytest.mark.usefixtures("groups_leave_a_count")
async def test_who_was_cancelled_is_not_begun_again(form, parts, gate, operation):
    through = policy(gates=[gate], attempt_timeout=1, retry=QUICK, **parts)
    await cancelled_early(form, through, operation)
    assert (operation.calls, through.stats().retries_total) == (1, 0)


@FORMS
@LIMITS
@pytest.mark.parametrize("groups_leave_a_count", [False], indirect=True)
@pytest.mark.usefixtures("groups_leave_a_count")
async def test_where_a_count_can_only_be_the_callers_it_ends_as_cancelled(
    form, parts, gate, operation
):
    through = policy(gates=[gate], attempt_timeout=1, retry=QUICK, **parts)
    error = await cancelled_early(form, through, operation)
    assert isinstance(error, asyncio.CancelledError)
    assert (gate.stats().outcomes, through.stats().abandoned_total) == (0, 1)


@FORMS
@LIMITS
@pytest.mark.parametrize("groups_leave_a_count", [False], indirect=True)
@pytest.mark.usefixtures("groups_leave_a_count")
async def test_there_it_is_not_begun_again_after_an_error_either(form, parts, gate):
    calls = []

    async def swallow_and_fail():
        calls.append(1)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.5)
        raise ConnectionResetError

    through = policy(gates=[gate], attempt_timeout=1, retry=QUICK, **parts)
    error = await cancelled_early(form, through, swallow_and_fail)
    assert isinstance(error, ConnectionResetError)
    assert (len(calls), gate.stats().failures) == (1, 1)


@pytest.mark.parametrize("groups_leave_a_count", [True], indirect=True)
@pytest.mark.usefixtures("groups_leave_a_count")
async def test_where_it_may_be_a_groups_the_error_says_why_it_is_not_tried_again(operation):
    through = policy(attempt_timeout=1, retry=QUICK)
    error = await cancelled_early(by_run, through, operation)
    assert isinstance(error, DeadlineExceeded)
    assert "dep: no retry; the call may have been cancelled" in error.__notes__


@pytest.mark.parametrize("groups_leave_a_count", [True], indirect=True)
@pytest.mark.usefixtures("groups_leave_a_count")
async def test_a_block_that_says_that_it_has_failed_is_not_begun_again_either(operation):
    async def by_hand(through, operation):
        async for attempt in through:
            async with attempt:
                with suppress(asyncio.CancelledError):
                    await operation()
                attempt.settle(Failure(retryable=True, trips=True))

    through = policy(attempt_timeout=1, retry=QUICK)
    await cancelled_early(by_hand, through, operation)
    assert operation.calls == 1


async def test_who_was_not_cancelled_is_begun_again(operation):
    through = policy(attempt_timeout=1, retry=QUICK, timeout=60)

    async def hang():
        operation.calls += 1
        await asyncio.sleep(9)

    with pytest.raises(DeadlineExceeded):
        await through.run(hang)
    assert operation.calls == 3
