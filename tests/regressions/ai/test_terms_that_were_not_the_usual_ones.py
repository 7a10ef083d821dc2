"""Answers of a faster tier, or of another region, were billed as if they were the usual ones."""

from datetime import time
from decimal import Decimal

import pytest
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    TimeOfDateConstraint,
)

from koo.ai import Estimate, TokenPrice, Usage
from koo.ai.pricing.compiler import compile_price, price_of
from koo.ai.providers import Gemini

from ...ai.vendor import (
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

PRIORITY = (("service_tier", "priority"),)
#: By gpt-6.1-terra: 1 and 5 USD per million tokens, at twice the price with priority.
USUAL, DOUBLE, HALF = 1_000 * 10 + 5_000 * 20, 2 * (1_000 * 10 + 5_000 * 20), 55_000
CHAT = {"prompt_tokens": 10, "completion_tokens": 20}
RESPONSE = {"input_tokens": 10, "output_tokens": 20}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "form", "usage"),
    [
        ("openai", chat, CHAT),
        ("openai", chat_events, CHAT),
        ("openai-responses", response, RESPONSE),
        ("openai-responses", response_events, RESPONSE),
    ],
)
@pytest.mark.parametrize(
    ("tier", "cost"),
    [("priority", DOUBLE), ("flex", HALF), ("default", USUAL), (None, USUAL)],
)
async def test_a_tier_has_its_own_price(name, form, usage, tier, cost):
    said = form(usage, service_tier=tier)
    async with served(name, said, model="gpt-6.1-terra") as service:
        await heard(service, said)
        assert service.report().value("budget.spent") == cost


@pytest.mark.integration
@pytest.mark.parametrize("form", [message, message_events])
@pytest.mark.parametrize(
    ("told", "cost"),
    [
        ({"speed": "fast"}, 16_000 * 10 + 80_000 * 20),
        ({"service_tier": "batch"}, 4_000 * 10 + 20_000 * 20),
        ({"speed": "standard", "service_tier": "standard"}, 8_000 * 10 + 40_000 * 20),
        ({"inference_geo": "global"}, 8_000 * 10 + 40_000 * 20),
        ({"inference_geo": "not_available"}, 8_000 * 10 + 40_000 * 20),
        ({"inference_geo": "us"}, 8_800 * 10 + 44_000 * 20),
        ({"inference_geo": "us", "speed": "fast"}, 17_600 * 10 + 88_000 * 20),
        (
            {"inference_geo": "us", "server_tool_use": {"web_search_requests": 1}},
            10**7 + 8_800 * 10 + 44_000 * 20,
        ),
    ],
)
async def test_a_speed_has_its_own_price(form, told, cost):
    said = form({**RESPONSE, **told})
    async with served("claude", said, model="claude-fable-5-2") as service:
        await heard(service, said)
        assert service.report().value("budget.spent") == cost


@pytest.mark.integration
async def test_a_tier_of_geminis_has_its_own_price():
    counts = {"promptTokenCount": 10, "candidatesTokenCount": 20}
    spent = []
    for tier in ("standard", "priority"):
        said = candidates({**counts, "serviceTier": tier})
        async with served("gemini", said, model="gemini-3.8-flash-tts") as service:
            await heard(service, said)
            spent.append(service.report().value("budget.spent"))
    assert spent[1] > spent[0] > 0


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openai", chat(CHAT, service_tier="scale")),
        ("openai", chat_events(CHAT, service_tier="scale")),
        ("claude", message({**RESPONSE, "service_tier": "priority"})),
        ("claude", message_events({**RESPONSE, "inference_geo": "eu"})),
        ("claude", message({**RESPONSE, "inference_geo": "us", "speed": "fast"})),
    ],
)
async def test_on_terms_that_nobody_has_a_price_for_all_that_was_reserved_is_debited(name, said):
    async with served(name, said) as service:
        await heard(service, said)
        report = service.report()
        assert report.value("budget.spent") > 100 * 10_000 - 1
        assert report.value("unbilled_total") == 1


