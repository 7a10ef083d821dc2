"""A usage of nulls or of zeros beside a text was debited as zero, so a budget had no end."""

from decimal import Decimal

import pytest

from koo.ai import Estimate, TokenPrice

from ...ai.vendor import (
    MOST,
    TEXT,
    candidates,
    chat,
    chat_events,
    heard,
    message,
    message_events,
    response,
    response_events,
    served,
)

pytestmark = pytest.mark.integration

PRICE = TokenPrice(Decimal(1), Decimal(10))
#: What the output alone may cost, in nano-dollars.
ALL_OUTPUT = MOST * 10_000
LAB = {"price": PRICE, "model": "no-such-model"}
NOBODY_COUNTED = {"prompt_tokens": None, "completion_tokens": None}
ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
UNCOUNTED = [
    *(
        (name, form(usage))
        for name in ("openai", "groq", "perplexity")
        for form in (chat, chat_events)
        for usage in (NOBODY_COUNTED, ZEROS, {"prompt_tokens": 20, "completion_tokens": 0})
    ),
    *(
        ("claude", form(usage))
        for form in (message, message_events)
        for usage in (
            {"input_tokens": None, "output_tokens": None},
            {"input_tokens": 0, "output_tokens": 0},
            {"input_tokens": 20, "output_tokens": None},
            {"input_tokens": True, "output_tokens": 1},
        )
    ),
    *(
        ("openai-responses", form(usage))
        for form in (response, response_events)
        for usage in (
            {"input_tokens": None, "output_tokens": None},
            {"input_tokens": 0, "output_tokens": 0},
        )
    ),
    *(
        ("gemini", form(candidates(usage)))
        for form in (dict, lambda whole: [whole])
        for usage in (
            {"promptTokenCount": None},
            {"promptTokenCount": 20},
            {"promptTokenCount": 20, "candidatesTokenCount": None},
            {"promptTokenCount": 0, "candidatesTokenCount": 0},
        )
    ),
]


@pytest.mark.parametrize(("name", "said"), UNCOUNTED)
async def test_a_text_that_nobody_counted_costs_all_that_was_reserved(name, said):
    async with served(name, said, **LAB) as service:
        assert await heard(service, said) == TEXT
        report = service.report()
    assert report.value("budget.spent") > ALL_OUTPUT
    assert report.value("unbilled_total") == 1


@pytest.mark.parametrize(
    ("name", "said", "cost"),
    [
        ("groq", chat({"prompt_tokens": 20, "completion_tokens": 1}), 30_000),
        ("groq", chat({**ZEROS, "cost": 0}), 0),
        ("claude", message_events({"input_tokens": 20, "output_tokens": 1}), 30_000),
        ("gemini", candidates({"promptTokenCount": 20, "thoughtsTokenCount": 3}), 50_000),
        ("gemini", candidates({"promptTokenCount": 20}, text=""), 20_000),
    ],
)
async def test_what_somebody_counted_costs_that(name, said, cost):
    async with served(name, said, **LAB) as service:
        await heard(service, said)
        report = service.report()
    assert report.value("budget.spent") == cost
    assert report.value("unbilled_total") == 0


@pytest.mark.parametrize("settled", [chat(ZEROS), chat(NOBODY_COUNTED), ZEROS, NOBODY_COUNTED])
async def test_an_sdks_answer_that_nobody_counted_costs_all_that_was_reserved(settled):
    async with served("groq", {}, **LAB) as service:
        async with service.permit(Estimate(input_tokens=10, output_tokens=MOST)) as call:
            call.settle(settled)
        assert call.usage is None
        assert service.report().value("budget.spent") == ALL_OUTPUT + 10_000
