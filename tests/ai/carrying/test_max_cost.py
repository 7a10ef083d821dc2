"""`max_cost` bounds what a call costs in the end: attempts, fallbacks and all."""

from dataclasses import replace
from decimal import Decimal

import pytest

from koo.ai import (
    NOTHING,
    AIManager,
    Completion,
    Estimate,
    Image,
    Message,
    Prompt,
    TokenPrice,
    Usage,
)
from koo.errors import (
    BudgetExhausted,
    InvalidRequestError,
    ServiceRejected,
    ServiceTimeoutError,
    ServiceUnavailableError,
)
from koo.resilience import RetryConfig
from koo.testing import After, ScriptedProvider, running_clock

from ..streaming.conftest import read

#: What "ten bytes." with max_tokens=10 can cost at 0.001 and 0.002 USD a token.
WORST = Decimal("0.03")


def asked(max_cost, **more):
    return Prompt("ten bytes.", max_tokens=10, max_cost=Decimal(max_cost), **more)


def answer(taken, given):
    return Completion("x", "m", "stop", Usage(taken, given))


async def test_what_could_cost_more_is_refused_unsent(serve, own_price):
    provider = ScriptedProvider()
    service = serve(provider, **own_price)
    with pytest.raises(ServiceRejected) as caught:
        await service.query(asked("0.029999999"))
    assert str(caught.value) == (
        "lab: too dear (it could cost 0.03 USD, and max_cost leaves 0.029999999);"
        " allow more as max_cost, or ask for less"
    )
    assert isinstance(caught.value.__cause__, BudgetExhausted)
    assert caught.value.retry_after is None
    assert (provider.requests, caught.value.usage) == ([], NOTHING)
    assert service.report().value("budget.spent") == 0
    assert service.report().value("limit.used", window="minute") == 0


async def test_what_can_not_is_sent_and_costs_what_it_costs(serve, own_price):
    service = serve(ScriptedProvider(then=answer(2, 3)), **own_price)
    assert await service.query(asked(WORST)) == "x"
    assert service.report().value("budget.spent") == 8 * 10**6
    assert await service.query(Prompt("ten bytes.", max_tokens=10)) == "x"


async def test_a_stream_is_bounded_too(serve, own_price):
    provider = ScriptedProvider(then="fine words")
    service = serve(provider, **own_price)
    _, error = await read(service.stream(asked("0.02")))
    assert isinstance(error, ServiceRejected)
    assert provider.requests == []
    assert await read(service.stream(asked(WORST))) == (["fine", " words"], None)


DOWN = ServiceUnavailableError("lab", "it is down", usage=NOTHING)
RETRY = RetryConfig(max_retries=3)


async def test_an_attempt_that_cost_nothing_leaves_all_of_it(serve, own_price):
    provider = ScriptedProvider(DOWN, DOWN, answer(1, 1))
    service = serve(provider, **own_price, retry=RETRY, retry_budget=False, timeout=600.0)
    assert await service.query(asked(WORST)) == "x"
    assert len(provider.requests) == 3


async def test_an_attempt_of_unknown_cost_leaves_nothing_for_another(serve, own_price):
    """The first may have been billed in full: with a second the call could cost twice its most."""
    provider = ScriptedProvider(After(50, "late"), answer(1, 1))
    service = serve(
        provider, **own_price, retry=RETRY, retry_budget=False, timeout=600.0, attempt_timeout=5.0
    )
    with pytest.raises(ServiceTimeoutError) as caught:
        await service.query(asked("0.05"))
    assert len(provider.requests) == 1
    assert any("max_cost leaves 0.02" in note for note in _notes(caught.value))
    assert service.report().value("budget.spent") == 30 * 10**6


async def test_with_enough_for_two_it_is_tried_twice(serve, own_price):
    provider = ScriptedProvider(After(50, "late"), answer(1, 1))
    service = serve(
        provider, **own_price, retry=RETRY, retry_budget=False, timeout=600.0, attempt_timeout=5.0
    )
    assert await service.query(asked("0.06")) == "x"


def _notes(error):
    while error is not None:
        yield from getattr(error, "__notes__", ())
        error = error.__cause__


# -- among several ---------------------------------------------------------------------------


@pytest.fixture
def among(serve):
    """A manager of three services, each ten times as dear as the next, and their providers."""

    def among(*scripts):
        prices = {"dear": 10_000, "fair": 1_000, "cheap": 100}
        providers = [ScriptedProvider(*script) for script in scripts]
        services = [
            serve(
                provider,
                name=name,
                model="m",
                base_url="http://127.0.0.1:1/v1",
                price=TokenPrice(Decimal(usd), Decimal(usd)),
                retry=RetryConfig(max_retries=0),
            )
            for provider, (name, usd) in zip(providers, prices.items(), strict=True)
        ]
        return AIManager(services, clock=running_clock()), providers

    return among


