"""A client library cancels the replies that it has lost; that ended the calling task as cancelled.

``outcome()`` raised, a breaker heard of nothing, and a probe decided nothing.
"""

import asyncio
import types
from functools import partial

import pytest

from koo.errors import CircuitOpen, KooError
from koo.resilience import BreakerConfig, CircuitBreaker, Failure, Policy, State

from ...resilience.policy.actors import QUICK, policy, started

SAYS = "dep: something that the operation waited for was cancelled, and not by its caller"


@pytest.fixture
def gate():
    return CircuitBreaker("dep", BreakerConfig(failure_threshold=3))


async def lost():
    """A reply that will not come."""
    reply = asyncio.get_running_loop().create_future()
    reply.cancel()
    await reply


async def looped(through):
    async for attempt in through:
        async with attempt:
            await lost()


@pytest.mark.parametrize("parts", [{}, {"timeout": 5}, {"timeout": 5, "retry": QUICK}])
async def test_it_is_a_failure_and_no_cancellation(gate, parts):
    through = policy(gates=[gate], **parts)
    for _ in range(3):
        outcome = await through.outcome(lost)
        assert str(outcome.error).startswith(SAYS)
        assert isinstance(outcome.error.__cause__, asyncio.CancelledError)
        assert outcome.attempts == 1
    assert gate.stats().state is State.OPEN
    assert (through.stats().failures_total, through.stats().abandoned_total) == (3, 0)
    assert asyncio.current_task().cancelling() == 0


async def test_every_form_says_so(gate):
    through = policy(gates=[gate])

    async def items():
        yield 1
        await lost()

    with pytest.raises(KooError, match="not by its caller"):
        async with through.permit():
            await lost()
    with pytest.raises(KooError, match="not by its caller"):
        await looped(through)
    with pytest.raises(KooError, match="not by its caller"):
        [item async for item in through.stream(items)]
    with pytest.raises(CircuitOpen):
        await through.run(lost)


async def test_two_policies_around_it_count_one_failure_each(gate):
    outer = policy("outer", gates=[CircuitBreaker("outer")], retry=QUICK)
    outcome = await outer.outcome(partial(policy(gates=[gate], retry=QUICK).run, lost))
    assert str(outcome.error).startswith(SAYS)
    assert outcome.attempts == 1
    assert [each.stats().failures for each in (gate, *outer.gates)] == [1, 1]


async def test_a_classifier_may_have_it_tried_again(gate):
    def classify(error):
        return Failure(retryable=isinstance(error.__cause__, asyncio.CancelledError), trips=False)

    through = policy(gates=[gate], classify=classify, retry=QUICK)
    assert (await through.outcome(lost)).attempts == 3
    assert (gate.stats().outcomes, gate.stats().failures) == (3, 0)


async def test_a_callers_cancellation_is_still_the_callers(gate):
    async def lose_then_wait():
        try:
            await asyncio.sleep(9)
        finally:
            await lost()

    for operation in (partial(asyncio.sleep, 9), lose_then_wait):
        task = await started(policy(gates=[gate]).outcome(operation))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert gate.stats().outcomes == 0


@types.coroutine
def pause():
    yield


def test_outside_of_any_task_whoever_drives_the_call_has_cancelled_it(gate):
    call = Policy("dep", gates=[gate]).run(pause)
    call.send(None)
    with pytest.raises(asyncio.CancelledError):
        call.throw(asyncio.CancelledError())
    assert gate.stats().outcomes == 0


async def test_outside_of_a_task_nobody_has_cancelled():
    through, raised = policy(), []

    async def mends():
        try:
            await lost()
        except asyncio.CancelledError:
            raise ValueError from None

    def drive(call):
        try:
            call.send(None)
        except ValueError as error:
            raised.append(error)

    asyncio.get_running_loop().call_soon(drive, through.run(mends))
    await asyncio.sleep(0)
    assert len(raised) == 1
    assert (through.stats().failures_total, through.stats().abandoned_total) == (1, 0)
