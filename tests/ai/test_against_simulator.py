"""Every vendor's adapter against a simulator of its wire format, over real sockets, faults and all.

The simulator and the adapters were written from the vendors' documentation apart from each other.
"""

from contextlib import asynccontextmanager

import pytest

from koo.ai import AIManager, Prompt, ServiceConfig
from koo.errors import (
    AccessDeniedError,
    ApiKeyError,
    ContentRefusedError,
    ContextTooLongError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServiceConnectionError,
    ServiceRejected,
    ServiceTimeoutError,
    ServiceUnavailableError,
)
from koo.resilience import Backoff, Health, RetryConfig
from koo.testing import Endpoint, Fault, Simulator

from .conftest import OWN_PRICE

pytestmark = pytest.mark.integration

SERVICES = ("claude", "openai", "openai-responses", "gemini", "perplexity", "groq")
QUICK = RetryConfig(max_retries=3, backoff=Backoff(base_delay=0.01, max_delay=0.02))
KEY = "test-key-that-must-not-be-seen"
PROMPT = "prompt that must not be seen"
ASKED = Prompt(PROMPT, system="Be brief.", max_tokens=50, temperature=0.5)


@asynccontextmanager
async def _manager(limit=4_000, **settings):
    """A manager of all services and the simulator that they speak to, *limit* times a minute."""
    async with Simulator(SERVICES, requests_per_minute=limit) as simulator:
        manager = AIManager.from_configs(_config(name, simulator, settings) for name in SERVICES)
        try:
            yield manager, simulator
        finally:
            await manager.close()


def _config(name, simulator, settings):
    own = {"model": "groq-model", "price": OWN_PRICE} if name == "groq" else {}
    common = {"api_key": KEY, "retry": QUICK, "timeout": 60.0, "attempt_timeout": 20.0}
    return ServiceConfig(
        name=name, base_url=simulator.base_url(name), **{**common, **own, **settings}
    )


@pytest.mark.parametrize("name", SERVICES)
async def test_a_question_is_answered_counted_and_paid(name):
    async with _manager() as (manager, simulator):
        text = await manager.query(name, ASKED)
        report = manager.services[name].report()
    assert text
    [received] = simulator.completions(name)
    assert received.model == manager.services[name].config.model
    assert received.status == 200
    assert 0 < report.value("cost.last") == report.value("budget.spent")
    assert report.value("budget.reserved") == 0
    assert report.value("success_rate") == 1.0


ONCE = [
    (Fault.WRONG_KEY, ApiKeyError),
    (Fault.NO_ACCESS, AccessDeniedError),
    (Fault.OUT_OF_MONEY, QuotaExceededError),
    (Fault.SPEND_LIMIT, QuotaExceededError),
    (Fault.UNKNOWN_MODEL, InvalidRequestError),
    (Fault.TOO_LONG, ContextTooLongError),
    (Fault.INVALID_REQUEST, InvalidRequestError),
    (Fault.REFUSED, ContentRefusedError),
]
AGAIN = [
    (Fault.RATE_LIMIT, RateLimitError),
    (Fault.OVERLOADED, ServiceUnavailableError),
    (Fault.SERVER_ERROR, ServiceUnavailableError),
    (Fault.BAD_GATEWAY, ServiceUnavailableError),
    (Fault.UNAVAILABLE, ServiceUnavailableError),
    (Fault.GATEWAY_TIMEOUT, ServiceTimeoutError),
    (Fault.GARBAGE, ServiceUnavailableError),
    (Fault.RESET, ServiceConnectionError),
    (Fault.CUT, ServiceConnectionError),
]


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(("fault", "error"), ONCE)
async def test_what_cannot_succeed_is_sent_once(name, fault, error):
    async with _manager() as (manager, simulator):
        simulator.fault(name, fault)
        with pytest.raises(error) as caught:
            await manager.query(name, PROMPT)
        assert type(caught.value) is error
        assert len(simulator.completions(name)) == 1
        for other in set(SERVICES) - {name}:
            assert manager.services[other].report().state is Health.HEALTHY
    _assert_silent(caught.value, manager.services[name].report())


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(("fault", "error"), AGAIN)
async def test_what_may_succeed_is_tried_again_and_succeeds(name, fault, error):
    async with _manager() as (manager, simulator):
        simulator.fault(name, fault, count=2, retry_after=0.02)
        assert await manager.query(name, PROMPT)
        assert [request.fault for request in simulator.completions(name)] == [fault, fault, None]
        assert manager.services[name].report().value("retries_total") == 2


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(("fault", "error"), AGAIN)
async def test_what_keeps_failing_ends_as_its_error_after_four_attempts(name, fault, error):
    async with _manager() as (manager, simulator):
        simulator.fault(name, fault, retry_after=0.02)
        with pytest.raises(error) as caught:
            await manager.query(name, PROMPT)
        assert type(caught.value) is error
        assert len(simulator.completions(name)) == 4
    _assert_silent(caught.value, manager.services[name].report())


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.STALL])
async def test_what_never_ends_ends_with_the_timeout(name, fault):
    async with _manager(timeout=0.3) as (manager, simulator):
        simulator.fault(name, fault)
        with pytest.raises(ServiceTimeoutError, match=r"no answer after \d\.\d\d s"):
            await manager.query(name, PROMPT)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_check_asks_for_models_and_never_for_a_completion(name):
    async with _manager() as (manager, simulator):
        report = await manager.services[name].check()
        assert simulator.completions(name) == ()
        if name == "perplexity":
            assert report.check is None
            assert simulator.requests == ()
        else:
            assert report.check.ok
            assert [request.endpoint for request in simulator.requests] == [Endpoint.MODELS]


async def test_a_check_of_a_service_that_is_down_makes_it_unhealthy():
    async with _manager() as (manager, simulator):
        simulator.fault("claude", Fault.UNAVAILABLE, endpoint=Endpoint.MODELS)
        report = await manager.services["claude"].check()
    assert report.state is Health.UNHEALTHY
    assert "overloaded" in report.cause or "failed" in report.cause


def _assert_silent(error, report):
    """Neither the prompt nor the key is in anything that is shown or logged."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    shown = " ".join(f"{one} {one!r} {getattr(one, '__notes__', '')}" for one in chain)
    shown += repr(report)
    assert KEY not in shown
    assert PROMPT not in shown


@pytest.mark.parametrize("name", ["claude", "openai", "groq"])
async def test_a_vendors_headers_hold_calls_back_before_it_has_to_refuse_one(name):
    async with _manager(limit=3, timeout=30.0) as (manager, simulator):
        for _ in range(3):
            await manager.query(name, PROMPT)
        with pytest.raises(ServiceRejected, match="0 of 3 requests are left at the service"):
            await manager.query(name, PROMPT)
        statuses = [received.status for received in simulator.completions(name)]
    assert statuses == [200, 200, 200]
