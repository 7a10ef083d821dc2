"""A call that another client makes is admitted, timed and paid for like koo's own."""

import asyncio

import pytest

from koo.ai import AIManager, Estimate, Usage
from koo.errors import (
    ApiKeyError,
    ExternalServiceError,
    InvalidRequestError,
    RateLimitError,
    ServiceRejected,
    ServiceTimeoutError,
)
from koo.resilience import Health
from koo.testing import ScriptedProvider, running_clock

#: At most one token in and ten out: 1,000 + 10 * 2,000 nano-dollars by the price of the lab.
MOST = Estimate(input_tokens=1, output_tokens=10)
ALL = 21 * 10**6


@pytest.fixture
def lab(serve, own_price):
    """A service of round prices, which is never asked by koo itself."""

    def lab(**settings):
        return serve(None, **{**own_price, **settings})

    return lab


def value(service, name, **labels):
    return service.report().value(name, **labels)


class APIStatusError(Exception):
    """As an SDK has one."""

    __module__ = "openai.nowhere"

    def __init__(self, status, body=None, headers=None):
        super().__init__(status)
        self.status_code, self.body = status, body
        self.response = type("Response", (), {"headers": headers or {}})()


async def test_what_a_call_used_is_what_is_debited(lab):
    service = lab()
    async with service.permit(MOST) as call:
        assert value(service, "budget.reserved") == ALL
        call.settle(Usage(1, 2))
    assert call.usage.nanousd == value(service, "budget.spent") == 5 * 10**6
    assert value(service, "budget.reserved") == 0
    assert value(service, "successes_total") == value(service, "requests_total") == 1
    assert value(service, "cost.last") == 5 * 10**6


@pytest.mark.parametrize(
    "answer",
    [
        {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        {"prompt_tokens": 1, "completion_tokens": 2},
    ],
)
async def test_a_document_or_its_usage_is_read_in_the_vendors_words(lab, answer):
    service = lab()
    async with service.permit(MOST) as call:
        call.settle(answer)
    assert value(service, "budget.spent") == 5 * 10**6


async def test_a_call_that_is_never_settled_is_debited_in_full(lab):
    service = lab()
    async with service.permit(MOST):
        pass
    assert value(service, "budget.spent") == ALL


@pytest.mark.parametrize("answer", [None, "text", {}, {"usage": {"prompt_tokens": -1}}])
async def test_what_can_not_be_understood_is_debited_in_full(lab, answer):
    service = lab()
    async with service.permit(MOST) as call:
        call.settle(answer)
    assert call.usage is None
    assert value(service, "budget.spent") == ALL
    assert value(service, "successes_total") == 1


async def test_of_several_settlements_the_last_counts(lab):
    service = lab()
    async with service.permit(MOST) as call:
        call.settle(Usage(1, 1))
        call.settle(Usage(1, 2))
    assert value(service, "budget.spent") == value(service, "cost.last") == 5 * 10**6


async def test_an_sdks_exception_leaves_the_block_as_it_is_and_counts(lab):
    service, error = lab(), APIStatusError(429, headers={"Retry-After": "7"})
    with pytest.raises(APIStatusError) as caught:
        async with service.permit(MOST) as call:
            raise error
    assert caught.value is error
    assert type(call.error) is RateLimitError
    assert call.error.retry_after == 7
    assert value(service, "errors_total", kind="rate_limit") == 1
    assert value(service, "budget.spent") == 0


async def test_a_key_that_an_sdk_found_dead_is_not_let_in_again(lab):
    service = lab()
    with pytest.raises(APIStatusError):
        async with service.permit(MOST):
            raise APIStatusError(401)
    with pytest.raises(ApiKeyError):
        async with service.permit(MOST):
            raise AssertionError("let in")


async def test_an_exception_of_ones_own_says_nothing_of_the_service(lab):
    service = lab()
    for _ in range(10):
        with pytest.raises(KeyError):
            async with service.permit(MOST):
                raise KeyError("mine")
    assert service.report().state is Health.HEALTHY
    assert service.report().breaker.failures == 0
    assert value(service, "failures_total") == 0
    assert value(service, "budget.spent") == 10 * ALL


async def test_after_an_exception_of_ones_own_what_was_settled_is_debited(lab):
    service = lab()
    with pytest.raises(KeyError):  # noqa: PT012 - the block is what is tested
        async with service.permit(MOST) as call:
            call.settle(Usage(1, 2))
            raise KeyError("mine")
    assert value(service, "budget.spent") == 5 * 10**6


@pytest.mark.parametrize(
    ("settings", "timeout", "ends"),
    [({}, 3.0, 3.0), ({"attempt_timeout": 5.0}, None, 5.0)],
)
async def test_a_block_that_takes_too_long_is_the_services_failure(lab, settings, timeout, ends):
    service = lab(**settings)
    with pytest.raises(ServiceTimeoutError) as caught:
        async with service.permit(MOST, timeout=timeout) as call:
            await asyncio.sleep(60)
    assert running_clock().monotonic() == pytest.approx(ends, abs=0.02)
    assert call.error is caught.value
    assert service.report().breaker.failures == 1
    assert value(service, "errors_total", kind="timeout") == 1
    assert value(service, "budget.spent") == ALL


async def test_a_caller_that_goes_away_is_debited_in_full_and_nobodys_failure(lab):
    service = lab()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), service.permit(MOST) as call:
            await asyncio.sleep(60)
    assert call.error is None
    assert value(service, "failures_total") == 0
    assert service.report().breaker.failures == 0
    assert value(service, "budget.spent") == ALL
    assert value(service, "budget.reserved") == 0


