"""A stream leaves the document that would have come whole, and holds no more than that."""

import json
import tracemalloc

import pytest

from koo.ai import Heard, Prompt, ToolCall
from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Responses
from koo.ai.providers.events import Listener
from koo.ai.providers.growing import Growing, Manner
from koo.ai.providers.wire import parse
from koo.testing.simulator.dialects import DIALECTS, Asked, Call, Reply

from ..events.test_listening import WIRES
from ..streaming.conftest import read as read_stream
from .conftest import ALL, CALLERS, PLACE, WEATHER, connected
from .test_answers import hear

ASKED = Asked("m", "Why?", 99, streams=True, wants_usage=True)
CALLS = (Call("c1", "get_weather", {"place": "Bern"}), Call("c2", "get_time", {}))
REPLIES = {
    "a text": Reply("req_1", "m", "a few more words than four, and a comma", 11, 7, 0.0),
    "calls": Reply("req_1", "m", "", 11, 7, 0.0, calls=CALLS),
    "a thought": Reply("req_1", "m", "a", 11, 7, 0.0, thinking="Hm. So.", thinking_tokens=2),
    "a thought and calls": Reply(
        "req_1", "m", "", 11, 7, 0.0, calls=CALLS, thinking="Hm.", thinking_tokens=2
    ),
    "half a text": Reply("req_1", "m", "a b", 11, 7, 0.0, is_cut_off=True),
}


def streamed(name, reply):
    listener = Listener(WIRES[name], Heard())
    for event in DIALECTS[name]().events(reply, ASKED):
        list(listener.hear(event))
    return WIRES[name].whole(listener.hearing)


def _comparable(document):
    """Without the places, which only streams tell."""
    if isinstance(document, list):
        return [_comparable(one) for one in document]
    if not isinstance(document, dict):
        return document
    return {
        name: _comparable(value)
        for name, value in document.items()
        if name not in {"index", "citations", "search_results"}
    }


@pytest.mark.parametrize("said", REPLIES)
@pytest.mark.parametrize("name", [name for name in WIRES if name != "perplexity"])
def test_a_stream_leaves_what_would_have_come_whole(name, said):
    reply = REPLIES[said]
    whole = _comparable(DIALECTS[name]().answer(reply))
    if name == "gemini" and said == "a thought":
        # There the signature of a text comes after it.
        [part] = whole["candidates"][0]["content"]["parts"]
        seal = part.pop("thoughtSignature")
        seen = {"text": "", "thoughtSignature": seal}
        whole["candidates"][0]["content"]["parts"].append(seen)
    if name == "openai":
        del whole["choices"][0]["message"]["refusal"]
        whole["choices"][0]["message"]["content"] = reply.text
    assert _comparable(streamed(name, reply)) == whole


def test_perplexity_repeats_itself_in_each_chunk_and_raw_does_not():
    raw = streamed("perplexity", REPLIES["a text"])
    assert raw["choices"][0]["message"]["content"] == REPLIES["a text"].text
    assert raw["usage"]["completion_tokens"] == 7


@pytest.mark.integration
@pytest.mark.parametrize("name", ALL)
async def test_the_raw_answer_of_a_stream_is_there_at_its_end(name):
    async with connected() as (manager, _):
        prompt = Prompt("Where?", schema=PLACE)
        whole = await manager.ask(name, prompt)
        stream = manager.stream(name, prompt)
        await read_stream(stream)
    assert stream.completion.raw.keys() - {"citations", "search_results"} <= whole.raw.keys()
    assert WIRES_BY_NAME[name]().read(stream.completion.raw).text == whole.text


WIRES_BY_NAME = {
    "claude": Anthropic,
    "openai": OpenAI,
    "openai-responses": Responses,
    "gemini": Gemini,
    "groq": Compatible,
    "perplexity": Compatible,
}


# -- what only some say


def test_what_is_not_text_is_kept_too():
    citation = {"type": "char_location", "cited_text": "Bern"}
    events = [
        {"type": "message_start", "message": {"id": "msg", "content": [], "usage": {}}},
        _begun({"type": "text", "text": "", "citations": []}),
        _delta({"type": "citations_delta", "citation": citation}),
        _delta({"type": "text_delta", "text": "In Bern."}),
        _delta({"type": "citations_delta", "citation": citation | {"cited_text": "Z"}}),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}},
        {"type": "message_stop"},
    ]
    block = {"type": "text", "text": "In Bern."}
    found = [citation, citation | {"cited_text": "Z"}]
    assert whole(Anthropic, *events) == {
        "id": "msg",
        "content": [block | {"citations": found}],
        "usage": {},
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }


def test_arguments_that_are_no_json_stay_a_text():
    events = [
        _begun({"type": "tool_use", "id": "c", "name": "f", "input": {}}),
        _delta({"type": "input_json_delta", "partial_json": '{"a": '}),
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}},
        {"type": "message_stop"},
    ]
    [block] = whole(Anthropic, *events)["content"]
    assert block == {"type": "tool_use", "id": "c", "name": "f", "input": '{"a": '}
    [call] = Anthropic().parts({"content": [block]})
    assert call == ToolCall("c", "f", '{"a": ')


def _begun(block):
    return {"type": "content_block_start", "index": 0, "content_block": block}


