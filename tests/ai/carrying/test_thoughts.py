"""What a model has thought goes back to its vendor as it came, and to nobody else."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from koo.ai import Completion, Message, Prompt, Thought, ToolCall, ToolResult, connect
from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Responses
from koo.ai.questions import put
from koo.errors import InvalidRequestError

from ..conftest import PRICES
from ..streaming.conftest import read as read_stream
from .conftest import CALL, CALLERS, TIME, WEATHER, connected
from .test_answers import hear, read
from .test_bodies import body

SIGNED = {"type": "thinking", "thinking": "", "signature": "sealed=="}
HIDDEN = {"type": "redacted_thinking", "data": "sealed=="}
REASONING = {"type": "reasoning", "summary": [], "encrypted_content": "sealed=="}
SEEN = {"text": "", "thoughtSignature": "sealed=="}
WIRES = {"anthropic": Anthropic, "openai-responses": Responses, "gemini": Gemini}
BLOCKS = {"anthropic": SIGNED, "openai-responses": REASONING, "gemini": SEEN}


def thought(vendor, block=None):
    return Thought(vendor, json.dumps(block or BLOCKS[vendor]))


def content(found):
    return json.loads(found.content)


def talk(*parts):
    """A question, those *parts*, a call and its result."""
    return Prompt(
        [Message.user("?"), Message.assistant(*parts, CALL), Message.user(ToolResult(CALL, "18"))],
        tools=[WEATHER],
    )


@pytest.mark.parametrize("wrong", ["", "{", "[]", "7", "null", "[" * 100_000, None, b"\xff"])
def test_a_thought_is_the_object_that_a_vendor_gave(wrong):
    with pytest.raises(ValueError, match="content must be the JSON object"):
        Thought("anthropic", wrong)


def test_a_thought_is_not_shown():
    assert "sealed" not in repr(Message.assistant(thought("anthropic"), CALL))


def test_a_user_does_not_think_for_the_model():
    with pytest.raises(ValueError, match="content of user must be .* one or more of str, Image"):
        Message.user(thought("anthropic"))


# -- read


def test_anthropics_thoughts_are_blocks_with_a_signature():
    blocks = [
        SIGNED,
        HIDDEN,
        {"type": "thinking", "thinking": "cut off", "signature": ""},
        {"type": "text", "text": "I look."},
        {"type": "text", "text": "  "},
        SIGNED,
        {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
    ]
    answer = read(Anthropic, {"content": blocks, "stop_reason": "tool_use"})
    first, hidden, text, second, call = answer.parts
    assert [content(one) for one in (first, hidden, second)] == [SIGNED, HIDDEN, SIGNED]
    assert (text, call, answer.text) == ("I look.", ToolCall("c1", "f", "{}"), "I look.  ")


def test_a_response_thinks_in_items_that_lose_their_names():
    """Nothing is kept at the vendor's, so there is nothing to be found under them."""
    named = REASONING | {"id": "rs_1", "status": "completed"}
    bare = {"type": "reasoning", "id": "rs_2", "summary": []}
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    answer = read(Responses, {"status": "completed", "output": [named, bare, call]})
    found, called = answer.parts
    assert (content(found), called) == (REASONING, ToolCall("c1", "f", "{}"))


def test_gemini_signs_texts_too():
    parts = [
        {"text": "thinking", "thought": True},
        {"text": "Yes.", "thoughtSignature": "sealed=="},
    ]
    document = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    text, found = read(Gemini, document).parts
    assert (text, content(found)) == ("Yes.", SEEN)


def test_an_answer_without_thoughts_and_calls_is_its_text():
    for wire, document in [
        (Anthropic, {"content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"}),
        (OpenAI, {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}),
    ]:
        assert read(wire, document).parts == ()
    assert Completion("a", "m", "stop").message == Message.assistant("a")


def test_a_streamed_thought_counts_as_it_was_when_it_was_done():
    """What the response itself holds of it may be less."""
    begun = {"type": "reasoning", "id": "rs_1", "summary": []}
    text, parts, hearing = hear(
        Responses,
        {"type": "response.output_item.done", "item": {"type": "message", "id": "m"}},
        {"type": "response.output_item.done", "item": begun | REASONING},
        {"type": "response.completed", "response": {"status": "completed", "output": [begun]}},
    )
    assert (text, content(parts[0]), hearing.is_whole) == ("", REASONING, True)


# -- said


@pytest.mark.parametrize("vendor", WIRES)
def test_a_thought_stands_again_where_it_stood(vendor):
    one, other = BLOCKS[vendor], {**BLOCKS[vendor], "more": [1]}
    told = talk(thought(vendor), "I look.", thought(vendor, other))
    asked = body(WIRES[vendor], told)
    found = asked.get("messages") or asked.get("contents") or asked["input"]
    blocks = (
        (found[1].get("content") or found[1].get("parts"))
        if vendor != "openai-responses"
        else found[1:]
    )
    assert [block for block in blocks if block in (one, other)] == [one, other]
    assert blocks.index(one) == 0
    assert blocks.index(other) == 2


