"""What a service says of itself, what it counts, and what a reset forgets."""

import asyncio

import pytest

from koo.ai import NOTHING, Completion, Prompt, Told, Urge, Usage, WindowTold
from koo.errors import (
    ContentRefusedError,
    ExternalServiceError,
    InvalidRequestError,
    RateLimited,
    RateLimitError,
    ServiceRejected,
    ServiceUnavailableError,
)
from koo.resilience import Health, RetryConfig
from koo.testing import After, ScriptedProvider, running_clock


def _failed(error, **more):
    return error("claude", "it failed; try again", usage=NOTHING, **more)


def _down():
    return _failed(ServiceUnavailableError)


async def test_a_reset_forgets_errors_but_never_limits_or_spend(serve):
    provider = ScriptedProvider("x", _failed(InvalidRequestError))
    service = serve(provider)
    await service.query("Why?")
    with pytest.raises(InvalidRequestError):
        await service.query("Why?")
    before = service.report()
    assert before.details["last_error"].kind == "invalid_request"
    service.reset()
    after = service.report()
    assert after.value("errors_total", kind="invalid_request") is None
    assert after.details["last_error"] is None
    for name in ("budget.spent", "requests_total", "failures_total"):
        assert after.value(name) == before.value(name)
    assert after.value("limit.used", window="day") == 2


async def test_a_full_window_waits_within_the_patience_and_then_refuses(serve):
    provider = ScriptedProvider(then="x")
    service = serve(provider, requests_per_minute=2, patience=5.0)
    for _ in range(2):
        await service.query("Why?")
    assert service.report().state is Health.RATE_LIMITED
    assert service.report().cause == "2 requests per minute are used up"
    with pytest.raises(ServiceRejected, match="rate limit reached") as caught:
        await service.query("Why?")
    assert isinstance(caught.value.__cause__, RateLimited)
    assert caught.value.retry_after > 50
    assert service.report().value("errors_total", kind="rate_limited") == 1


async def test_a_full_window_waits_as_long_as_the_timeout_allows(serve):
    provider = ScriptedProvider(then="x")
    service = serve(provider, requests_per_minute=2, timeout=90.0)
    for _ in range(3):
        await service.query("Why?")
    assert 60.0 <= running_clock().monotonic() < 62.0


async def test_the_success_rate_counts_calls_of_five_minutes_and_not_attempts(serve):
    provider = ScriptedProvider(_down(), "x", _failed(InvalidRequestError), then="x")
    service = serve(provider)
    assert service.report().value("success_rate") is None
    await service.query("Why?")
    assert service.report().value("success_rate") == 1.0
    with pytest.raises(InvalidRequestError):
        await service.query("Why?")
    assert service.report().value("success_rate") == 0.5
    await asyncio.sleep(400)
    assert service.report().value("success_rate") is None


async def test_a_call_that_its_caller_gave_up_is_neither_success_nor_failure(serve):
    service = serve(ScriptedProvider(then=After(10.0, "late")))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await service.query("Why?")
    report = service.report()
    assert report.value("requests_total") == 1
    assert report.value("successes_total") == report.value("failures_total") == 0
    assert report.breaker.outcomes == 0


async def test_a_mistake_in_a_provider_is_an_external_service_error_too(serve):
    provider = ScriptedProvider(KeyError("secret"))
    with pytest.raises(ExternalServiceError, match="unexpected KeyError") as caught:
        await serve(provider).query("Why?")
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


async def test_the_report_tells_what_the_page_needs(serve):
    provider = ScriptedProvider(After(0.25, "x"))
    service = serve(provider, requests_per_minute=60)
    await service.query("Why?")
    report = service.report()
    assert (report.component, report.kind, service.name) == ("ai:claude", "ai", "ai:claude")
    assert report.value("limit.used", window="minute") == 1
    assert report.reading("limit.used", window="hour").limit == 1000
    assert report.value("limit.remaining", window="day") == 9999
    assert report.value("limit.reset_after", window="minute") == pytest.approx(60, abs=2)
    assert report.value("last_success_at") == running_clock().time()
    assert report.distribution("response_time").mean == pytest.approx(0.25)
    assert report.reading("budget.spent").limit == 10_000_000_000
    assert report.value("cost.last") == report.value("budget.spent") == report.value("cost.mean")
    assert report.value("budget.resets_at") % 86_400 == 0
    assert dict(report.details) == {
        "configured": True,
        "model": "claude-sonnet-5-5",
        "vendor": "anthropic",
        "last_error": None,
        "key_variable": "ANTHROPIC_API_KEY",
    }


async def test_looking_changes_nothing(serve):
    service = serve(ScriptedProvider(then="x"))
    await service.query("Why?")
    first = service.report()
    for _ in range(10):
        service.report()
    assert service.report() == first


