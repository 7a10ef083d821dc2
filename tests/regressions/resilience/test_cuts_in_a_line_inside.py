"""Who was cut off by a policy's own timeout, while a line inside kept it waiting, failed the gates.

Nothing had been sent. What knows of such a line says so by the cause of the cancellation.
"""

import asyncio

import pytest

from koo.errors import DeadlineExceeded, KooError, Saturated
from koo.resilience import CallRejected, CircuitBreaker, Policy, RetryConfig
from koo.testing import running_clock


def made(**parts):
    clock = running_clock()
    breaker = CircuitBreaker("orders", clock=clock)
    return Policy("orders", gates=[breaker], timeout=5.0, clock=clock, **parts), breaker


async def waiting(cause):
    """What a line inside does with a caller who is cut off."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError as cut:
        cut.__cause__ = cause
        raise


async def test_the_caller_gets_the_refusal_and_the_gates_their_permits():
    policy, breaker = made(retry=RetryConfig(max_retries=3))
    refusal = Saturated("inside")
    with pytest.raises(Saturated) as raised:
        await policy.run(lambda: waiting(refusal))
    assert raised.value is refusal
    assert breaker.stats().outcomes == 0
    assert policy.stats().rejected_total == 1


async def test_any_other_cause_says_nothing():
    policy, breaker = made()
    with pytest.raises(DeadlineExceeded):
        await policy.run(lambda: waiting(KooError("something else")))
    assert breaker.stats().failures == 1


async def test_an_earlier_failure_is_what_the_caller_gets():
    policy, breaker = made(retry=RetryConfig(max_retries=1))
    answers = [ConnectionError("the first attempt"), Saturated("inside")]

    async def work():
        answer = answers.pop(0)
        if isinstance(answer, ConnectionError):
            raise answer
        await waiting(answer)

    with pytest.raises(ConnectionError) as raised:
        await policy.run(work)
    assert "orders: no further attempt" in raised.value.__notes__[-1]
    assert breaker.stats().failures == 1


async def test_the_refusal_is_told():
    events = []
    policy, _ = made(on_event=events.append)
    with pytest.raises(Saturated):
        await policy.run(lambda: waiting(Saturated("inside")))
    assert events == [CallRejected("orders", "inside", "too many calls at once", None)]
