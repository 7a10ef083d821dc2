"""Another service instead of one that fails, or whose answer will not do."""

import asyncio
from decimal import Decimal

import pytest

from koo.ai import NOTHING, AIManager, Completion, Prompt, Response, Usage, is_worth_another
from koo.errors import (
    ContentRefusedError,
    ContextTooLongError,
    ExternalServiceError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServiceRejected,
    ServiceTimeoutError,
    ServiceUnavailableError,
)
from koo.resilience import RetryConfig
from koo.testing import After, ScriptedProvider, running_clock

NAMES = ("claude", "openai", "gemini")
ONCE = RetryConfig(max_retries=0)
CUT_OFF = Completion("fine, but", "m", "length", Usage(1, 1), "req_1")


@pytest.fixture
def among(serve):
    """A function that makes a manager of three services, each with a script."""

    def among(*lines, **settings):
        providers = [ScriptedProvider(then=line, clock=running_clock()) for line in lines]
        services = [
            serve(provider, name=name, **{"retry": ONCE, **settings})
            for name, provider in zip(NAMES, providers, strict=False)
        ]
        return AIManager(services, clock=running_clock()), providers

    return among


def failed(error=ServiceUnavailableError, **more):
    return error("claude", "it failed; try again", **{"usage": NOTHING, **more})


def sent(providers):
    return [len(provider.requests) for provider in providers]


async def ask(manager, **more):
    asked = {name: more.pop(name) for name in ("model", "system", "max_tokens") if name in more}
    return await manager.ask("claude", Prompt("Why?", **asked), **{"fallback": NAMES[1:], **more})


@pytest.mark.parametrize(
    "line",
    [
        failed(),
        failed(QuotaExceededError),
        failed(RateLimitError, retry_after=999.0),
        failed(ContentRefusedError),
        failed(ContextTooLongError),
        KeyError(),
    ],
)
async def test_what_fails_is_replaced_by_the_next(among, line):
    manager, providers = among(line, "fine", "never")
    response = await ask(manager, model="claude-opus-5")
    assert (response.text, response.service) == ("fine", "openai")
    assert response.model == manager.services["openai"].config.model
    assert sent(providers) == [1, 1, 0]
    assert providers[0].requests[0].question.model == "claude-opus-5"


async def test_a_query_falls_back_too(among):
    manager, _ = among(failed(), "fine")
    assert await manager.query("claude", "Why?", fallback=["openai"]) == "fine"


async def test_a_service_that_refuses_by_itself_is_replaced(among):
    manager, providers = among("never", "fine")
    manager.services["claude"]._breaker.isolate("by hand")
    assert (await ask(manager, fallback=["openai"])).text == "fine"
    assert sent(providers) == [0, 1]


async def test_without_a_fallback_nobody_else_is_asked(among):
    manager, providers = among(failed(), "never")
    with pytest.raises(ServiceUnavailableError):
        await manager.ask("claude", "Why?")
    assert sent(providers) == [1, 0]


@pytest.mark.parametrize("question", [{"max_tokens": 0}, {"timeout": -1}, {"system": 5}])
async def test_a_question_that_nobody_could_answer_is_put_to_nobody(among, question):
    manager, providers = among("never", "never")
    with pytest.raises(InvalidRequestError):
        await ask(manager, fallback=["openai"], **question)
    assert sent(providers) == [0, 0]


async def test_a_request_that_one_calls_wrong_is_not_sent_to_the_next(among):
    manager, providers = among(failed(InvalidRequestError), "never")
    with pytest.raises(InvalidRequestError):
        await ask(manager, fallback=["openai"])
    assert sent(providers) == [1, 0]


async def test_the_last_error_names_those_before_it(among):
    manager, _ = among(failed(), failed(RateLimitError), failed(QuotaExceededError))
    with pytest.raises(QuotaExceededError) as caught:
        await ask(manager)
    assert [note.partition(",")[0] for note in caught.value.__notes__] == ["before it"] * 2


def only_rate_limits(found):
    return isinstance(found, RateLimitError)


