"""A service without tools, or without a price, ended a chain that others could have gone on."""

from decimal import Decimal

import pytest

from koo.ai import NOTHING, AIManager, AIService, Prompt, ServiceConfig, Tool, connect
from koo.ai.pricing import PriceTable, TokenPrice
from koo.errors import InvalidRequestError, ServiceUnavailableError
from koo.resilience import RetryConfig
from koo.testing import ScriptedProvider, running_clock

TIME = Tool("get_time", "What time it is.")
DOWN = ServiceUnavailableError("claude", "it is down; try again later", usage=NOTHING)
PRICE = TokenPrice(Decimal(1), Decimal(2))


class NoPrices(PriceTable):
    """A table that knows nothing, and is never read."""

    async def get(self, vendor, model, base_url, *, timeout=None):
        return None


def service(name, provider=None, price=PRICE):
    once = RetryConfig(max_retries=0)
    config = ServiceConfig(name=name, api_key="test-key", retry=once, price=price)
    provider = provider or connect(config)
    return AIService(config, provider, prices=NoPrices(), clock=running_clock())


def chain(middle, *others):
    claude = service("claude", ScriptedProvider(then=DOWN))
    return AIManager([claude, middle, *others], clock=running_clock())


async def answer(manager, prompt, fallback, *, is_streamed):
    if not is_streamed:
        return (await manager.ask("claude", prompt, fallback=fallback)).text
    return "".join([piece async for piece in manager.stream("claude", prompt, fallback=fallback)])


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_who_knows_no_tools_is_passed_over(is_streamed):
    manager = chain(service("perplexity"), service("openai", ScriptedProvider(then="fine")))
    prompt = Prompt("?", tools=[TIME])
    told = await answer(manager, prompt, ["perplexity", "openai"], is_streamed=is_streamed)
    assert told == "fine"


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_who_has_no_price_is_passed_over(is_streamed):
    gemini = ScriptedProvider(then="never")
    manager = chain(
        service("gemini", gemini, price=None), service("openai", ScriptedProvider(then="fine"))
    )
    told = await answer(manager, "?", ["gemini", "openai"], is_streamed=is_streamed)
    assert (told, gemini.requests) == ("fine", [])


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_who_is_last_says_what_it_lacks(is_streamed):
    manager = chain(service("perplexity"))
    with pytest.raises(InvalidRequestError, match="perplexity knows no tools") as caught:
        await answer(manager, Prompt("?", tools=[TIME]), ["perplexity"], is_streamed=is_streamed)
    assert caught.value.__notes__ == ["before it, claude: it is down; try again later"]


async def test_what_is_wrong_everywhere_still_ends_the_chain():
    openai = ScriptedProvider(then="never")
    wrong = InvalidRequestError("gemini", "the service does not accept it", usage=NOTHING)
    manager = chain(service("gemini", ScriptedProvider(then=wrong)), service("openai", openai))
    with pytest.raises(InvalidRequestError, match="does not accept"):
        await manager.ask("claude", "?", fallback=["gemini", "openai"])
    assert openai.requests == []
