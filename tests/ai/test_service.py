"""A service answers with text or with an ExternalServiceError, and remembers what it learned."""

import asyncio

import pytest

from koo.ai import NOTHING, Prompt
from koo.errors import (
    AccessDeniedError,
    ApiKeyError,
    CircuitOpen,
    ContentRefusedError,
    DeadlineExceeded,
    ExternalServiceError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServiceRejected,
    ServiceTimeoutError,
    ServiceUnavailableError,
)
from koo.resilience import BreakerConfig, Health, RetryConfig, RetryScheduled
from koo.testing import After, ScriptedProvider, running_clock

from .asking import prompt_of


def _failed(error, **more):
    return error("claude", "it failed; try again", usage=NOTHING, **more)


def _down():
    return _failed(ServiceUnavailableError)


async def test_a_query_returns_the_text_of_the_answer(serve):
    provider = ScriptedProvider("Because.")
    assert await serve(provider).query("Why?") == "Because."


async def test_everything_asked_for_reaches_the_provider(serve):
    provider = ScriptedProvider(then="x")
    service = serve(provider, max_tokens=99)
    await service.query("Why?")
    await service.query(
        Prompt("Why?", system="s", model="claude-opus-5", max_tokens=7, temperature=0.3)
    )
    first, second = (request.question for request in provider.requests)
    assert (first.model, first.max_tokens, first.prompt.system) == ("claude-sonnet-5-5", 99, None)
    assert (second.model, second.max_tokens) == ("claude-opus-5", 7)
    assert (second.prompt.system, second.prompt.temperature) == ("s", 0.3)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"prompt": ""}, "empty"),
        ({"prompt": " \n\t"}, "empty"),
        ({"prompt": None}, "prompt must be text"),
        ({"prompt": b"bytes"}, "prompt must be text"),
        ({"system": 7}, "system must be text"),
        ({"model": 7}, "model must be"),
        ({"max_tokens": 1.5}, "max_tokens must be a whole number"),
        ({"max_tokens": "5"}, "max_tokens must be a whole number"),
        ({"temperature": "hot"}, "temperature must be 0 or more"),
        ({"timeout": "5"}, "timeout must be above 0"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
    ],
)
async def test_nonsense_is_refused_and_nothing_is_sent(serve, arguments, word):
    provider = ScriptedProvider()
    service = serve(provider)
    with pytest.raises(InvalidRequestError, match=word):
        await service.query(prompt_of(arguments), timeout=arguments.get("timeout"))
    assert provider.requests == []
    assert service.report().value("limit.used", window="minute") == 0
    assert service.report().value("failures_total") == 1


async def test_without_a_key_the_error_names_the_variable_and_nothing_is_sent(serve):
    provider = ScriptedProvider()
    service = serve(provider, api_key=None)
    with pytest.raises(ApiKeyError, match="^claude: no API key; set ANTHROPIC_API_KEY$"):
        await service.query("Why?")
    report = await service.check()
    assert provider.requests == []
    assert provider.checks_total == 0
    assert report.state is Health.MAINTENANCE
    assert report.cause == "no API key; set ANTHROPIC_API_KEY"
    assert report.details["configured"] is False


async def test_a_model_without_a_price_is_refused_naming_the_variable(serve):
    provider = ScriptedProvider()
    with pytest.raises(InvalidRequestError, match="AI_CLAUDE_PRICE"):
        await serve(provider).query(Prompt("Why?", model="claude-of-tomorrow"))
    assert provider.requests == []


async def test_a_model_whose_bill_has_no_bound_is_refused(serve):
    provider = ScriptedProvider()
    with pytest.raises(InvalidRequestError, match=r"no upper bound \(output_citation_tokens"):
        await serve(provider, name="perplexity").query(Prompt("Why?", model="sonar-deep-research"))
    assert provider.requests == []