def _delta(delta):
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def test_a_chat_keeps_reasoning_probabilities_and_the_lists_it_repeats():
    chunks = [
        _chunk({"role": "assistant", "reasoning_content": "H"}, citations=["a"]),
        _chunk({"reasoning_content": "m.", "content": None}, citations=["a", "b"]),
        _chunk({"content": "Ye"}, logprobs={"content": [{"token": "Ye"}], "refusal": None}),
        _chunk({"content": "s."}, logprobs={"content": [{"token": "s."}], "refusal": None}),
        {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"total_tokens": 3}},
        {"choices": [], "usage": {"total_tokens": 4}},
    ]
    assert _comparable(whole(Compatible, *chunks)) == {
        "choices": [
            {
                "message": {"role": "assistant", "reasoning_content": "Hm.", "content": "Yes."},
                "logprobs": {"content": [{"token": "Ye"}, {"token": "s."}], "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {"total_tokens": 4},
    }
    assert whole(Compatible, *chunks)["citations"] == ["a", "b"]


def _chunk(delta, logprobs=None, **more):
    return {"choices": [{"index": 0, "delta": delta, "logprobs": logprobs}], **more}


def test_pieces_may_be_lists_of_parts():
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    chunks = [_chunk({"content": [thinking]}), _chunk({"content": "Ye"}), _chunk({"content": "s"})]
    message = whole(Compatible, *chunks)["choices"][0]["message"]
    assert message["content"] == [thinking, "Yes"]


def test_gemini_joins_texts_of_one_kind():
    parts = [
        {"text": "H", "thought": True},
        {"text": "m", "thought": True},
        {"text": "Y"},
        {"text": "es"},
        {"text": "", "thoughtSignature": "s"},
        {"executableCode": {"code": "1"}},
        {"text": "."},
        7,
    ]
    chunks = [{"candidates": [{"content": {"parts": [part]}}]} for part in parts]
    found = whole(Gemini, *chunks)["candidates"][0]["content"]["parts"]
    assert found == [{"text": "Hm", "thought": True}, {"text": "Yes"}, *parts[4:]]


def whole(wire, *events):
    _, _, hearing = hear(wire, *events)
    return wire().whole(hearing)


NONSENSE = [
    None,
    7,
    "x",
    [],
    [7],
    {},
    {"index": "x"},
    {"index": None, "message": 7},
    {"content": {"parts": 7}, "delta": [1], "text": {}, "type": [], "thinking": {"x": []}},
    {"delta": {"tool_calls": [7, {"index": 1}, {"function": {"arguments": {"a": 1}}}]}},
    {"delta": {"tool_calls": 7, "content": {"a": [None]}}},
    {"type": "thinking", "signature": {}, "text": [{"index": 0}]},
]


@pytest.mark.parametrize("wire", [Anthropic, OpenAI, Compatible, Gemini, Responses])
@pytest.mark.parametrize("one", NONSENSE)
@pytest.mark.parametrize("other", NONSENSE)
def test_nonsense_is_kept_or_dropped_and_never_an_error(wire, one, other):
    events = [
        event
        for found in (one, other, one)
        for event in (
            found,
            {"type": "message_start", "message": found},
            {"type": "message_delta", "delta": found, "usage": found},
            {"type": "content_block_start", "index": 0, "content_block": found},
            {"type": "content_block_delta", "index": 0, "delta": found},
            {"type": "response.output_item.done", "item": found},
            {"type": "response.completed", "response": {"status": "completed", "output": found}},
            {"choices": found},
            {"choices": [found]},
            {"choices": [{"delta": found}]},
            {"candidates": found},
            {"candidates": [found]},
            {"candidates": [{"content": found}]},
        )
    ]
    _, _, hearing = hear(wire, *events)
    assert isinstance(wire().whole(hearing), dict)


def test_what_is_nested_too_deeply_is_taken_as_it_stands():
    deep = parse(b'{"a":' * 900 + b"{}" + b"}" * 900)
    growing = Growing()
    growing.grow(deep, Manner(()))
    growing.grow(deep, Manner(()))
    assert growing.whole() == deep


@pytest.mark.no_cover
def test_each_piece_is_copied_once():
    """Joined one by one, these would move a hundred gigabytes."""
    piece = json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * 50}}]}).encode()
    listener, count = Listener(OpenAI(), Heard()), 60_000
    event = b"data: " + piece + b"\n\n"
    tracemalloc.start()
    try:
        for _ in range(count):
            list(listener.hear(event))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The text itself, which is shared with what was heard, and a place in two lists for each.
    assert kept < count * 140
    text = OpenAI().whole(listener.hearing)["choices"][0]["message"]["content"]
    assert len(text) == count * 50


@pytest.mark.integration
@pytest.mark.parametrize("name", CALLERS)
async def test_what_streams_call_is_what_answers_call(name):
    async with connected(thinking="Hm.") as (manager, _):
        prompt = Prompt("?", tools=[WEATHER])
        whole = await manager.ask(name, prompt)
        await read_stream(stream := manager.stream(name, prompt))
    assert [type(part) for part in stream.completion.parts] == [type(part) for part in whole.parts]
    assert stream.completion.message.role == "assistant"
