"""Async generators under a policy: the commit point, the permit, the clock."""

import asyncio
import gc

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded
from koo.resilience import (
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Limit,
    RateLimiter,
    RateLimiterConfig,
    current_attempt,
    current_deadline,
)
from koo.testing import running_clock

from .actors import QUICK, policy


@pytest.fixture
def gate():
    return CircuitBreaker("breaker")


class Source:
    """A stream that fails before or after some items, with an interval between them."""

    def __init__(self, *, items=3, fails_at=(), interval=0.0):
        self.items, self.fails_at, self.interval = items, list(fails_at), interval
        self.begun = self.closed = 0

    async def items_of(self):
        self.begun += 1
        fails_at = self.fails_at.pop(0) if self.fails_at else None
        try:
            for number in range(self.items):
                if self.interval:
                    await asyncio.sleep(self.interval)
                if number == fails_at:
                    raise OSError(f"at {number}")
                yield number
        finally:
            self.closed += 1


def streamed(source, **parts):
    """The function that streams *source* under a policy with these *parts*."""
    through = policy(**parts)
    stream = through(source.items_of)
    stream.policy = through
    return stream


async def drain(items, seen, pause=0.0):
    """Read into *seen*, with a *pause* after each."""
    async for item in items:
        seen.append(item)
        await asyncio.sleep(pause)


async def test_a_stream_gives_its_items_and_is_settled_at_its_end(gate):
    seen = []
    async for item in streamed(Source(), gates=[gate])():
        assert gate.stats().outcomes == 0
        seen.append(item)
    assert seen == [0, 1, 2]
    assert (gate.stats().outcomes, gate.stats().failures) == (1, 0)


async def test_a_stream_that_fails_before_its_first_item_is_begun_again(gate):
    source = Source(fails_at=[0, 0])
    seen = [item async for item in streamed(source, gates=[gate], retry=QUICK)()]
    assert (seen, source.begun, source.closed) == ([0, 1, 2], 3, 3)
    assert (gate.stats().outcomes, gate.stats().failures) == (3, 2)


async def test_a_stream_that_fails_after_its_first_item_is_not_begun_again(gate):
    """What was sent can't be unsent: the consumer must never see an item twice."""
    source, seen = Source(fails_at=[2]), []
    with pytest.raises(OSError, match="at 2"):
        await drain(streamed(source, gates=[gate], retry=QUICK)(), seen)
    assert (seen, source.begun) == ([0, 1], 1)
    assert (gate.stats().outcomes, gate.stats().failures) == (1, 1)


async def test_an_error_after_the_first_item_keeps_its_cause():
    cause = LookupError("deeper")

    @policy(retry=QUICK)
    async def stream():
        yield 1
        raise OSError("mine") from cause

    with pytest.raises(OSError, match="mine") as caught:
        [item async for item in stream()]
    assert caught.value.__cause__ is cause


async def test_a_stream_that_is_given_up_before_its_first_item_raises_the_last_error():
    source = Source(fails_at=[0, 0, 0])
    with pytest.raises(OSError, match="at 0") as caught:
        [item async for item in streamed(source, retry=QUICK)()]
    assert source.begun == 3
    assert caught.value.__notes__ == ["dep: gave up after 3 attempts"]


async def test_an_empty_stream_is_a_success(gate):
    assert [item async for item in streamed(Source(items=0), gates=[gate])()] == []
    assert (gate.stats().outcomes, gate.stats().failures) == (1, 0)


async def test_a_stream_is_debited_what_it_asked_for():
    clock = running_clock()
    limits = RateLimiter("limiter", RateLimiterConfig((Limit(9, 60),)), clock=clock)
    money = DailyBudget("money", DailyBudgetConfig(100), clock=clock)
    assert [item async for item in streamed(Source(), gates=[limits, money])()] == [0, 1, 2]
    assert limits.stats().windows[0].used == 1
    assert (money.stats().spent_nanousd, money.stats().reserved_nanousd) == (0, 0)


async def test_a_refused_stream_is_not_begun(gate):
    gate.isolate("by hand")
    source = Source()
    with pytest.raises(CircuitOpen):
        [item async for item in streamed(source, gates=[gate])()]
    assert source.begun == 0


async def test_a_consumer_that_goes_away_abandons(gate):
    bulkhead = Bulkhead("bulkhead", BulkheadConfig(1), clock=running_clock())
    source = Source()
    stream = streamed(source, gates=[gate, bulkhead])
    items = stream()
    async for _ in items:
        assert bulkhead.stats().in_flight == 1
        break
    await items.aclose()
    assert (source.closed, bulkhead.stats().in_flight) == (1, 0)
    assert gate.stats().outcomes == 0
    assert stream.policy.stats().abandoned_total == 1