async def test_who_says_after_which_error_is_obeyed(among):
    manager, providers = among(failed(), "never")
    with pytest.raises(ServiceUnavailableError):
        await ask(manager, fallback=["openai"], fallback_on=only_rate_limits)
    assert sent(providers) == [1, 0]
    manager, _ = among(failed(RateLimitError), "fine")
    assert (await ask(manager, fallback=["openai"], fallback_on=only_rate_limits)).text == "fine"


async def test_a_stream_obeys_it_too(among):
    manager, providers = among(failed(), "never")
    stream = manager.stream("claude", "Why?", fallback=["openai"], fallback_on=only_rate_limits)
    with pytest.raises(ServiceUnavailableError):
        await anext(stream)
    assert sent(providers) == [1, 0]


def or_cut_off(found):
    return is_worth_another(found) or (isinstance(found, Response) and found.is_cut_off)


async def test_an_answer_that_will_not_do_is_replaced_and_paid_for(among):
    manager, _ = among(CUT_OFF, "fine")
    assert (await ask(manager, fallback=["openai"], fallback_on=or_cut_off)).text == "fine"
    assert all(one.report().value("budget.spent") for one in manager.services.values())


@pytest.mark.parametrize("last", [CUT_OFF, failed()])
async def test_if_none_will_do_the_last_answer_counts(among, last):
    manager, _ = among(CUT_OFF, last)
    response = await ask(manager, fallback=["openai"], fallback_on=or_cut_off)
    assert response.is_cut_off
    assert response.service == ("openai" if last is CUT_OFF else "claude")


async def test_each_has_an_equal_share_of_the_time_that_is_left(among):
    manager, _ = among(*[After(60.0, "late")] * 3)
    with pytest.raises(ServiceTimeoutError):
        await ask(manager, timeout=30.0)
    assert running_clock().monotonic() == pytest.approx(30.0, abs=0.05)
    shares = [one.report().distribution("response_time") for one in manager.services.values()]
    assert [share.count for share in shares] == [1, 1, 1]


async def test_who_is_late_leaves_nothing_and_nobody_else_is_asked(among):
    manager, providers = among(After(60.0, "late"), "never")
    original = manager.services["claude"].answer

    async def slow(prompt, timeout):
        try:
            return await original(prompt, timeout)
        finally:
            await asyncio.sleep(99)

    manager.services["claude"].answer = slow
    with pytest.raises(ServiceTimeoutError):
        await ask(manager, fallback=["openai"], timeout=10.0)
    assert sent(providers) == [1, 0]


async def test_a_spent_budget_passes_the_call_on(among):
    manager, _ = among("never", "fine")
    spent = among("never", daily_budget_nanousd=0)[0].services["claude"]
    manager = AIManager([spent, manager.services["openai"]], clock=running_clock())
    assert (await ask(manager, fallback=["openai"])).service == "openai"
    with pytest.raises(ServiceRejected, match="budget"):
        await manager.ask("claude", "Why?")


async def test_an_answer_tells_where_it_comes_from(among):
    usage = Usage(1, 2)
    answer = Completion("fine", "m", "stop", usage, "req_7")
    manager, _ = among(answer)
    response = await manager.ask("claude", "Why?")
    assert (response.request_id, response.finish, response.attempts) == ("req_7", "stop", 1)
    assert response.waited == 0.0
    assert response.usage.tokens == 3
    assert response.cost_usd == Decimal(response.usage.nanousd) / 10**9 > 0
    assert not response.is_cut_off


async def test_an_answer_tells_of_its_attempts_and_of_its_waiting(serve):
    manager = AIManager([serve(ScriptedProvider(failed(), "fine"))])
    response = await manager.ask("claude", "Why?")
    assert response.attempts == 2
    assert response.waited > 0


async def test_what_nobody_counted_has_no_cost(among):
    manager, _ = among(Completion("fine", "m", "stop", None, None))
    assert (await manager.ask("claude", "Why?")).cost_usd is None
    assert Response("", "s", "m", "stop", Usage(1, 1), None, 1, 0.0).cost_usd is None


async def test_an_unknown_service_is_named_before_anybody_is_asked(among):
    manager, providers = among("never")
    with pytest.raises(ExternalServiceError, match="no such service"):
        await ask(manager, fallback=["nobody"])
    assert sent(providers) == [0]
