"""Models that search unasked were sent without max_cost, and what they searched for was free."""

from decimal import Decimal

import pytest

from koo.ai import Prompt, TokenPrice, Usage
from koo.ai.pricing.compiler import compile_price
from koo.ai.pricing.searches import searches_unasked
from koo.errors import InvalidRequestError

from ...ai.vendor import chat, served

COUNTS = {"prompt_tokens": 10, "completion_tokens": 20}
SEARCHERS = [
    ("openai", "gpt-4o-search-preview"),
    ("openai", "gpt-4o-mini-search-preview"),
    ("openai", "gpt-5-search-api"),
    ("openai", "o3-deep-research"),
    ("openai", "o4-mini-deep-research"),
    ("openrouter", "perplexity/sonar"),
    ("openrouter", "perplexity/sonar-pro"),
    ("openrouter", "openai/gpt-4o-search-preview"),
    ("perplexity", "sonar-pro-search"),
    ("perplexity", "sonar-deep-research"),
]
OTHERS = ["gpt-4o", "nousresearch/hermes-4-70b", "bytedance-research/ui-tars-72b:free", "o3"]
MAX_COST = Decimal("0.05")
#: In nano-dollars.
ALL = 5 * 10**7


@pytest.mark.integration
@pytest.mark.parametrize(("name", "model"), SEARCHERS)
async def test_a_model_that_searches_is_not_sent_without_a_max_cost(name, model):
    async with served(name, chat(COUNTS), model=model) as service:
        with pytest.raises(InvalidRequestError, match=r"no upper bound .*web_searches.*max_cost"):
            await service.query("why?")
        assert service.report().value("budget.spent") == 0


@pytest.mark.integration
@pytest.mark.parametrize(
    ("told", "cost"),
    [
        ({}, ALL),
        ({"cost": 0.03}, 30_000_000),
    ],
)
async def test_searches_that_nobody_counts_cost_all_of_max_cost(told, cost):
    said = chat({**COUNTS, **told})
    async with served("openrouter", said, model="perplexity/sonar-pro") as service:
        await service.query(Prompt("why?", max_cost=MAX_COST))
        assert service.report().value("budget.spent") == cost


@pytest.mark.integration
async def test_a_price_of_ones_own_does_not_bound_them():
    own = {"model": "sonar-next", "price": TokenPrice(Decimal(1), Decimal(10))}
    async with served("perplexity", chat(COUNTS), **own) as service:
        with pytest.raises(InvalidRequestError, match="max_cost"):
            await service.query("why?")
        await service.query(Prompt("why?", max_cost=MAX_COST))
        assert service.report().value("budget.spent") == ALL


@pytest.mark.parametrize("model", ["openai/gpt-4o:online", "groq/compound", "compound-beta"])
def test_a_search_may_be_an_addition_or_a_part(model):
    assert searches_unasked(model)


@pytest.mark.parametrize("model", OTHERS)
def test_a_model_that_is_only_called_so_needs_no_max_cost(model):
    assert not searches_unasked(model)


def test_counted_searches_have_their_price():
    price = compile_price("openai", "o3-deep-research", "")
    assert price.bill(Usage(0, 0, (("web_searches", 3),)), 0.0).nanousd == 3 * 10**7


def test_counted_searches_without_a_price_are_not_free():
    price = compile_price("openrouter", "openai/gpt-4o", "")
    assert price.bill(Usage(0, 0, (("web_searches", 3),)), 0.0) is None


def test_a_fee_for_each_request_pays_for_its_searches():
    price = compile_price("perplexity", "sonar-pro", "")
    assert price.unbounded == ()
    assert price.bill(Usage(0, 0, (("web_searches", 3),)), 0.0).nanousd == 14_000_000