def sent(providers):
    return [len(provider.requests) for provider in providers]


async def test_who_is_too_dear_is_replaced_by_who_is_not(among):
    manager, providers = among([], [answer(1, 1)], [])
    response = await manager.ask("dear", asked("0.02"), fallback=["fair", "cheap"])
    assert (response.service, sent(providers)) == ("fair", [0, 1, 0])


async def test_all_of_them_are_paid_from_one_purse(among):
    """The first may have cost its most, so the second, as dear as what is left, is not asked."""
    lost = ServiceUnavailableError("dear", "it broke off")
    manager, providers = among([lost], [answer(1, 1)], [answer(1, 1)])
    response = await manager.ask("dear", asked("0.21"), fallback=["fair", "cheap"])
    assert (response.service, sent(providers)) == ("cheap", [1, 0, 1])


async def test_what_another_gate_refuses_has_cost_nothing(among):
    manager, providers = among([], [answer(1, 1)], [])
    manager.find("dear")._breaker.isolate("by hand")
    response = await manager.ask("dear", asked("0.2"), fallback=["fair", "cheap"])
    assert (response.service, sent(providers)) == ("fair", [0, 1, 0])


async def test_a_stream_that_is_too_dear_is_replaced_too(among):
    manager, providers = among([], ["fine words"], [])
    stream = manager.stream("dear", asked("0.02"), fallback=["fair", "cheap"])
    assert await read(stream) == (["fine", " words"], None)
    assert (stream.service, sent(providers)) == ("fair", [0, 1, 0])


# -- what has no upper bound -----------------------------------------------------------------

PICTURE = Prompt([Message.user("?", Image("https://example.com/cat.png"))], max_tokens=10)


class Unbounded(ScriptedProvider):
    """A vendor that does not say what a picture is billed as."""

    def prepare(self, question):
        unbounded = ("images",) if question.prompt.images else ()
        return replace(super().prepare(question), unbounded=unbounded)


async def test_what_has_no_upper_bound_needs_a_max_cost(serve, own_price):
    provider = Unbounded(then=answer(40, 1))
    service = serve(provider, **own_price)
    with pytest.raises(InvalidRequestError, match=r"bound \(images\); say the most .* max_cost"):
        await service.query(PICTURE)
    assert provider.requests == []
    assert await service.query(replace(PICTURE, max_cost=Decimal(1))) == "x"
    assert service.report().value("budget.spent") == 42 * 10**6


async def test_all_of_its_max_cost_is_reserved(serve, own_price):
    service = serve(Unbounded(After(9, answer(1, 1))), **own_price)
    stream = service.stream(replace(PICTURE, max_cost=Decimal("0.5")))
    service_budget = []
    pieces, error = await read(_watched(stream, service, service_budget))
    assert (pieces, error) == (["x"], None)
    assert service_budget == [500 * 10**6]


async def _watched(stream, service, seen):
    async for piece in stream:
        seen.append(service.report().value("budget.reserved"))
        yield piece


async def test_what_is_known_of_it_may_be_too_dear_already(serve, own_price):
    provider = Unbounded()
    with pytest.raises(ServiceRejected, match="too dear"):
        await serve(provider, **own_price).query(replace(PICTURE, max_cost=Decimal("0.02")))
    assert provider.requests == []


async def test_a_model_that_thinks_unseen_is_asked_within_a_max_cost(serve):
    provider = ScriptedProvider(then="x")
    service = serve(provider, name="perplexity")
    thinking = Prompt("?", model="sonar-deep-research")
    with pytest.raises(InvalidRequestError, match="as max_cost, or choose another model"):
        await service.query(thinking)
    assert await service.query(Prompt("?", model="sonar-deep-research", max_cost=Decimal(2))) == "x"


# -- beside an SDK ---------------------------------------------------------------------------


async def test_a_call_by_an_sdk_is_bounded_too(serve, own_price):
    service = serve(ScriptedProvider(), **own_price)
    dear = Estimate(input_tokens=10, output_tokens=10, max_cost=Decimal("0.02"))
    with pytest.raises(ServiceRejected, match="too dear"):
        async with service.permit(dear):
            pytest.fail("it was let in")
    fair = Estimate.of({"model": "m"}, max_tokens=10, max_cost=Decimal("0.1"))
    async with service.permit(fair) as call:
        call.settle(Usage(1, 1))
    assert service.report().value("budget.spent") == 3 * 10**6


@pytest.mark.parametrize("cost", [0.1, Decimal(-1), "1"])
def test_an_estimate_has_a_max_cost_that_can_be_one(cost):
    with pytest.raises(ValueError, match="^Estimate: max_cost must be USD above 0"):
        Estimate(input_tokens=1, output_tokens=1, max_cost=cost)
