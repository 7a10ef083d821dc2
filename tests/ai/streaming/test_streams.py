"""A stream of one service: retries, times, money and memory, in time that the test owns."""

import asyncio

import pytest

from koo.ai import NOTHING, Prompt, Times, Usage
from koo.errors import (
    ApiKeyError,
    CircuitOpen,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServiceRejected,
    ServiceTimeoutError,
    ServiceUnavailableError,
    StreamTruncatedError,
)
from koo.resilience import BreakerConfig, Health, RetryConfig
from koo.testing import After, Pieces, ScriptedProvider, cancel_at_every_await, running_clock

from ..asking import prompt_of, times_of
from .conftest import ONCE, read

MICRO = 10**6
#: Of a prompt of one byte and at most ten tokens of output, at the round price.
WORST = 21 * MICRO


def _failed(error, **more):
    return error("claude", "it failed; try again", **{"usage": NOTHING, **more})


async def test_everything_asked_for_reaches_the_provider(serve):
    provider = ScriptedProvider(then="a b")
    service = serve(provider, max_tokens=99)
    stream = service.stream(
        Prompt("Why?", system="s", model="claude-opus-5", max_tokens=7, temperature=0.3)
    )
    assert await read(stream) == (["a", " b"], None)
    asked = provider.requests[0].question
    assert (asked.prompt.text, asked.prompt.system, asked.model) == ("Why?", "s", "claude-opus-5")
    assert (asked.max_tokens, asked.prompt.temperature, asked.streams) == (7, 0.3, True)
    assert (stream.service, stream.model) == ("claude", "claude-opus-5")
    assert await read(service.stream("Why?")) == (["a", " b"], None)
    assert provider.requests[1].question.max_tokens == 99


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": " "},
        {"prompt": 7},
        {"max_tokens": 0},
        {"timeout": 0},
        {"first_token_timeout": "soon"},
        {"idle_timeout": float("nan")},
    ],
)
async def test_nonsense_is_refused_and_nothing_is_sent(serve, wrong):
    provider = ScriptedProvider()
    service = serve(provider)
    _, error = await read(service.stream(prompt_of(wrong), times=times_of(wrong)))
    assert type(error) is InvalidRequestError
    assert provider.requests == []
    assert service.report().value("failures_total") == 1


async def test_nothing_happens_before_it_is_asked_for(serve):
    provider = ScriptedProvider()
    service = serve(provider)
    await service.stream("Why?").aclose()
    assert provider.requests == []
    assert service.report().value("requests_total") == 0


async def test_what_fails_before_the_first_text_is_tried_again_with_backoff(serve):
    down = _failed(ServiceUnavailableError)
    provider = ScriptedProvider(down, Pieces(down), "it works")
    service = serve(provider)
    stream = service.stream("Why?")
    assert await read(stream) == (["it", " works"], None)
    assert running_clock().monotonic() == pytest.approx(1.5, abs=0.01)
    assert stream.completion.text == "it works"
    assert service.report().value("retries_total") == 2
    assert service.report().value("requests_total") == 1
    assert service.report().value("successes_total") == 1


async def test_what_fails_after_the_first_text_is_not_and_has_what_came(serve):
    broken = _failed(StreamTruncatedError, usage=None)
    provider = ScriptedProvider(Pieces("half", " of", broken), then="x")
    service = serve(provider)
    stream = service.stream("Why?")
    pieces, error = await read(stream)
    assert (pieces, error) == (["half", " of"], broken)
    assert error.partial == stream.text == "half of"
    assert error.at_least == Usage(1, 1)
    assert stream.completion is None
    assert len(provider.requests) == 1
    assert service.report().breaker.failures == 1
    assert service.report().reading("errors_total", kind="stream_truncated").value == 1


@pytest.mark.parametrize("error", [ApiKeyError, QuotaExceededError, InvalidRequestError])
async def test_what_cannot_succeed_is_sent_once_and_remembered(serve, error):
    provider = ScriptedProvider(then=_failed(error))
    service = serve(provider)
    for _ in range(2):
        await read(service.stream("Why?"))
    assert len(provider.requests) == (2 if error is InvalidRequestError else 1)
    if error is not InvalidRequestError:
        assert service.report().state is Health.CIRCUIT_OPEN


