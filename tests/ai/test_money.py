"""The day's budget can't be passed, and no money is lost or counted twice."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from koo.ai import NOTHING, Completion, Estimate, Prompt, Times, Usage
from koo.errors import (
    BudgetExhausted,
    ExternalServiceError,
    ServiceRejected,
    ServiceUnavailableError,
)
from koo.resilience import Health, RetryConfig
from koo.testing import After, ScriptedProvider, cancel_at_every_await, running_clock

from .conftest import PRICES

MICRO = 1000  # A token in costs a thousand micro-dollars, a token out two thousand.


def _answer(used_in, used_out):
    return Completion("x", "m", "stop", Usage(used_in, used_out))


async def _tell(call):
    try:
        return await call
    except ExternalServiceError as error:
        return error


async def test_two_hundred_calls_at_once_cannot_pass_the_budget(serve, own_price):
    """A budget of four worst cases, calls that cost 0.8 of theirs: never above, at least four."""
    worst = 10 * 10**6 + 10 * 2 * 10**6
    provider = ScriptedProvider(then=After(0.2, _answer(10, 7)))
    service = serve(
        provider,
        **own_price,
        daily_budget_nanousd=4 * worst,
        requests_per_minute=10_000,
        requests_per_hour=10_000,
    )
    calls = (
        _tell(service.query(Prompt("ten bytes.", max_tokens=10), timeout=5)) for _ in range(200)
    )
    answers = await asyncio.gather(*calls)
    spent = service.report().value("budget.spent")
    assert spent == len(provider.requests) * 24 * 10**6
    assert spent <= 4 * worst
    assert answers.count("x") == len(provider.requests) >= 4
    refused = [answer for answer in answers if answer != "x"]
    assert all(isinstance(error, ServiceRejected) for error in refused)
    assert all(isinstance(error.__cause__, BudgetExhausted) for error in refused)
    assert service.report().value("budget.reserved") == 0


async def test_a_call_waits_for_money_in_flight(serve, own_price):
    provider = ScriptedProvider(After(2.0, _answer(1, 1)), then=_answer(1, 1))
    service = serve(provider, **own_price, daily_budget_nanousd=25 * 10**6)
    first = asyncio.create_task(service.query(Prompt("a", max_tokens=10)))
    await asyncio.sleep(0)
    assert service.report().value("budget.reserved") == 21 * 10**6
    assert await service.query(Prompt("b", max_tokens=10)) == "x"
    assert running_clock().monotonic() == pytest.approx(2.0)
    await first


async def test_a_call_larger_than_the_budget_is_refused_at_once(serve, own_price):
    provider = ScriptedProvider()
    service = serve(provider, **own_price, daily_budget_nanousd=10**6)
    with pytest.raises(ServiceRejected, match="daily budget exhausted"):
        await service.query("abc")
    assert provider.requests == []
    assert service.report().value("errors_total", kind="budget_exhausted") == 1


async def _query(service, timeout):
    await service.query(Prompt("a", max_tokens=10), timeout=timeout)


async def _stream(service, timeout):
    async for _ in service.stream(Prompt("a", max_tokens=10), times=Times(timeout)):
        pass


async def _permit(service, timeout):
    estimate = Estimate(input_tokens=1, output_tokens=10)
    async with service.permit(estimate, timeout=timeout) as call:
        await asyncio.sleep(1)
        call.settle(Usage(1, 1))


#: From then on this model costs twice as much.
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
GEMINI = "gemini-3.8-flash"


@pytest.mark.parametrize("ask", [_query, _stream, _permit])
async def test_the_dearest_price_until_the_deadline_is_reserved(serve, ask):
    """Half a minute before a price rises: of a call that can last as long, twice as much."""
    price = PRICES.find("google", GEMINI, "")
    clock = running_clock()
    clock.step_wall(NEW_YEAR - 30 - clock.time())
    dearer, usual = (price.bound(1, 10, at, at) for at in (NEW_YEAR, clock.time()))
    assert dearer > usual
    for timeout, most in ((60.0, dearer), (20.0, usual)):
        provider = ScriptedProvider(then=After(1.0, _answer(1, 1)))
        service = serve(provider, name="gemini", model=GEMINI)
        asking = asyncio.create_task(ask(service, timeout))
        await asyncio.sleep(0.5)
        assert service.report().value("budget.reserved") == most
        await asking


async def test_a_spent_day_is_rate_limited_until_midnight(serve, own_price):
    provider = ScriptedProvider(then=_answer(1, 0))
    service = serve(provider, **own_price, daily_budget_nanousd=3 * 10**6)
    await service.query(Prompt("a", max_tokens=1))
    assert service.report().state is Health.HEALTHY
    with pytest.raises(ServiceRejected) as caught:
        await service.query(Prompt("a", max_tokens=1))
    midnight = service.report().value("budget.resets_at") - running_clock().time()
    assert caught.value.retry_after == pytest.approx(midnight)
    await asyncio.sleep(midnight + 1)
    assert await service.query(Prompt("a", max_tokens=1)) == "x"
    assert service.report().value("budget.spent") == 10**6


async def test_the_day_is_one_of_the_zone(serve, own_price):
    ends = [
        serve(ScriptedProvider(), **own_price, budget_zone=timezone(timedelta(hours=hours)))
        .report()
        .value("budget.resets_at")
        for hours in (0, 5)
    ]
    assert (ends[0] - ends[1]) % 86_400 == 5 * 3600


async def test_a_budget_of_nothing_lets_only_free_calls_through(serve, own_price):
    service = serve(ScriptedProvider(), **own_price, daily_budget_nanousd=0)
    with pytest.raises(ServiceRejected):
        await service.query("a")
    assert service.report().state is Health.RATE_LIMITED
    assert service.report().cause == "the day's budget is spent or reserved"


async def test_an_error_answer_costs_nothing_and_a_broken_one_the_worst_case(serve, own_price):
    refused = ServiceUnavailableError("lab", "down; wait", usage=NOTHING)
    broken = ServiceUnavailableError("lab", "unreadable; wait")
    settings = {**own_price, "retry": RetryConfig(max_retries=0)}
    service = serve(ScriptedProvider(refused, broken), **settings)
    for spent in (0, 1 * 10**6 + 10 * 2 * 10**6):
        with pytest.raises(ServiceUnavailableError):
            await service.query(Prompt("a", max_tokens=10))
        assert service.report().value("budget.spent") == spent


async def test_every_attempt_pays_for_itself(serve, own_price):
    broken = ServiceUnavailableError("lab", "unreadable; wait")
    service = serve(ScriptedProvider(broken, _answer(1, 0)), **own_price)
    await service.query(Prompt("a", max_tokens=10))
    assert service.report().value("budget.spent") == 21 * 10**6 + 10**6


async def test_a_call_given_up_after_it_was_sent_costs_the_worst_case(serve, own_price):
    service = serve(ScriptedProvider(then=After(9.0, "x")), **own_price)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await service.query(Prompt("a", max_tokens=10))
    assert service.report().value("budget.spent") == 21 * 10**6
    assert service.report().value("budget.reserved") == 0


def test_wherever_a_call_is_cancelled_its_money_is_counted_once(serve, own_price):
    """Cut at every suspension: what is not reserved any more was spent, at most the worst case."""
    made = []

    async def operation():
        down = ServiceUnavailableError("lab", "down; wait", usage=NOTHING)
        provider = ScriptedProvider(After(0.1, down), then=After(0.1, _answer(1, 1)))
        settings = {**own_price, "daily_budget_nanousd": 50 * 10**6, "requests_per_minute": 3}
        service = serve(provider, **settings, timeout=90.0)
        made.append((service, provider))
        for _ in range(3):
            await service.query(Prompt("a", max_tokens=10))

    def check(_):
        service, provider = made[-1]
        report = service.report()
        assert report.value("budget.reserved") == 0
        assert report.value("budget.spent") <= len(provider.requests) * 21 * 10**6
        assert report.value("budget.spent") <= 50 * 10**6
        # Failed attempts count too; whoever was cancelled before the sending does not.
        assert report.value("limit.used", window="hour") == len(provider.requests)

    cuts = cancel_at_every_await(operation, check)
    # Two attempts and the backoff between them, an attempt, the line, an attempt.
    assert cuts.suspensions >= 6