async def test_a_wait_that_the_service_names_is_kept_and_throttles_the_next_call(serve):
    provider = ScriptedProvider(_failed(RateLimitError, retry_after=7.0), then="x")
    service, clock = serve(provider), running_clock()
    first = asyncio.create_task(service.query("first"))
    await asyncio.sleep(1)
    assert service.report().state is Health.RATE_LIMITED
    assert service.report().value("throttled_until") == pytest.approx(clock.time() + 6)
    second = asyncio.create_task(service.query("second"))
    assert await first == await second == "x"
    assert 7.0 <= clock.monotonic() < 9.0
    assert provider.prompts[0] == "first"
    assert service.report().breaker.outcomes == 2
    assert service.report().state is Health.HEALTHY


async def test_a_wait_beyond_the_deadline_fails_at_once_with_the_time(serve):
    provider = ScriptedProvider(_failed(RateLimitError, retry_after=90.0))
    service = serve(provider, timeout=60.0)
    with pytest.raises(RateLimitError) as caught:
        await service.query("Why?")
    assert caught.value.retry_after == 90.0
    assert running_clock().monotonic() == 0.0


async def test_a_failing_service_is_asked_again_with_backoff(serve):
    heard = []
    provider = ScriptedProvider(_down(), _down(), "x")
    service = serve(provider, on_event=heard.append)
    assert await service.query("Why?") == "x"
    delays = [event.delay for event in heard if isinstance(event, RetryScheduled)]
    assert delays == [0.5, 1.0]
    assert service.report().value("retries_total") == 2
    assert service.report().value("requests_total") == 1


async def test_max_retries_means_that_many_and_one_attempt(serve):
    provider = ScriptedProvider(then=_down())
    with pytest.raises(ServiceUnavailableError):
        await serve(provider, retry=RetryConfig(max_retries=3)).query("Why?")
    assert len(provider.requests) == 4


@pytest.mark.parametrize(
    "error",
    [
        ApiKeyError, AccessDeniedError, QuotaExceededError, InvalidRequestError,
        ContentRefusedError,
    ],
)  # fmt: skip
async def test_what_cannot_succeed_is_sent_once(serve, error):
    provider = ScriptedProvider(_failed(error))
    with pytest.raises(error):
        await serve(provider).query("Why?")
    assert len(provider.requests) == 1


async def test_a_hanging_service_becomes_a_timeout_error_after_the_whole_timeout(serve):
    provider = ScriptedProvider(then=After(1000.0, "late"))
    service = serve(provider, timeout=5.0)
    with pytest.raises(ServiceTimeoutError, match="^claude: no answer after") as caught:
        await service.query("Why?")
    assert isinstance(caught.value.__cause__, DeadlineExceeded)
    assert running_clock().monotonic() == pytest.approx(5.0, abs=0.05)
    assert service.report().reading("errors_total", kind="timeout").value == 1


async def test_an_attempt_has_its_own_shorter_time_and_is_tried_again(serve):
    provider = ScriptedProvider(After(1000.0, "late"), "x")
    service = serve(provider, attempt_timeout=2.0)
    assert await service.query("Why?") == "x"
    assert running_clock().monotonic() == pytest.approx(2.5, abs=0.05)


async def test_the_timeout_of_one_query_replaces_that_of_the_settings(serve):
    provider = ScriptedProvider(then=After(1000.0, "late"))
    with pytest.raises(ServiceTimeoutError):
        await serve(provider).query("Why?", timeout=1.5)
    assert running_clock().monotonic() == pytest.approx(1.5, abs=0.05)