@pytest.mark.integration
async def test_a_price_of_ones_own_holds_on_all_terms():
    said = chat(CHAT, service_tier="scale")
    own = TokenPrice(Decimal(1), Decimal(10))
    async with served("openai", said, price=own) as service:
        await heard(service, said)
        assert service.report().value("budget.spent") == 210_000


@pytest.mark.integration
@pytest.mark.parametrize(
    "settled",
    [
        {"usage": CHAT, "service_tier": "priority"},
        {"choices": [], "usage": CHAT, "service_tier": "priority"},
        chat(CHAT, service_tier="priority"),
        Usage(10, 20, terms=PRIORITY),
    ],
)
async def test_an_sdks_answer_has_its_tiers_price(settled):
    async with served("openai", {}, model="gpt-6.1-terra") as service:
        async with service.permit(Estimate(input_tokens=10, output_tokens=20)) as call:
            assert service.report().value("budget.reserved") >= DOUBLE
            call.settle(settled)
        assert service.report().value("budget.spent") == DOUBLE


@pytest.mark.integration
async def test_the_bare_usage_of_an_sdk_has_its_speeds_price():
    async with served("claude", {}, model="claude-fable-5-2") as service:
        async with service.permit(Estimate(input_tokens=10, output_tokens=20)) as call:
            call.settle({**RESPONSE, "speed": "fast"})
        assert service.report().value("budget.spent") == 16_000 * 10 + 80_000 * 20


def test_the_dearest_terms_are_reserved_for():
    price = compile_price("openai", "gpt-6.1-terra", "")
    dearest = price.bill(Usage(10, 20, terms=PRIORITY), 0.0).nanousd
    assert dearest == DOUBLE
    assert price.bound(10, 20, 0.0, 1.0) >= dearest


def test_the_region_that_a_workspace_may_have_chosen_is_reserved_for():
    price = compile_price("anthropic", "claude-sonnet-5-5", "")
    elsewhere = Usage(1000, 100, terms=(("inference_geo", "us"),))
    dearest = price.bill(elsewhere, 0.0).nanousd
    assert dearest == 11 * price.bill(Usage(1000, 100), 0.0).nanousd // 10
    assert price.bound(1000, 100, 0.0, 1.0) >= dearest


def test_a_tier_whose_price_begins_some_day_has_the_usual_one_before():
    price = compile_price("openai", "gpt-4.1", "")
    usage = Usage(10**6, 0, terms=PRIORITY)
    long_ago, now = 1_700_000_000.0, 1_800_000_000.0
    usual = price.bill(Usage(10**6, 0), long_ago).nanousd
    assert price.bill(usage, long_ago).nanousd == usual
    assert price.bill(usage, now).nanousd > usual


@pytest.mark.parametrize("where", ["prices", "variants"])
def test_terms_that_hang_on_the_hour_are_not_guessed(where):
    night = TimeOfDateConstraint(start_time=time(1), end_time=time(5))
    usual, half = ModelPrice(input_mtok=Decimal(2)), ModelPrice(input_mtok=Decimal(1))
    model = ModelInfo(
        id="owl",
        match=None,
        prices=[
            ConditionalPrice(prices=usual),
            *([ConditionalPrice(constraint=night, prices=half)] if where == "prices" else []),
        ],
        price_variants=[
            PriceVariant(
                {"service_tier": "priority"},
                half,
                constraint=night if where == "variants" else None,
            )
        ],
    )
    price = price_of(model, "owl")
    assert price.bill(Usage(1, 0), 0.0).nanousd == 2_000
    assert price.bill(Usage(1, 0, terms=PRIORITY), 0.0) is None


@pytest.mark.parametrize("tier", ["SERVICE_TIER_UNSPECIFIED", "unspecified", "STANDARD"])
def test_a_tier_that_nobody_has_chosen_is_the_usual_one(tier):
    """It had no price, so all that was reserved was debited."""
    assert Gemini().terms({"usageMetadata": {"serviceTier": tier}}) == ()