async def test_a_time_limit_inside_the_block_is_the_services_failure(lab):
    service = lab()
    with pytest.raises(TimeoutError):  # noqa: PT012 - the block is what is tested
        async with service.permit(MOST) as call:
            async with asyncio.timeout(1):
                await asyncio.sleep(60)
    assert type(call.error) is ServiceTimeoutError
    assert service.report().breaker.failures == 1


async def test_what_the_budget_can_not_hold_is_not_let_in(lab):
    service = lab(daily_budget_nanousd=ALL - 1)
    with pytest.raises(ServiceRejected, match="daily budget exhausted"):
        async with service.permit(MOST):
            raise AssertionError("let in")
    assert value(service, "errors_total", kind="budget_exhausted") == 1


async def test_a_call_waits_in_line_as_a_query_does(lab):
    service = lab(requests_per_minute=1)
    async with service.permit(MOST):
        pass
    async with service.permit(MOST, timeout=90.0):
        assert running_clock().monotonic() == pytest.approx(60.0, abs=2.0)
    with pytest.raises(ServiceRejected, match="rate limit"):
        async with service.permit(MOST, timeout=10.0):
            raise AssertionError("let in")


async def test_without_a_key_or_a_price_nothing_is_let_in(lab, serve):
    unpriced = Estimate(input_tokens=1, output_tokens=1, model="nobody-knows")
    for service, estimate, error in (
        (lab(api_key=None), MOST, ApiKeyError),
        (serve(ScriptedProvider()), unpriced, InvalidRequestError),
    ):
        with pytest.raises(error):
            async with service.permit(estimate):
                raise AssertionError("let in")
        assert value(service, "failures_total") == 1


async def test_a_manager_finds_the_service(lab):
    manager = AIManager([lab()])
    async with manager.permit("lab", estimate=MOST) as call:
        call.settle(Usage(1, 0))
    assert value(manager.services["lab"], "budget.spent") == 10**6
    with pytest.raises(ExternalServiceError, match="no such service"):
        manager.permit("nobody", MOST)


FULL = {
    "X-RateLimit-Limit-Requests": "60",
    "X-RateLimit-Remaining-Requests": "0",
    "X-RateLimit-Reset-Requests": "30s",
}


@pytest.mark.parametrize(("keys", "left"), [({}, 0), ({"api_key": "test-key-a,test-key-b"}, None)])
async def test_the_headers_of_an_answer_tell_what_the_vendor_has_left_for_its_key(lab, keys, left):
    service = lab(**keys)
    async with service.permit(MOST) as call:
        call.settle(Usage(1, 2), FULL)
    assert value(service, "told.remaining", model="m", window="requests") == left


@pytest.mark.parametrize(("keys", "left"), [({}, 0), ({"api_key": "test-key-a,test-key-b"}, None)])
async def test_the_headers_of_an_sdks_exception_tell_it_too(lab, keys, left):
    service = lab(**keys)
    with pytest.raises(APIStatusError):
        async with service.permit(MOST):
            raise APIStatusError(503, headers=FULL)
    assert value(service, "told.remaining", model="m", window="requests") == left
