"""A loop whose body caught what its attempt raised spun for ever after a refusal."""

import asyncio

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded
from koo.resilience import (
    Ask,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Failure,
    Permit,
    Policy,
    RetryConfig,
)
from koo.testing import running_clock

#: More turns than any loop here has attempts.
TURNS = 20


def _policy(retries=2, **parts):
    return Policy(
        "dep", retry=RetryConfig(max_retries=retries), clock=running_clock(), timeout=600, **parts
    )


def _shut():
    gate = CircuitBreaker("gate", clock=running_clock())
    gate.isolate("by hand")
    return gate


async def _caught(attempts, work, after=lambda: None):
    """What each turn raised, in a loop whose body catches it and goes on."""
    raised, numbers = [], []
    async for attempt in attempts:
        if len(raised) == TURNS:
            break
        try:
            async with attempt:
                await work()
        except Exception as error:  # noqa: BLE001 - as a body that uses its cache instead
            raised.append(error)
        numbers.append(attempt.number)
        after()
    assert numbers == list(range(1, len(numbers) + 1))
    return [type(error) for error in raised]


async def _fails():
    raise OSError


async def test_a_loop_ends_after_a_refusal_that_its_body_catches():
    through = _policy(gates=[_shut()])
    assert await _caught(through, _fails) == [CircuitOpen]
    assert through.stats().calls_total == through.stats().rejected_total == 1


async def test_a_loop_ends_after_a_refusal_inside_that_its_body_catches():
    through, inner = _policy(), _policy(gates=[_shut()])
    assert await _caught(through, lambda: inner.run(_fails)) == [CircuitOpen]
    assert through.stats().calls_total == 1


async def test_a_loop_ends_when_there_is_too_little_time_and_its_body_catches_that():
    through = _policy()
    assert await _caught(through.asking(Ask(), timeout=0), _fails) == [DeadlineExceeded]
    assert through.stats().calls_total == 1


async def test_a_loop_makes_no_attempt_more_because_a_later_one_was_refused():
    gate = Bulkhead("gate", BulkheadConfig(1), clock=running_clock())
    through, sent, held = _policy(1, gates=[gate], patience=0), [], []

    async def fails():
        sent.append(1)
        raise OSError

    def somebody_comes_or_goes():
        if held:
            held.pop().cancel()
        elif isinstance(permit := gate.admit(Ask()), Permit):
            held.append(permit)

    assert await _caught(through, fails, after=somebody_comes_or_goes) == [OSError]
    assert len(sent) == 1
    assert through.stats().calls_total == 1


async def test_a_loop_ends_after_its_last_failure_that_its_body_catches():
    through = _policy()
    assert await _caught(through, _fails) == [OSError]
    assert through.stats().attempts_total == 3


async def test_a_loop_whose_body_never_enters_an_attempt_ends_and_was_no_call():
    through = _policy()
    turns = [attempt async for attempt in through]
    assert len(turns) == 1
    del turns
    assert through.stats().calls_total == 0


@pytest.mark.parametrize("leave", ["break", "pass over"])
async def test_a_loop_that_is_left_before_its_next_attempt_is_a_call_that_was_given_up(leave):
    through = _policy()

    async def loop():
        async for attempt in through:
            if attempt.number == 2:
                if leave == "break":
                    break
                continue
            async with attempt:
                raise OSError

    for number in (1, 2):
        await loop()
        stats = through.stats()
        assert (stats.calls_total, stats.abandoned_total) == (number, number)
        assert (stats.attempts_total, stats.retries_total) == (number, 0)


async def test_a_loop_that_is_left_after_its_attempt_is_counted_once():
    through = _policy()

    async def loop():
        async for attempt in through:
            async with attempt:
                if attempt.number == 1:
                    raise OSError
            if attempt.number == 2:
                return

    await loop()
    assert (through.stats().calls_total, through.stats().successes_total) == (1, 1)


async def test_a_number_stays_that_of_its_attempt():
    told, through = [], _policy()
    async for attempt in through:
        async with attempt:
            attempt.settle(Failure(retryable=True, trips=True))
        told.append(attempt.number)
    assert told == [1, 2, 3]


async def test_whoever_goes_away_between_two_attempts_is_counted_once():
    through = _policy()

    async def loop():
        async for attempt in through:
            async with attempt:
                raise OSError

    caller = asyncio.create_task(loop())
    await asyncio.sleep(1e-6)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    del caller
    assert (through.stats().calls_total, through.stats().abandoned_total) == (1, 1)
