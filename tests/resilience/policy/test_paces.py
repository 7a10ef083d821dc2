"""Streams with a pace of their own: the first item, each gap, the whole; and what they spent."""

import asyncio

import pytest

from koo.errors import DeadlineExceeded, RateLimited
from koo.resilience import (
    Ask,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Deadline,
    Limit,
    Pace,
    RateLimiter,
    RateLimiterConfig,
    Spent,
    Success,
)
from koo.testing import running_clock

from .actors import QUICK, policy


def items(*waits):
    """A function that makes a stream: an item after each wait, numbered from 1."""

    async def stream():
        for number, wait in enumerate(waits, 1):
            await asyncio.sleep(wait)
            yield number

    return stream


async def read(stream, pause=0.0):
    """What came, and the error that ended it; with a *pause* after each item."""
    seen = []
    try:
        async for item in stream:
            seen.append(item)
            await asyncio.sleep(pause)
    except DeadlineExceeded as error:
        return seen, error
    return seen, None


@pytest.fixture
def gate():
    return CircuitBreaker("breaker")


async def test_a_stream_may_last_as_long_as_no_gap_is_too_long():
    through = policy(attempt_timeout=2)
    assert await read(through.stream(items(*[1.5] * 50), pace=Pace(gap=2))) == (
        list(range(1, 51)),
        None,
    )


async def test_a_gap_that_is_too_long_is_a_failure_at_its_own_time(gate):
    through = policy(gates=[gate], timeout=60)
    seen, error = await read(through.stream(items(1, 1, 50), pace=Pace(gap=3)))
    assert (seen, type(error)) == ([1, 2], DeadlineExceeded)
    assert running_clock().monotonic() == pytest.approx(5, abs=1e-3)
    assert (gate.stats().outcomes, gate.stats().failures) == (1, 1)


async def test_a_gap_begins_when_the_item_is_asked_for():
    through = policy()
    assert (await read(through.stream(items(1, 1, 1), pace=Pace(gap=2)), pause=30))[0] == [1, 2, 3]


async def test_the_gap_does_not_bound_the_first_item():
    assert await read(policy().stream(items(30, 1), pace=Pace(gap=2))) == ([1, 2], None)


async def test_an_attempt_has_its_time_only_until_the_first_item():
    slow = [9.0, 1.0]

    async def stream():
        await asyncio.sleep(slow.pop(0))
        yield 1
        await asyncio.sleep(9)
        yield 2

    through = policy(attempt_timeout=2.5, retry=QUICK)
    assert await read(through.stream(stream, pace=Pace(gap=10))) == ([1, 2], None)


async def test_the_first_item_must_come_in_time_whatever_the_attempts(gate):
    """Attempts of 2 s, a backoff of at most 1 s: the second is cut at 3.5 s."""
    through = policy(gates=[gate], timeout=60, attempt_timeout=2, retry=QUICK)
    seen, error = await read(through.stream(items(50), pace=Pace(gap=9, first=3.5)))
    assert (seen, type(error)) == ([], DeadlineExceeded)
    assert running_clock().monotonic() == pytest.approx(3.5, abs=1e-2)
    assert (gate.stats().outcomes, gate.stats().failures) == (2, 2)


async def test_the_line_counts_against_the_first_item():
    limits = RateLimiterConfig((Limit(1, 60.0),))
    limiter = RateLimiter("limiter", limits, clock=running_clock())
    through = policy(gates=[limiter], timeout=90)
    assert await read(through.stream(items(0), pace=Pace(gap=9))) == ([1], None)
    with pytest.raises(RateLimited):
        await read(through.stream(items(0), pace=Pace(gap=9, first=5)))
    assert running_clock().monotonic() <= 5


async def test_after_the_first_item_the_whole_time_counts_again():
    through = policy(timeout=10)
    seen, _ = await read(through.stream(items(1, *[2] * 9), pace=Pace(gap=9, first=3)))
    assert seen == [1, 2, 3, 4, 5]
    assert running_clock().monotonic() == pytest.approx(10, abs=1e-3)


