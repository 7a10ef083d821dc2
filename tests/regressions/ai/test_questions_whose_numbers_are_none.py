"""Numbers that are none were sent to vendors, or raised what no caller of a service expects."""

from decimal import Decimal

import pytest

from koo.ai import AIService, Estimate, Prompt, ServiceConfig
from koo.errors import InvalidRequestError
from koo.testing import ScriptedProvider

HUGE = 10**400


@pytest.fixture
def service():
    return AIService(ServiceConfig(name="claude", api_key="test-key"), ScriptedProvider())


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_cost": Decimal("sNaN")},
        {"max_cost": Decimal("1E+999999")},
        {"max_cost": HUGE},
        {"max_cost": 0.05},
        {"temperature": HUGE},
        {"temperature": True},
        {"max_tokens": HUGE},
        {"max_tokens": True},
    ],
)
async def test_a_number_that_is_none_is_an_invalid_request(service, wrong):
    asked = Prompt("Why?", **wrong)
    with pytest.raises(InvalidRequestError, match=next(iter(wrong))):
        await service.query(asked)
    with pytest.raises(InvalidRequestError, match=next(iter(wrong))):
        await anext(aiter(service.stream(asked)))


@pytest.mark.parametrize("timeout", [True, HUGE, float("nan")])
async def test_a_timeout_that_is_none_is_an_invalid_request(service, timeout):
    with pytest.raises(InvalidRequestError, match="timeout"):
        await service.query("Why?", timeout=timeout)


@pytest.mark.parametrize("wrong", [Decimal("sNaN"), HUGE, Decimal("1E+999999")])
def test_an_estimate_of_such_a_cost_is_refused(wrong):
    with pytest.raises(ValueError, match="max_cost"):
        Estimate(input_tokens=1, output_tokens=1, max_cost=wrong)
