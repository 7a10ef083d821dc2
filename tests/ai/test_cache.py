"""An answer serves again to the very same request, for a while, and to no other."""

from dataclasses import replace
from decimal import Decimal

import pytest

from koo.ai import AIManager, CacheConfig, Completion, Image, Message, Prompt, Tool, Usage
from koo.ai.questions import put
from koo.errors import ApiKeyError, InvalidRequestError, ServiceRejected, ServiceUnavailableError
from koo.resilience import Health, RetryConfig
from koo.testing import ScriptedProvider, running_clock

WHOLE = Completion(
    "Because.", "m", "stop", Usage(10, 5), "req_1", raw={"cost": Decimal("0.5"), "of": []}
)
QUESTION = "secret question"
TTL = CacheConfig(60.0)


class Worded(ScriptedProvider):
    """Its body holds all that a vendor's would."""

    def prepare(self, question):
        request = super().prepare(question)
        shown = replace(question.prompt, max_cost=None)
        body = repr((shown, question.model, question.max_tokens))
        return replace(request, body=body.encode())


@pytest.fixture
def keeping(serve, own_price):
    """A manager of one service called lab that keeps its answers, and its provider."""

    def keeping(*script, cache=TTL, **settings):
        provider = Worded(*script, then=WHOLE)
        return AIManager([serve(provider, **{**own_price, "cache": cache, **settings})]), provider

    return keeping


def value(manager, name, **labels):
    return manager.services["lab"].report().value(name, **labels)


async def test_an_equal_request_is_answered_at_no_cost_and_not_sent(keeping):
    manager, provider = keeping()
    first, again = [await manager.ask("lab", QUESTION) for _ in range(2)]
    assert len(provider.requests) == 1
    assert not first.is_cached
    assert again.is_cached
    assert again == replace(first, usage=Usage(nanousd=0), attempts=0, waited=0.0, is_cached=True)
    assert (again.raw, again.cost_usd) == (first.raw, 0)
    assert value(manager, "budget.spent") == first.usage.nanousd
    assert value(manager, "answers_total", model="m") == 1
    assert value(manager, "limit.used", window="minute") == 1
    assert value(manager, "requests_total") == value(manager, "successes_total") == 2
    assert (value(manager, "cache.hits_total"), value(manager, "cache.misses_total")) == (1, 1)


async def test_by_itself_nothing_is_kept(keeping):
    manager, provider = keeping(cache=None)
    for _ in range(2):
        await manager.query("lab", QUESTION)
    assert len(provider.requests) == 2
    assert manager.services["lab"].report().reading("cache.hits_total") is None


@pytest.mark.parametrize(
    "other",
    [
        {"messages": "another question"},
        {"system": "Be brief."},
        {"model": "n"},
        {"max_tokens": 7},
        {"temperature": 0.5},
        {"schema": {"type": "object"}},
        {"messages": [Message.user(QUESTION, Image(b"\x89PNG\r\n\x1a\n"))]},
    ],
)
async def test_another_request_is_sent(keeping, other):
    manager, provider = keeping()
    await manager.query("lab", QUESTION)
    for _ in range(2):
        await manager.query("lab", Prompt(**{"messages": QUESTION, **other}))
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(QUESTION, tools=[Tool("f", "?")]),
        Prompt([Message.user(QUESTION, Image("https://example.com/now.png"))]),
    ],
)
async def test_what_may_be_another_the_next_time_is_sent_each_time(keeping, prompt):
    manager, provider = keeping()
    for _ in range(2):
        assert not (await manager.ask("lab", prompt)).is_cached
    assert len(provider.requests) == 2
    assert value(manager, "cache.misses_total") == 0


@pytest.mark.parametrize("line", [replace(WHOLE, finish="length"), replace(WHOLE, text="")])
async def test_what_did_not_end_well_is_not_kept(keeping, line):
    manager, provider = keeping(line)
    for _ in range(2):
        await manager.query("lab", QUESTION)
    assert len(provider.requests) == 2


async def test_an_error_is_not_kept(keeping):
    manager, provider = keeping(
        ServiceUnavailableError("lab", "down"), retry=RetryConfig(max_retries=0)
    )
    with pytest.raises(ServiceUnavailableError):
        await manager.query("lab", QUESTION)
    assert await manager.query("lab", QUESTION) == "Because."
    assert len(provider.requests) == 2


async def test_a_stream_is_neither_kept_nor_served(keeping):
    manager, provider = keeping()
    for _ in range(2):
        assert [text async for text in manager.stream("lab", QUESTION)]
    await manager.query("lab", QUESTION)
    assert [text async for text in manager.stream("lab", QUESTION)]
    assert len(provider.requests) == 4


