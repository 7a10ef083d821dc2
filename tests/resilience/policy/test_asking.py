"""The decorator and the loop for calls that ask for more than one request."""

import pytest

from koo.resilience import Ask, DailyBudget, DailyBudgetConfig, Deadline
from koo.testing import FakeClock

from .actors import QUICK, Dependency, policy

TEN_CENTS = Ask(nanousd=100_000_000)


@pytest.fixture
def purse():
    return DailyBudget("purse", DailyBudgetConfig(1_000_000_000), clock=FakeClock())


async def test_a_decorated_function_asks_for_what_it_was_told_to(purse):
    @policy(gates=[purse]).asking(TEN_CENTS)
    async def paint(what):
        assert purse.stats().reserved_nanousd == 100_000_000
        return what

    assert [await paint("a"), await paint("b")] == ["a", "b"]
    assert purse.stats().spent_nanousd == 200_000_000


async def test_a_decorated_generator_asks_for_what_it_was_told_to(purse):
    @policy(gates=[purse]).asking(TEN_CENTS)
    async def paint(count):
        for number in range(count):
            assert purse.stats().reserved_nanousd == 100_000_000
            yield number

    assert [stroke async for stroke in paint(3)] == [0, 1, 2]
    assert purse.stats().spent_nanousd == 100_000_000


async def test_each_attempt_of_a_loop_asks_anew(purse):
    script = [OSError(), None]
    async for attempt in policy(gates=[purse], retry=QUICK).asking(TEN_CENTS):
        async with attempt:
            assert purse.stats().reserved_nanousd == 100_000_000
            if error := script.pop(0):
                raise error
    assert purse.stats().spent_nanousd == 200_000_000


async def test_who_asks_for_more_may_take_another_time():
    through = policy(timeout=1).asking(Ask(), timeout=3)
    assert await through(Dependency(2.0).__call__)() == "late"
    async for attempt in through:
        async with attempt:
            assert attempt.deadline == Deadline(5)


async def test_what_is_asked_in_the_same_words_is_counted_call_by_call():
    through = policy()
    asking = through.asking(Ask(tokens=1))
    for _ in range(3):
        async for attempt in asking:
            async with attempt:
                pass
    assert through.stats().calls_total == 3


async def test_a_function_that_is_not_async_cannot_ask_for_more_either():
    with pytest.raises(TypeError, match="is not async; decorate an async function"):
        policy().asking(Ask())(print)