async def test_a_wait_that_the_service_names_is_kept(serve):
    provider = ScriptedProvider(_failed(RateLimitError, retry_after=7.0), then="x")
    assert await read(serve(provider).stream("Why?")) == (["x"], None)
    assert 7.0 <= running_clock().monotonic() < 9.0


async def test_streams_open_the_circuit_and_are_refused_by_it(serve):
    provider = ScriptedProvider(*[Pieces("a", _failed(StreamTruncatedError))] * 5, then="x")
    service = serve(provider, retry=ONCE, breaker=BreakerConfig(recovery_timeout=10.0))
    for _ in range(5):
        await read(service.stream("Why?"))
    pieces, error = await read(service.stream("Why?"))
    assert (pieces, type(error), type(error.__cause__)) == ([], ServiceRejected, CircuitOpen)
    assert len(provider.requests) == 5
    assert service.report().state is Health.CIRCUIT_OPEN


async def test_an_attempt_has_its_time_until_its_first_text(serve):
    provider = ScriptedProvider(After(60, "late"), Pieces(After(1, "a"), After(4, "b")))
    service = serve(provider, attempt_timeout=2.0, idle_timeout=5.0)
    assert await read(service.stream("Why?")) == (["a", "b"], None)


@pytest.mark.parametrize(
    ("times", "seconds", "pieces"),
    [
        ({"timeout": 7}, 7, ["a", "b", "c"]),
        ({"first_token_timeout": 1}, 1, []),
        ({"first_token_timeout": 3, "idle_timeout": 1}, 3, ["a"]),
        ({}, 32 + 6, ["a", "b", "c"]),
    ],
)
async def test_each_time_limit_ends_it_at_its_own_time(serve, times, seconds, pieces):
    provider = ScriptedProvider(
        then=Pieces(After(2, "a"), After(2, "b"), After(2, "c"), After(99, "d"))
    )
    service = serve(provider, retry=ONCE, idle_timeout=32, attempt_timeout=32)
    told, error = await read(service.stream("Why?", times=times_of(times)))
    assert (told, type(error)) == (pieces, ServiceTimeoutError)
    assert error.partial == "".join(pieces)
    assert running_clock().monotonic() == pytest.approx(seconds, abs=0.02)
    assert service.report().breaker.failures == 1


async def test_an_unexpected_exception_is_an_error_of_the_service(serve):
    _, error = await read(serve(ScriptedProvider(Pieces("a", KeyError("?")))).stream("Why?"))
    assert str(error) == "claude: unexpected KeyError; its cause says more"
    assert error.partial == "a"


# -- money --------------------------------------------------------------------------------


async def test_a_whole_answer_is_billed_as_the_vendor_counts_it(serve, own_price):
    service = serve(ScriptedProvider(Pieces("a", "b", usage=Usage(3, 2))), **own_price)
    stream = service.stream(Prompt("?", max_tokens=10))
    assert await anext(stream) == "a"
    assert service.report().value("budget.reserved") == WORST
    await read(stream)
    assert stream.completion.usage.nanousd == 7 * MICRO
    assert service.report().value("budget.spent") == 7 * MICRO
    assert service.report().value("budget.reserved") == 0
    assert service.report().value("cost.last") == 7 * MICRO


@pytest.mark.parametrize(
    "line",
    [
        Pieces("a", usage=None),
        Pieces("a", StreamTruncatedError("lab", "cut")),
        Pieces(StreamTruncatedError("lab", "cut")),
        Pieces("a", After(60, "late")),
        Pieces("a", KeyError()),
    ],
)
async def test_what_nobody_counted_costs_all_that_was_reserved(serve, own_price, line):
    service = serve(ScriptedProvider(line), **own_price, retry=ONCE)
    await read(service.stream(Prompt("?", max_tokens=10)))
    assert service.report().value("budget.spent") == WORST
    assert service.report().value("budget.reserved") == 0


async def test_every_attempt_pays_for_itself(serve, own_price):
    broken = Pieces(StreamTruncatedError("lab", "cut"))
    service = serve(ScriptedProvider(broken, Pieces("a", usage=Usage(1, 0))), **own_price)
    await read(service.stream(Prompt("?", max_tokens=10)))
    assert service.report().value("budget.spent") == WORST + MICRO