async def test_after_its_time_an_answer_is_asked_for_anew(keeping):
    manager, provider = keeping()
    await manager.query("lab", QUESTION)
    await running_clock().sleep(59.9)
    assert (await manager.ask("lab", QUESTION)).is_cached
    await running_clock().sleep(0.1)
    assert not (await manager.ask("lab", QUESTION)).is_cached
    assert len(provider.requests) == 2
    assert value(manager, "cache.answers") == 1


async def test_of_too_many_the_one_not_asked_for_longest_goes(keeping):
    manager, _ = keeping(cache=CacheConfig(60.0, max_answers=2))
    for question in ("a", "b", "a", "c"):
        await manager.query("lab", question)
    assert value(manager, "cache.answers") == 2
    assert [(await manager.ask("lab", one)).is_cached for one in ("a", "c", "b")] == [
        True,
        True,
        False,
    ]


async def test_so_it_is_of_too_many_bytes(keeping):
    manager, _ = keeping(replace(WHOLE, text="x" * 3000), cache=CacheConfig(60.0, max_bytes=3000))
    await manager.query("lab", "too large")
    assert value(manager, "cache.bytes") == value(manager, "cache.answers") == 0
    for number in range(20):
        await manager.query("lab", f"{number}")
        assert value(manager, "cache.bytes") <= 3000
    assert 1 < value(manager, "cache.answers") < 20


async def test_two_that_were_sent_at_once_are_kept_as_one(keeping):
    manager, provider = keeping()
    service = manager.services["lab"]
    request = provider.prepare(put(QUESTION, service.config))
    response = await manager.ask("lab", QUESTION)
    size = value(manager, "cache.bytes")
    service._cache.keep(request, response)
    assert (value(manager, "cache.answers"), value(manager, "cache.bytes")) == (1, size)


async def test_who_changes_an_answer_changes_no_other(keeping):
    manager, _ = keeping()
    for _ in range(3):
        answer = await manager.ask("lab", QUESTION)
        assert answer.raw["of"] == []
        answer.raw["of"].append("mine")


async def test_it_serves_while_the_circuit_is_open(keeping):
    manager, _ = keeping()
    await manager.query("lab", QUESTION)
    service = manager.services["lab"]
    service._breaker.isolate("by hand")
    assert service.report().state is Health.CIRCUIT_OPEN
    assert (await manager.ask("lab", QUESTION)).is_cached


async def test_but_not_while_the_service_is_taken_out(keeping):
    manager, _ = keeping()
    await manager.query("lab", QUESTION)
    manager.services["lab"].take_out("by hand")
    with pytest.raises(Exception, match="by hand"):
        await manager.query("lab", QUESTION)


async def test_a_hit_does_not_say_that_the_service_is_well(keeping):
    manager, _ = keeping()
    await manager.query("lab", QUESTION)
    answered = value(manager, "last_success_at")
    await running_clock().sleep(30)
    await manager.query("lab", QUESTION)
    assert value(manager, "last_success_at") == answered


async def test_no_prompt_is_held(keeping):
    manager, _ = keeping()
    await manager.query("lab", QUESTION)
    kept = manager.services["lab"]._cache._kept
    assert kept
    assert QUESTION.encode() not in b"".join(key + one.pickled for key, one in kept.items())


@pytest.mark.parametrize(
    "wrong",
    [(0.0,), (float("inf"),), (float("nan"),), (1.0, 0), (1.0, 1, 0)],
)
def test_a_cache_that_keeps_nothing_or_for_ever_is_refused(wrong):
    with pytest.raises(ValueError, match="^CacheConfig: "):
        CacheConfig(*wrong)


async def test_a_wrong_request_is_refused_before_anything_is_looked_up(keeping):
    manager, _ = keeping(api_key=None)
    with pytest.raises(InvalidRequestError):
        await AIManager([keeping()[0].services["lab"]]).query("lab", " ")
    with pytest.raises(ApiKeyError):
        await manager.query("lab", QUESTION)


async def test_it_serves_while_the_day_is_spent(keeping):
    most = (len(repr(Prompt(QUESTION))) + 100) * 10**6 + 10 * 2 * 10**6
    manager, _ = keeping(daily_budget_nanousd=most, max_tokens=10)
    await manager.query("lab", QUESTION)
    with pytest.raises(ServiceRejected, match="daily budget"):
        await manager.query("lab", Prompt("another", max_tokens=1000))
    assert (await manager.ask("lab", QUESTION)).is_cached


def _nested(depth):
    found = []
    for _ in range(depth):
        found = [found]
    return found


async def test_an_answer_nested_too_deeply_to_be_copied_is_answered_and_not_kept(keeping):
    """It was paid for, and raised."""
    manager, provider = keeping(*[replace(WHOLE, raw=_nested(5_000))] * 2)
    for _ in range(2):
        assert (await manager.ask("lab", QUESTION)).text == "Because."
    assert len(provider.requests) == 2
