"""With a key of one's own at OpenRouter only its fee was debited, not what the vendor bills."""

import pytest

from koo.ai.questions import put

from ...ai.vendor import MOST, chat, chat_events, heard, served

pytestmark = pytest.mark.integration

COUNTS = {"prompt_tokens": 1000, "completion_tokens": 50}
UPSTREAM = {"cost_details": {"upstream_inference_cost": 0.02}}
#: In nano-dollars.
FEE, BILL = 10**6, 2 * 10**7


@pytest.mark.parametrize("form", [chat, chat_events])
@pytest.mark.parametrize(
    ("told", "cost"),
    [
        ({"cost": 0, "is_byok": True, **UPSTREAM}, BILL),
        ({"cost": 0.001, "is_byok": True, **UPSTREAM}, FEE + BILL),
        ({"cost": 0.001, **UPSTREAM}, FEE + BILL),
        ({"cost": 0.021, "is_byok": False, **UPSTREAM}, FEE + BILL),
        ({"cost": 0.021, "is_byok": False}, FEE + BILL),
        ({"cost": 0.021}, FEE + BILL),
    ],
)
async def test_what_both_charge_is_debited(form, told, cost):
    said = form({**COUNTS, **told})
    async with served("openrouter", said, model="openai/gpt-4o") as service:
        await heard(service, said)
        assert service.report().value("budget.spent") == cost


async def test_a_bill_that_nobody_names_is_all_that_it_could_be():
    said = chat({**COUNTS, "cost": 0.001, "is_byok": True})
    async with served("openrouter", said, model="openai/gpt-4o") as service:
        await heard(service, said)
        assert service.report().value("budget.spent") > MOST * 10_000
        assert service.report().value("unbilled_total") == 1


@pytest.mark.parametrize(("told", "is_told"), [({"cost": 0.021}, True), ({}, False)])
async def test_a_cost_did_not_say_whose_word_it_is(told, is_told):
    async with served("openrouter", chat({**COUNTS, **told}), model="openai/gpt-4o") as service:
        answer = await service.answer(put("Why?", service.config), None)
    assert answer.cost_usd
    assert answer.usage.is_cost_told is is_told
