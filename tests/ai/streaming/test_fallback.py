"""Another service instead of one that fails: unseen before the first text, never after it."""

import asyncio

import pytest

from koo.ai import NOTHING, AIManager, Times, Usage
from koo.errors import (
    ContentRefusedError,
    ExternalServiceError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServiceTimeoutError,
    ServiceUnavailableError,
    StreamTruncatedError,
)
from koo.testing import After, Pieces, ScriptedProvider, cancel_at_every_await, running_clock

from ..asking import prompt_of, times_of
from .conftest import ONCE, read

NAMES = ("claude", "openai", "gemini")
GOOD = Pieces("fine", " words")


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


def _failed(error=ServiceUnavailableError, **more):
    return error("claude", "it failed; try again", **{"usage": NOTHING, **more})


def ask(manager, **more):
    others = {name: more.pop(name) for name in ("fallback", "fallback_on") if name in more}
    prompt, times = prompt_of(more, "Why?"), times_of(more)
    return manager.stream("claude", prompt, times=times, **{"fallback": NAMES[1:], **others})


FALLS = [
    _failed(),
    _failed(QuotaExceededError),
    _failed(RateLimitError, retry_after=999.0),
    _failed(ContentRefusedError),
    Pieces(StreamTruncatedError("claude", "cut")),
    Pieces(KeyError()),
]


@pytest.mark.parametrize("line", FALLS)
async def test_what_fails_before_its_first_text_is_replaced_unseen(among, line):
    manager, providers = among(line, GOOD, GOOD)
    stream = ask(manager, model="claude-opus-5")
    assert await read(stream) == (["fine", " words"], None)
    assert (stream.service, stream.model) == ("openai", manager.services["openai"].config.model)
    assert stream.text == stream.completion.text == "fine words"
    assert [len(provider.requests) for provider in providers] == [1, 1, 0]
    assert providers[0].requests[0].question.model == "claude-opus-5"


async def test_a_service_that_refuses_by_itself_is_replaced_too(among):
    manager, providers = among(GOOD, GOOD)
    manager.services["claude"]._breaker.isolate("by hand")
    stream = manager.stream("claude", "Why?", fallback=["openai"])
    assert await read(stream) == (["fine", " words"], None)
    assert providers[0].requests == []


async def test_the_first_that_begins_is_the_only_one_that_is_asked(among):
    manager, providers = among(GOOD, GOOD, GOOD)
    assert (await read(ask(manager)))[1] is None
    assert [len(provider.requests) for provider in providers] == [1, 0, 0]


async def test_after_the_first_text_nothing_is_replaced(among):
    manager, providers = among(Pieces("half", _failed(StreamTruncatedError)), GOOD, GOOD)
    stream = ask(manager)
    pieces, error = await read(stream)
    assert (pieces, error.partial, type(error)) == (["half"], "half", StreamTruncatedError)
    assert stream.service == "claude"
    assert [len(provider.requests) for provider in providers] == [1, 0, 0]


async def test_a_wrong_request_is_wrong_everywhere(among):
    manager, providers = among(_failed(InvalidRequestError), GOOD, GOOD)
    assert type((await read(ask(manager)))[1]) is InvalidRequestError
    assert type((await read(ask(manager, timeout=-1)))[1]) is InvalidRequestError
    assert [len(provider.requests) for provider in providers] == [1, 0, 0]


async def test_when_all_fail_the_last_ones_error_names_those_before(among):
    manager, _ = among(_failed(), _failed(), _failed(RateLimitError, retry_after=999.0))
    _, error = await read(ask(manager))
    assert type(error) is RateLimitError
    before = "before it, claude: it failed; try again"
    assert [note for note in error.__notes__ if note.startswith("before")] == [before, before]


async def test_an_unknown_service_is_told_at_once(among):
    manager, _ = among(GOOD)
    with pytest.raises(ExternalServiceError, match="no such service"):
        manager.stream("claude", "Why?", fallback=["nobody"])
    with pytest.raises(ExternalServiceError, match="no such service"):
        manager.stream("nobody", "Why?")


@pytest.mark.parametrize("times", [{"timeout": 30}, {"first_token_timeout": 30}])
async def test_each_has_an_equal_share_of_the_time_that_is_left(among, times):
    """30 s for three: 10, then half of 20, then all of 10."""
    hangs = After(500, "late")
    manager, providers = among(hangs, hangs, Pieces(After(9, "fine")), attempt_timeout=40)
    stream = ask(manager, **times)
    assert await read(stream) == (["fine"], None)
    assert stream.service == "gemini"
    assert running_clock().monotonic() == pytest.approx(29, abs=0.1)
    assert [len(provider.requests) for provider in providers] == [1, 1, 1]


async def test_what_fails_quickly_leaves_its_time_to_the_others(among):
    manager, _ = among(_failed(), After(500, "late"), Pieces(After(14, "fine")))
    assert await read(ask(manager, timeout=30)) == (["fine"], None)
    assert running_clock().monotonic() == pytest.approx(29, abs=0.1)


async def test_all_together_take_no_longer_than_the_timeout(among):
    hangs = After(500, "late")
    manager, _ = among(hangs, hangs, hangs, attempt_timeout=60)
    _, error = await read(ask(manager, timeout=12))
    assert type(error) is ServiceTimeoutError
    assert running_clock().monotonic() == pytest.approx(12, abs=0.1)


async def test_without_a_timeout_the_first_services_own_counts(among):
    hangs = After(500, "late")
    manager, _ = among(hangs, hangs, hangs, timeout=21, attempt_timeout=21)
    await read(ask(manager))
    assert running_clock().monotonic() == pytest.approx(21, abs=0.1)


async def test_after_the_first_text_the_whole_time_counts(among):
    manager, _ = among(Pieces(After(3, "a"), After(20, "b")), GOOD, GOOD)
    assert await read(ask(manager, timeout=30, idle_timeout=25)) == (["a", "b"], None)


async def test_a_chain_whose_time_is_over_asks_nobody_else(among, monkeypatch):
    manager, providers = among(_failed(), GOOD)
    tell = manager.services["claude"].tell

    async def told(*asked):
        await asyncio.sleep(10)
        async for piece in tell(*asked):
            yield piece

    monkeypatch.setattr(manager.services["claude"], "tell", told)
    _, error = await read(
        manager.stream("claude", "Why?", fallback=["openai"], times=Times(timeout=9))
    )
    assert type(error) is ServiceUnavailableError
    assert providers[1].requests == []


async def test_each_pays_from_its_own_budget(among):
    manager, _ = among(
        Pieces(StreamTruncatedError("claude", "cut")), Pieces("a", usage=Usage(1, 1))
    )
    stream = manager.stream("claude", "Why?", fallback=["openai"])
    await read(stream)
    spent = [manager.services[name].report().value("budget.spent") for name in NAMES[:2]]
    assert spent[0] > spent[1] == stream.completion.usage.nanousd > 0


def test_wherever_a_chain_is_cancelled_nothing_stays_reserved(among):
    made = []

    async def operation():
        manager, providers = among(Pieces(After(1, _failed())), Pieces(After(1, "a"), "b"))
        made.append((manager, providers))
        async for _ in manager.stream("claude", "Why?", fallback=["openai"]):
            await asyncio.sleep(1)

    def check(_):
        manager, providers = made[-1]
        for name, provider in zip(NAMES, providers, strict=False):
            report = manager.services[name].report()
            assert report.value("budget.reserved") == 0
            assert report.value("limit.used", window="minute") == len(provider.requests)

    assert cancel_at_every_await(operation, check).swallowed == ()
