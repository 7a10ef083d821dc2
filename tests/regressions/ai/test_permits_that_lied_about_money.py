"""Calls of SDKs whose money was lost, or whose errors were somebody else's."""

import asyncio

import pytest

from koo.ai import AIService, Estimate, ServiceConfig
from koo.resilience import Health

MOST = Estimate(input_tokens=1000, output_tokens=1000)
ANSWER = {"usage": {"input_tokens": 100, "output_tokens": 100}}


class SDKError(Exception):
    """As the official SDKs have one."""

    __module__ = "anthropic"

    def __init__(self, status):
        super().__init__(status)
        self.status_code, self.body = status, {"error": {"type": "authentication_error"}}


class OpenAIError(SDKError):
    __module__ = "openai"


class BucketError(SDKError):
    __module__ = "google.api_core.exceptions"


@pytest.fixture
def claude():
    return AIService(ServiceConfig(name="claude", api_key="test-key", max_concurrent=2))


def value(service, name, **labels):
    return service.report().value(name, **labels)


def cost(service):
    return value(service, "cost_total", model=service.config.model)


async def settled(service):
    """The debit of one call that was settled with ANSWER."""
    async with service.permit(MOST) as call:
        call.settle(ANSWER)
    return value(service, "budget.spent")


async def test_the_second_block_of_a_permit_was_billed_as_the_first(claude):
    call = claude.permit(MOST)
    async with call:
        call.settle(ANSWER)
    spent = value(claude, "budget.spent")
    with pytest.raises(RuntimeError, match="used already"):
        async with call:
            raise AssertionError("let in")
    assert value(claude, "budget.spent") == spent
    assert value(claude, "requests_total") == 1


async def test_two_tasks_in_one_permit_kept_money_and_a_slot_for_ever(claude):
    call, entered = claude.permit(MOST), asyncio.Event()

    async def first():
        async with call:
            entered.set()
            await asyncio.sleep(0)
            call.settle(ANSWER)

    async def second():
        await entered.wait()
        async with call:
            raise AssertionError("let in")

    ended = await asyncio.gather(first(), second(), return_exceptions=True)
    assert [type(one) for one in ended] == [type(None), RuntimeError]
    assert value(claude, "budget.reserved") == 0
    async with claude.permit(MOST), claude.permit(MOST):
        pass


async def test_a_permit_settled_outside_of_its_block_has_nobody_who_hears_it(claude):
    call = claude.permit(MOST)
    with pytest.raises(RuntimeError, match="inside of its block"):
        call.settle(ANSWER)
    async with call:
        pass
    with pytest.raises(RuntimeError):
        call.settle(ANSWER)
    assert call.usage is None


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_what_was_settled_was_thrown_away_when_an_error_followed(claude, status):
    once = await settled(claude)
    with pytest.raises(SDKError):  # noqa: PT012 - the block is what is tested
        async with claude.permit(MOST) as call:
            call.settle(ANSWER)
            raise SDKError(status)
    assert value(claude, "budget.spent") == cost(claude) == 2 * once
    assert call.error is not None


async def test_the_spend_and_the_budget_disagreed_when_ones_own_error_followed(claude):
    once = await settled(claude)
    with pytest.raises(KeyError):  # noqa: PT012 - as above
        async with claude.permit(MOST) as call:
            call.settle(ANSWER)
            raise KeyError("mine")
    assert value(claude, "budget.spent") == cost(claude) == 2 * once


async def test_the_spend_and_the_budget_disagreed_when_the_caller_went_away(claude):
    once = await settled(claude)
    with pytest.raises(TimeoutError):  # noqa: PT012 - as above
        async with asyncio.timeout(0.001), claude.permit(MOST) as call:
            call.settle(ANSWER)
            await asyncio.Event().wait()
    assert value(claude, "budget.spent") == cost(claude) == 2 * once


@pytest.mark.parametrize("error", [OpenAIError, BucketError])
async def test_the_error_of_another_vendors_sdk_shut_the_service(claude, error):
    with pytest.raises(error):
        async with claude.permit(MOST) as call:
            raise error(401)
    assert call.error is None
    assert claude.report().state is Health.HEALTHY
    assert claude.report().breaker.failures == 0