async def test_a_service_that_keeps_failing_opens_its_circuit_and_closes_it_again(serve):
    provider = ScriptedProvider(*(_down() for _ in range(5)), then="x")
    breaker = BreakerConfig(recovery_timeout=10.0)
    service = serve(provider, breaker=breaker, retry=RetryConfig(max_retries=0))
    for _ in range(5):
        with pytest.raises(ServiceUnavailableError):
            await service.query("Why?")
    with pytest.raises(ServiceRejected, match="circuit open") as caught:
        await service.query("Why?")
    assert isinstance(caught.value.__cause__, CircuitOpen)
    assert caught.value.retry_after == pytest.approx(10.5)
    assert len(provider.requests) == 5
    report = service.report()
    assert report.state is Health.CIRCUIT_OPEN
    assert report.next_try == pytest.approx(10.5)
    assert report.value("errors_total", kind="circuit_open") == 1
    assert report.value("errors_total", kind="unavailable") == 5
    await asyncio.sleep(11)
    await service.query("Why?")
    assert service.report().state is Health.DEGRADED
    await service.query("Why?")
    assert service.report().state is Health.HEALTHY


async def test_client_errors_and_throttling_never_open_the_circuit(serve):
    failures = [_failed(InvalidRequestError), _failed(RateLimitError)] * 10
    service = serve(ScriptedProvider(*failures), retry=RetryConfig(max_retries=0))
    for _ in failures:
        with pytest.raises(ExternalServiceError):
            await service.query("Why?")
    assert service.report().state is Health.HEALTHY


async def test_a_refused_key_is_remembered_until_reset(serve):
    provider = ScriptedProvider(_failed(ApiKeyError), then="x")
    service = serve(provider)
    for _ in range(3):
        with pytest.raises(ApiKeyError, match="it failed"):
            await service.query("Why?")
    assert len(provider.requests) == 1
    assert service.report().state is Health.CIRCUIT_OPEN
    assert service.report().cause == "it failed; try again"
    assert service.report().next_try is None
    service.reset()
    assert await service.query("Why?") == "x"


async def test_a_model_that_is_denied_is_remembered_and_others_still_answer(serve):
    provider = ScriptedProvider(_failed(AccessDeniedError), then="x")
    service = serve(provider)
    for _ in range(2):
        with pytest.raises(AccessDeniedError):
            await service.query(Prompt("Why?", model="claude-opus-5"))
    assert await service.query("Why?") == "x"
    assert len(provider.requests) == 2
    service.reset()
    assert await service.query(Prompt("Why?", model="claude-opus-5")) == "x"


async def test_the_denied_model_of_the_settings_opens_the_circuit(serve):
    service = serve(ScriptedProvider(_failed(AccessDeniedError)))
    with pytest.raises(AccessDeniedError):
        await service.query("Why?")
    assert service.report().state is Health.CIRCUIT_OPEN


async def test_no_more_than_a_hundred_denied_models_are_remembered(serve):
    provider = ScriptedProvider(then=_failed(AccessDeniedError))
    service = serve(provider, requests_per_minute=1000)
    for n in range(101):
        with pytest.raises(AccessDeniedError):
            await service.query(Prompt("Why?", model=f"claude-3-haiku-{n}"))
    for n in (0, 100):
        with pytest.raises(AccessDeniedError):
            await service.query(Prompt("Why?", model=f"claude-3-haiku-{n}"))
    assert len(provider.requests) == 102


async def test_a_spent_quota_isolates_until_a_person_resets(serve):
    provider = ScriptedProvider(_failed(QuotaExceededError), then="x")
    service = serve(provider)
    with pytest.raises(QuotaExceededError):
        await service.query("Why?")
    await asyncio.sleep(100_000)
    with pytest.raises(ServiceRejected, match="circuit open") as caught:
        await service.query("Why?")
    assert caught.value.retry_after is None
    assert service.report().cause == "it failed; try again"
    service.reset()
    assert await service.query("Why?") == "x"


async def test_a_spent_quota_isolates_until_the_time_that_the_vendor_names(serve):
    provider = ScriptedProvider(_failed(QuotaExceededError, retry_after=3600.0), then="x")
    service = serve(provider)
    with pytest.raises(QuotaExceededError):
        await service.query("Why?")
    await asyncio.sleep(1800)
    with pytest.raises(ServiceRejected) as caught:
        await service.query("Why?")
    assert caught.value.retry_after == pytest.approx(1800.0)
    await asyncio.sleep(1801)
    assert await service.query("Why?") == "x"
