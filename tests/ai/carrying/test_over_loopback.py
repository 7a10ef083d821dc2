"""Pictures, tools and schemas over real HTTP: carried, answered, billed within the bound."""

import json
import logging
from dataclasses import replace
from decimal import Decimal

import pytest

from koo.ai import Image, Message, Prompt, Tool, ToolResult, connect
from koo.ai.questions import put
from koo.errors import ExternalServiceError, InvalidRequestError, StreamTruncatedError
from koo.testing import Fault

from ..conftest import PRICES
from ..streaming.conftest import read, shown
from .conftest import ADDRESS, ALL, CALLERS, KEY, PICTURE, PLACE, TIME, WEATHER, connected

pytestmark = pytest.mark.integration

#: Who says what a picture is billed as at most.
BOUNDED = ("claude", "openai", "openai-responses", "gemini")
EXPECTED = {"place": "simulated", "days": 1}


@pytest.mark.parametrize("name", CALLERS)
async def test_a_tool_is_called_and_its_result_answered(name):
    async with connected() as (manager, simulator):
        prompt = Prompt("How is it in Bern?", tools=[WEATHER, TIME])
        first = await manager.ask(name, prompt)
        [call] = first.calls
        assert (call.name, json.loads(call.arguments)) == ("get_weather", EXPECTED)
        assert first.raw["usage" if "usage" in first.raw else "usageMetadata"]
        told = [Message.user("How is it in Bern?"), first.message]
        told.append(Message.user(ToolResult(call, "18 degrees")))
        second = await manager.ask(name, replace(prompt, messages=told))
    assert (second.calls, second.text[:7]) == ((), "This is")
    assert [request.status for request in simulator.completions(name)] == [200, 200]


@pytest.mark.parametrize("name", CALLERS)
async def test_a_stream_brings_the_same_calls(name):
    prompt = Prompt("How is it in Bern?", tools=[WEATHER])
    async with connected() as (manager, _):
        response = await manager.ask(name, prompt)
        stream = manager.stream(name, prompt)
        assert await read(stream) == ([], None)
    [streamed], [whole] = stream.completion.calls, response.calls
    assert (streamed.name, streamed.arguments) == (whole.name, whole.arguments)
    assert stream.completion.usage == response.usage
    assert stream.completion.finish == response.finish
    assert bool(streamed.signature) is (name == "gemini")


@pytest.mark.parametrize("name", CALLERS)
async def test_a_call_that_breaks_off_is_no_call(name):
    prompt = Prompt("How is it in Bern?", tools=[WEATHER])
    async with connected() as (manager, simulator):
        frames = 1 if name == "gemini" else 3
        for fault in (Fault.CUT, Fault.EARLY_END):
            simulator.fault(name, fault, after=frames - 1, count=1)
            stream = manager.stream(name, prompt)
            _, error = await read(stream)
            assert isinstance(error, StreamTruncatedError), fault
            assert stream.completion is None


@pytest.mark.parametrize("name", ALL)
async def test_an_answer_of_a_schema_is_json_of_it(name):
    async with connected() as (manager, _):
        prompt = Prompt("Where?", schema=PLACE)
        response = await manager.ask(name, prompt)
        assert json.loads(response.text) == EXPECTED
        pieces, error = await read(manager.stream(name, prompt))
    assert (json.loads("".join(pieces)), error) == (EXPECTED, None)


@pytest.mark.parametrize("name", ALL)
async def test_several_messages_reach_it_in_their_order(name):
    told = [Message.user("one"), Message.assistant("two"), Message.user("three", "four")]
    async with connected(answer=str.upper) as (manager, _):
        answer = await manager.query(name, Prompt(told))
    assert answer.split() == ["ONE", "TWO", "THREE", "FOUR"]