async def test_a_consumer_that_forgets_its_stream_abandons_too(gate):
    bulkhead = Bulkhead("bulkhead", BulkheadConfig(1), clock=running_clock())
    items = streamed(Source(), gates=[gate, bulkhead])()
    await anext(items)
    del items
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    assert bulkhead.stats().in_flight == 0
    assert gate.stats().outcomes == 0


async def test_a_consumer_that_is_cancelled_while_it_waits_for_an_item_abandons(gate):
    async def consume():
        async for _ in streamed(Source(interval=1.0), gates=[gate])():
            pass

    task = asyncio.create_task(consume())
    await asyncio.sleep(1.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.stats().outcomes == 0


async def test_a_stream_that_takes_too_long_is_a_failure_that_trips(gate):
    seen = []
    with pytest.raises(DeadlineExceeded):
        await drain(streamed(Source(interval=1.0), gates=[gate], attempt_timeout=2.5)(), seen)
    assert seen == [0, 1]
    assert running_clock().monotonic() == pytest.approx(2.5, abs=1e-3)
    assert (gate.stats().outcomes, gate.stats().failures) == (1, 1)


async def test_a_stream_that_takes_too_long_to_begin_is_begun_again():
    slow = [9.0, 1.0]

    @policy(attempt_timeout=2.5, retry=QUICK)
    async def stream():
        await asyncio.sleep(slow.pop(0))
        yield 1

    assert [item async for item in stream()] == [1]


async def test_a_slow_consumer_is_not_the_streams_fault(gate):
    """The clock of the attempt stands still while the consumer has the item."""
    seen = []
    await drain(streamed(Source(interval=1.0), gates=[gate], attempt_timeout=4)(), seen, pause=60)
    assert seen == [0, 1, 2]
    assert (gate.stats().outcomes, gate.stats().failures) == (1, 0)


async def test_the_time_of_all_items_together_is_one_attempts():
    seen = []
    with pytest.raises(DeadlineExceeded):
        await drain(streamed(Source(items=9, interval=1.0), attempt_timeout=3.5)(), seen, pause=60)
    assert seen == [0, 1, 2]


async def test_a_slow_consumers_time_is_not_in_the_latency():
    stream = streamed(Source(interval=1.0))
    await drain(stream(), [], pause=60)
    assert stream.policy.stats().latency.total == pytest.approx(3)


async def test_a_deadline_that_the_consumer_used_up_is_not_the_streams_fault(gate):
    seen = []
    with pytest.raises(DeadlineExceeded):
        await drain(streamed(Source(interval=1.0), gates=[gate], timeout=30)(), seen, pause=60)
    assert seen == [0]
    assert gate.stats().outcomes == 0


async def test_a_deadline_that_the_consumer_used_up_to_its_last_moment_is_not_the_streams_fault(
    gate,
):
    @policy(gates=[gate], timeout=5)
    async def items():
        yield 1
        await asyncio.sleep(99)

    stream = items()
    await anext(stream)
    await asyncio.sleep(5)
    with pytest.raises(DeadlineExceeded):
        await anext(stream)
    assert gate.stats().outcomes == 0


async def test_a_stream_sees_its_deadline_and_its_consumer_does_not():
    inside, outside = [], []

    @policy(timeout=30)
    async def stream():
        for _ in range(2):
            inside.append((current_deadline().at, current_attempt()))
            yield 1

    items = stream()
    while await anext(items, None):
        outside.append(current_deadline())
    assert (inside, outside) == ([(30, 1)] * 2, [None] * 2)


async def test_a_stream_may_be_read_by_one_task_after_another():
    items = streamed(Source(interval=1.0), timeout=30)()
    seen = [await asyncio.create_task(anext(items)) for _ in range(3)]
    assert seen == [0, 1, 2]
    await items.aclose()


async def test_a_teardown_that_raises_does_not_keep_the_permit(gate):
    bulkhead = Bulkhead("bulkhead", BulkheadConfig(1), clock=running_clock())

    async def broken():
        raise LookupError("in the teardown")

    @policy(gates=[bulkhead])
    async def stream():
        try:
            yield 1
        finally:
            await broken()

    items = stream()
    await anext(items)
    with pytest.raises(LookupError):
        await items.aclose()
    gc.disable()
    try:
        assert bulkhead.stats().in_flight == 0
    finally:
        gc.enable()


async def test_a_permit_is_kept_until_the_teardown_is_over():
    bulkhead = Bulkhead("bulkhead", BulkheadConfig(1), clock=running_clock())
    held = []

    @policy(gates=[bulkhead])
    async def stream():
        try:
            yield 1
        finally:
            held.append(bulkhead.stats().in_flight)

    items = stream()
    await anext(items)
    await items.aclose()
    assert held == [1]
    assert bulkhead.stats().in_flight == 0