async def test_two_hundred_streams_cannot_pass_the_budget(serve, own_price):
    provider = ScriptedProvider(then=Pieces(After(0.1, "a"), After(0.1, "b"), usage=Usage(1, 7)))
    many = {"requests_per_minute": 9999, "requests_per_hour": 9999}
    service = serve(provider, **own_price, **many, daily_budget_nanousd=4 * WORST)
    calls = [
        read(service.stream(Prompt("?", max_tokens=10), times=Times(timeout=5))) for _ in range(200)
    ]
    told = await asyncio.gather(*calls)
    whole = [pieces for pieces, error in told if error is None]
    assert service.report().value("budget.spent") == len(whole) * 15 * MICRO <= 4 * WORST
    assert len(provider.requests) == len(whole) >= 4
    assert {type(error) for _, error in told} == {type(None), ServiceRejected}


def test_wherever_a_stream_is_cancelled_it_is_settled_once(serve, own_price):
    made = []

    async def operation():
        down = ServiceUnavailableError("lab", "down; wait", usage=NOTHING)
        provider = ScriptedProvider(
            After(0.1, down), then=Pieces(After(0.1, "a"), After(0.1, "b"), usage=Usage(1, 1))
        )
        settings = {**own_price, "daily_budget_nanousd": 60 * MICRO, "requests_per_minute": 3}
        service = serve(provider, **settings, timeout=90.0)
        made.append((service, provider))
        for _ in range(3):
            async for _ in service.stream(Prompt("?", max_tokens=10)):
                await asyncio.sleep(0.1)

    def check(_):
        service, provider = made[-1]
        report = service.report()
        assert report.value("budget.reserved") == 0
        assert report.value("budget.spent") <= len(provider.requests) * WORST
        assert report.value("limit.used", window="hour") == len(provider.requests)

    cuts = cancel_at_every_await(operation, check)
    assert cuts.suspensions >= 12
    assert cuts.swallowed == ()


def test_wherever_a_stream_that_was_begun_is_cancelled_it_costs_the_worst_case(serve, own_price):
    made = []

    async def operation():
        provider = ScriptedProvider(then=Pieces(After(1, "a"), After(1, "b"), usage=Usage(1, 1)))
        made.append(serve(provider, **own_price))
        async for _ in made[-1].stream(Prompt("?", max_tokens=10)):
            await asyncio.sleep(1)

    def check(k):
        spent = made[-1].report().value("budget.spent")
        assert spent == (WORST if k <= 4 else 3 * MICRO)

    assert cancel_at_every_await(operation, check).suspensions == 4


async def test_a_forgotten_stream_is_given_up_at_once_without_a_collection(serve, own_price):
    service = serve(ScriptedProvider(Pieces("a", "b")), **own_price)
    stream = service.stream(Prompt("?", max_tokens=10))
    await anext(stream)
    del stream
    for _ in range(5):
        await asyncio.sleep(0)
    assert service.report().value("budget.reserved") == 0
    assert service.report().value("budget.spent") == WORST


async def test_a_service_without_a_key_streams_nothing(serve):
    provider = ScriptedProvider()
    _, error = await read(serve(provider, api_key=None, retry=RetryConfig()).stream("Why?"))
    assert str(error) == "claude: no API key; set ANTHROPIC_API_KEY"
    assert provider.requests == []


def _beginnings(service):
    return service.report().distribution("first_token_time")


async def test_how_long_answers_take_to_begin_is_measured(serve):
    slow = After(2.0, Pieces("a", After(30.0, "b")))
    failed = After(5.0, _failed(ServiceUnavailableError))
    service = serve(ScriptedProvider(slow, failed, "c"))
    await read(service.stream("Why?"))
    await read(service.stream("Why?"))
    beginnings = _beginnings(service)
    assert (beginnings.count, beginnings.total) == (2, pytest.approx(2.0, abs=0.01))


async def test_an_answer_without_a_text_has_no_beginning(serve):
    service = serve(ScriptedProvider(Pieces(), then="whole"))
    assert await read(service.stream("Why?")) == ([], None)
    await service.query("Why?")
    assert _beginnings(service).count == 0
    assert "first_token_time" not in {one.name for one in service.report().distributions}