LARGE = Image(PICTURE.source + bytes(300_000))
CONTENTS = [
    Prompt([Message.user("?", PICTURE)]),
    Prompt([Message.user("?", ADDRESS)]),
    Prompt([Message.user(LARGE, LARGE, "?")], tools=[Tool("f", "")]),
    Prompt("?", tools=[WEATHER, TIME]),
    Prompt("?", schema=PLACE),
]


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("prompt", CONTENTS)
async def test_no_bill_is_above_what_was_reserved(name, prompt):
    """The simulator bills each picture and each tool as the vendor's documents say at most."""
    async with connected() as (manager, simulator):
        service = manager.find(name)
        request = connect(service.config).prepare(put(prompt, service.config))
        await manager.ask(name, prompt)
        [received] = simulator.completions(name)
        assert 0 < received.input_tokens <= request.input_tokens
        assert request.unbounded == ()
        spent = service.report().value("budget.spent")
    price = PRICES.find(service.config.price_list, service.config.model, "")
    assert 0 < spent <= price.bound(request.input_tokens, 1024, 0.0, 4e9)


async def test_the_bytes_of_a_picture_are_not_taken_for_tokens():
    async with connected() as (manager, _):
        config = manager.find("claude").config
        small, large = (
            connect(config).prepare(put(Prompt([Message.user(picture)]), config))
            for picture in (PICTURE, LARGE)
        )
    assert len(large.body) >= len(small.body) + 400_000
    assert large.input_tokens == small.input_tokens < 6_000


@pytest.mark.parametrize("name", ["groq", "perplexity"])
async def test_who_says_no_bound_for_pictures_is_asked_within_a_max_cost(name):
    async with connected() as (manager, simulator):
        prompt = Prompt([Message.user("?", ADDRESS)])
        with pytest.raises(InvalidRequestError, match=r"no upper bound \(images\)"):
            await manager.query(name, prompt)
        assert simulator.completions(name) == ()
        assert await manager.query(name, replace(prompt, max_cost=Decimal(100)))


async def test_a_vendor_that_knows_no_tools_is_not_asked():
    async with connected() as (manager, simulator):
        with pytest.raises(InvalidRequestError, match="perplexity knows no tools"):
            await manager.query("perplexity", Prompt("?", tools=[TIME]))
    assert simulator.completions("perplexity") == ()


SECRET, SONG = "words that must not be seen", "chirrup" + " chirrup" * 20
TOOL = Tool("f", SECRET, {"type": "object", "description": SECRET})
EVERYTHING = Prompt(
    [Message.user(SECRET, Image(PICTURE.source + SECRET.encode()))],
    system=SECRET,
    tools=[TOOL],
    schema={"const": SECRET},
)


async def failure_of(answering):
    with pytest.raises(ExternalServiceError) as caught:
        await answering
    return caught.value


@pytest.mark.parametrize("name", ALL)
async def test_nothing_that_is_carried_or_answered_shows_in_what_is_told(name, capsys, caplog):
    """Whatever level somebody logs at: neither prompt nor answer, nor the key."""
    caplog.set_level(logging.DEBUG)
    events, plain = [], Prompt(SECRET, system=SECRET)
    asked = EVERYTHING if name in BOUNDED else plain
    async with connected(answer=lambda _: SONG, on_event=events.append) as (manager, simulator):
        assert await manager.query(name, plain) == SONG
        pieces, nothing = await read(manager.stream(name, plain))
        assert ("".join(pieces), nothing) == (SONG, None)
        simulator.fault(name, Fault.CUT, count=1)
        _, cut = await read(manager.stream(name, plain))
        failures = [cut]
        for fault, prompt in (
            (Fault.INVALID_REQUEST, asked),
            (Fault.SERVER_ERROR, plain),
            (Fault.GARBAGE, plain),
            (Fault.WRONG_KEY, plain),
        ):
            simulator.clear(name)
            simulator.fault(name, fault, count=1)
            failures.append(await failure_of(manager.ask(name, prompt)))
        report = manager.find(name).report()
    assert events
    told = [shown(*failures, *events, report), caplog.text, *capsys.readouterr()]
    for canary in (SECRET, "chirrup", KEY):
        assert not any(canary in text for text in told)