@pytest.mark.parametrize("wire", [Anthropic, OpenAI, Compatible, Responses, Gemini])
def test_nobody_is_told_what_another_has_thought(wire):
    foreign = [thought(vendor) for vendor in WIRES if WIRES[vendor] is not wire]
    assert body(wire, talk(*foreign)) == body(wire, talk())


@pytest.mark.parametrize("wire", [Anthropic, OpenAI, Compatible, Responses, Gemini])
def test_a_turn_of_nothing_else_is_left_out(wire):
    foreign = [thought(vendor) for vendor in WIRES if WIRES[vendor] is not wire]
    told = [Message.user("a"), Message.assistant(*foreign), Message.user("b")]
    assert body(wire, Prompt(told)) == body(wire, Prompt([told[0], told[2]]))


@pytest.mark.parametrize("vendor", ["anthropic", "openai-responses"])
def test_a_thought_that_led_to_nothing_is_left_out(vendor):
    """The vendor refuses it; an answer that max_tokens has cut off is one."""
    own, turns = thought(vendor), [Message.user("a"), Message.user("b")]
    for parts, kept in [((own,), ()), ((own, "Yes.", own, own), (own, "Yes."))]:
        told = [turns[0], Message.assistant(*parts), turns[1]]
        rest = [turns[0], *([Message.assistant(*kept)] if kept else []), turns[1]]
        assert body(WIRES[vendor], Prompt(told)) == body(WIRES[vendor], Prompt(rest))


# -- over loopback


@pytest.mark.integration
@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("name", CALLERS)
async def test_a_model_that_thinks_is_gone_on_with(name, is_streamed):
    """The simulator refuses thoughts that have changed, and those that stand elsewhere."""
    prompt = Prompt("Do I need an umbrella?", tools=[WEATHER, TIME])

    async def ask(manager, prompt):
        if not is_streamed:
            return await manager.ask(name, prompt)
        stream = manager.stream(name, prompt)
        assert (await read_stream(stream))[1] is None
        return stream.completion

    async with connected(thinking="It depends on the weather.") as (manager, simulator):
        first = await ask(manager, prompt)
        told = [Message.user("?"), first.message, Message.user(ToolResult(first.calls[0], "18"))]
        second = await ask(manager, replace(prompt, messages=told))
        told += [second.message, Message.user("And tomorrow?")]
        third = await ask(manager, replace(prompt, messages=told, tool_choice="none"))
    assert [request.status for request in simulator.completions(name)] == [200] * 3
    assert (second.text[:7], third.text[:7]) == ("This is", "This is")
    thoughts = [part for part in first.parts if isinstance(part, Thought)]
    assert len(thoughts) == (name in {"claude", "openai-responses"})


@pytest.mark.integration
async def test_anthropic_wants_the_thought_that_led_to_a_call():
    """And the simulator does, so that the test above can fail."""
    prompt = Prompt("Do I need an umbrella?", tools=[WEATHER])
    async with connected(thinking="It depends on the weather.") as (manager, _):
        [call] = (await manager.ask("claude", prompt)).calls
        told = [Message.user("?"), Message.assistant(call), Message.user(ToolResult(call, "18"))]
        with pytest.raises(InvalidRequestError, match="does not accept the request"):
            await manager.ask("claude", replace(prompt, messages=told))


@pytest.mark.integration
@pytest.mark.parametrize("name", ["claude", "openai", "openai-responses", "gemini"])
async def test_what_was_thought_is_never_billed_above_what_was_reserved(name):
    """Neither where it is thought nor where it comes back."""
    thinking = "Umbrellas are needed where it rains; " * 40
    prompt = Prompt("Do I need an umbrella?", tools=[WEATHER], max_tokens=400)
    async with connected(thinking=thinking) as (manager, _):
        service = manager.find(name)
        price = PRICES.find(service.config.price_list, service.config.model, "")
        first = await manager.ask(name, prompt)
        results = [ToolResult(call, "18") for call in first.calls]
        told = [Message.user("?"), first.message, Message.user(*results)]
        again = replace(prompt, messages=told)
        second = await manager.ask(name, again)
        for asked, answer in ((prompt, first), (again, second)):
            request = connect(service.config).prepare(put(asked, service.config))
            used = answer.usage
            assert request.unbounded == price.unbounded == ()
            assert 0 < used.input_tokens <= request.input_tokens
            assert len(thinking) // 4 <= used.output_tokens <= 400
            assert dict(used.parts)["output_reasoning_tokens"] == len(thinking) // 4
            assert used.nanousd <= price.bound(request.input_tokens, 400, 0.0, 4e9)
        assert service.report().value("budget.reserved") == 0


@pytest.mark.integration
async def test_what_is_thought_beyond_any_bound_needs_a_max_cost():
    """A price for thoughts of their own says that max_tokens does not count them."""
    async with connected() as (manager, simulator):
        prompt = Prompt("?", model="sonar-deep-research")
        with pytest.raises(
            InvalidRequestError, match=r"no upper bound \(.*output_reasoning_tokens"
        ):
            await manager.ask("perplexity", prompt)
        assert simulator.requests == ()
        await manager.ask("perplexity", replace(prompt, max_cost=Decimal(1)))