async def test_a_stream_without_any_other_time_still_has_its_first_items():
    seen, error = await read(policy().stream(items(9), pace=Pace(gap=1, first=2)))
    assert (seen, type(error)) == ([], DeadlineExceeded)


async def test_a_first_item_later_than_the_deadline_is_the_deadlines_business():
    _, error = await read(policy(timeout=2).stream(items(9), pace=Pace(gap=1, first=20)))
    assert type(error) is DeadlineExceeded
    assert running_clock().monotonic() == pytest.approx(2, abs=1e-3)


async def test_a_callers_deadline_after_the_first_item_is_not_the_streams_fault(gate):
    inner = policy(gates=[gate])

    async def consume():
        async for _ in inner.stream(items(1, 9), pace=Pace(gap=60, first=2)):
            pass

    with pytest.raises(DeadlineExceeded):
        await policy(timeout=4).run(consume)
    assert gate.stats().outcomes == 0


async def test_the_first_item_in_time_is_our_own_setting_inside_a_callers_deadline(gate):
    inner = policy(gates=[gate])

    async def consume():
        async for _ in inner.stream(items(9), pace=Pace(gap=60, first=2)):
            pass

    with pytest.raises(DeadlineExceeded):
        await policy(timeout=4).run(consume)
    assert (gate.stats().outcomes, gate.stats().failures) == (1, 1)


async def test_the_timeout_of_one_stream_replaces_the_policys():
    through = policy(timeout=60)
    _, error = await read(through.stream(items(1, 9), timeout=3, pace=Pace(gap=9)))
    assert type(error) is DeadlineExceeded
    assert running_clock().monotonic() == pytest.approx(3, abs=1e-3)


@pytest.mark.parametrize("wrong", [{"gap": 0}, {"gap": 1, "first": 0}])
def test_a_pace_that_nothing_could_keep_is_refused(wrong):
    with pytest.raises(ValueError, match="^Pace: gap and first must be above 0 seconds$"):
        Pace(**wrong)


def budgeted(**parts):
    """A budget of 100 and a policy before it that appraises an item by its own number."""
    budget = DailyBudget("budget", DailyBudgetConfig(100), clock=running_clock())
    return budget, policy(gates=[budget], appraise=lambda item: Success(Spent(1, 0, item)), **parts)


async def test_the_last_item_says_what_was_spent():
    budget, through = budgeted()
    stream = through.stream(items(1, 1, 1), Ask(1, 0, 40))
    assert await anext(stream) == 1
    assert (budget.stats().reserved_nanousd, budget.stats().spent_nanousd) == (40, 0)
    assert [item async for item in stream] == [2, 3]
    assert (budget.stats().reserved_nanousd, budget.stats().spent_nanousd) == (0, 3)


@pytest.mark.parametrize("waits", [(), (1, 99)])
async def test_a_stream_of_which_nobody_knows_costs_all_that_was_reserved(waits):
    budget, through = budgeted(timeout=5)
    await read(through.stream(items(*waits), Ask(1, 0, 40)))
    assert (budget.stats().reserved_nanousd, budget.stats().spent_nanousd) == (0, 40)


async def test_a_stream_that_is_left_costs_all_that_was_reserved():
    budget, through = budgeted()
    stream = through.stream(items(1, 1), Ask(1, 0, 40))
    await anext(stream)
    await stream.aclose()
    assert (budget.stats().reserved_nanousd, budget.stats().spent_nanousd) == (0, 40)


async def test_a_stream_that_was_never_asked_for_reserves_nothing():
    budget, through = budgeted()
    stream = through.stream(items(1), Ask(1, 0, 40))
    assert budget.stats().reserved_nanousd == 0
    await stream.aclose()
    assert budget.stats().spent_nanousd == 0


async def test_a_first_item_that_has_as_long_as_the_caller_allows_is_the_callers_business(gate):
    stream = policy(gates=[gate]).stream(
        items(9), Ask(deadline=Deadline(2)), pace=Pace(gap=1, first=2)
    )
    _, error = await read(stream)
    assert error.deadline_at == 2
    assert gate.stats().outcomes == 0