async def test_an_unhealthy_service_says_why(serve):
    service = serve(
        ScriptedProvider(*(_down() for _ in range(4))), retry=RetryConfig(max_retries=0)
    )
    for _ in range(3):
        with pytest.raises(ServiceUnavailableError):
            await service.query("Why?")
    report = service.report()
    assert report.state is Health.UNHEALTHY
    assert report.cause == "3 of the last 3 attempts failed"


async def test_closing_a_service_closes_its_provider(serve):
    provider = ScriptedProvider()
    await serve(provider).close()
    assert provider.closed_total == 1


async def test_an_answer_without_usage_costs_the_whole_reservation(serve, own_price):
    provider = ScriptedProvider(Completion("x", "m", "stop"))
    service = serve(provider, **own_price)
    await service.query(Prompt("abc", max_tokens=10))
    assert service.report().value("budget.spent") == 3 * 10**6 + 10 * 2 * 10**6
    assert service.report().value("cost.last") is None


async def test_a_refusal_that_was_billed_is_debited(serve, own_price):
    refusal = ContentRefusedError("lab", "refused; change it", usage=Usage(2, 1))
    service = serve(ScriptedProvider(refusal), **own_price)
    with pytest.raises(ContentRefusedError):
        await service.query("abc")
    assert service.report().value("budget.spent") == 4 * 10**6


async def test_what_makes_it_unhealthy_is_said_before_the_circuit_opens(serve):
    provider = ScriptedProvider("x", then=_down())
    service = serve(provider, retry=RetryConfig(max_retries=0))
    await service.query("Why?")
    for _ in range(3):
        with pytest.raises(ServiceUnavailableError):
            await service.query("Why?")
    report = service.report()
    assert (report.state, report.cause) == ("unhealthy", "3 of the last 4 attempts failed")


async def test_an_explanation_says_of_each_gate_whether_it_lets_a_call_in(serve, own_price):
    service = serve(ScriptedProvider(then="x"), **own_price, requests_per_minute=1)
    before = service.explain().splitlines()
    assert before[0] == "ai:lab: healthy"
    assert before[1] == "  0 of 1 requests this minute"
    assert before[-1].endswith("$10.0000 left")
    await service.query("a")
    after = service.explain().splitlines()
    assert after[0] == "ai:lab: rate_limited; 1 requests per minute are used up"
    assert after[1].startswith("  1 of 1 requests this minute; room in ")
    assert after[2] == "  1 of 1,000 requests this hour"


async def test_an_explanation_of_an_open_circuit_says_when_it_is_tried_again(serve):
    service = serve(ScriptedProvider())
    service._breaker.open_until(90.0, "the account's money is used up")
    said = service.explain().splitlines()[0]
    assert said.startswith("ai:claude: circuit_open; the account's money is used up; next try in ")


async def test_a_service_taken_out_by_hand_takes_no_call_until_a_reset(serve, own_price):
    provider = ScriptedProvider(then="x")
    service = serve(provider, **own_price)
    service.take_out("the vendor moves house")
    report = service.report()
    assert (report.state, report.cause) == (Health.MAINTENANCE, "the vendor moves house")
    with pytest.raises(ServiceRejected, match=r"out of service \(the vendor moves house\)"):
        await service.query("a")
    assert provider.requests == []
    assert service.report().value("budget.spent") == 0
    service.reset()
    assert await service.query("a") == "x"
    assert service.report().state is Health.HEALTHY


async def test_an_explanation_names_tokens_the_vendors_limits_the_pace_and_the_calls_in_flight(
    serve, own_price
):
    windows = (
        WindowTold("requests", "requests", 60, 40, 30.0),
        WindowTold("tokens", "tokens", None, 900, 30.0),
    )
    told = Told(at=0.0, windows=windows)
    answer = Completion("x", "m", "stop", Usage(1, 2), None, told)
    throttled = RateLimitError("lab", "too fast; wait", usage=NOTHING)
    throttled.told = Told(at=0.0, urge=Urge.GROW_SLOWLY)
    limits = {"tokens_per_minute": 60_000, "max_concurrent": 4, "retry": RetryConfig(max_retries=0)}
    service = serve(ScriptedProvider(answer, throttled), **own_price, **limits)
    await service.query("a")
    with pytest.raises(RateLimitError):
        await service.query("a")
    said = service.explain()
    assert "  3 of 60,000 tokens this minute\n" in said
    assert " of 60 requests left at the vendor, m; all again in 30.0 s\n" in said
    assert " tokens left at the vendor, m; all again in 30.0 s\n" in said
    assert " calls a minute at most, after what was refused\n" in said
    assert "  0 of 4 calls in flight\n" in said
