"""AI_<SERVICE>_PRICE was ignored for a model that the price table knows."""

from decimal import Decimal

import pytest

from koo.ai import Estimate, Prompt, TokenPrice, Usage

from ...ai.vendor import chat, served

pytestmark = pytest.mark.integration

OWN = {"model": "gpt-6.1-terra", "price": TokenPrice(Decimal(1000), Decimal(2000))}
COUNTS = {"prompt_tokens": 10, "completion_tokens": 20}


async def test_it_is_that_of_the_services_model_whatever_the_table_says():
    async with served("openai", chat(COUNTS), **OWN) as service:
        async with service.permit(Estimate(input_tokens=1000, output_tokens=1000)) as call:
            assert service.report().value("budget.reserved") == 3 * 10**9
            call.settle(Usage(10, 20))
        await service.query("why?")
        assert service.report().value("budget.spent") == 2 * 50 * 10**6


async def test_it_is_not_that_of_another_model_that_the_table_knows():
    async with served("openai", chat(COUNTS), **OWN) as service:
        await service.query(Prompt("why?", model="gpt-4o"))
        assert service.report().value("budget.spent") == 2_500 * 10 + 10_000 * 20


async def test_it_is_that_of_another_model_that_the_table_lacks():
    async with served("openai", chat(COUNTS), **OWN) as service:
        await service.query(Prompt("why?", model="no-such-model"))
        assert service.report().value("budget.spent") == 50 * 10**6
