"""What a model asks to be called is read the same from every vendor, whole and streamed."""

import json

import pytest

from koo.ai import ToolCall
from koo.ai.providers import Anthropic, Compatible, Gemini, Hearing, OpenAI, Responses
from koo.ai.providers.wire import more_than_text, parse

ARGUMENTS = {"place": "Z\u00fcrich", "days": 1.5}
TEXT = '{"place": "Z\u00fcrich", "days": 1.5}'
CALL = ToolCall("c1", "get_weather", TEXT)
BARE = ToolCall("c2", "get_time", "{}")


def read(wire, document):
    """The calls in *document*, as it comes over the wire."""
    return wire().read(parse(json.dumps(document).encode()))


def hear(wire, *events):
    """The text in *events*, all parts of the answer, and what was heard beside them."""
    hearing = Hearing()
    texts = [wire().hear(hearing, parse(json.dumps(event).encode())) for event in events]
    parts = more_than_text(wire().parts(wire().whole(hearing)))
    return "".join(texts), parts, hearing


def test_anthropic_calls_in_blocks_beside_the_text():
    blocks = [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "c1", "name": "get_weather", "input": ARGUMENTS},
        {"type": "tool_use", "id": "c2", "name": "get_time", "input": {}},
        {"type": "server_tool_use", "id": "c3", "name": "web_search", "input": {}},
    ]
    answer = read(Anthropic, {"content": blocks, "stop_reason": "tool_use"})
    assert (answer.text, answer.finish) == ("I look.", "tool_use")
    assert answer.parts == ("I look.", CALL, BARE)


def test_anthropic_streams_arguments_in_pieces():
    text, parts, hearing = hear(
        Anthropic,
        _begun(0, {"type": "text", "text": ""}),
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I"}},
        _begun(1, {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {}}),
        _piece(1, TEXT[:5]),
        _piece(1, TEXT[5:]),
        {"type": "content_block_stop", "index": 1},
        _begun(2, {"type": "tool_use", "id": "c2", "name": "get_time", "input": {}}),
        _piece(2, ""),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}},
        {"type": "message_stop"},
    )
    assert (text, parts) == ("I", ("I", CALL, BARE))
    assert (hearing.finish, hearing.is_whole) == ("tool_use", True)


def _begun(place, block):
    return {"type": "content_block_start", "index": place, "content_block": block}


def _piece(place, text):
    delta = {"type": "input_json_delta", "partial_json": text}
    return {"type": "content_block_delta", "index": place, "delta": delta}


def _chat(**message):
    return {"choices": [{"message": message, "finish_reason": "tool_calls"}]}


def _function(name, arguments, id_):
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_chat_calls_in_a_field_of_the_message():
    calls = [_function("get_weather", TEXT, "c1"), _function("get_time", "", "c2")]
    answer = read(OpenAI, _chat(content=None, tool_calls=calls))
    assert (answer.text, answer.finish, answer.parts) == ("", "tool_calls", (CALL, BARE))
    assert read(OpenAI, _chat(content="x", tool_calls=None)).parts == ()
    assert read(OpenAI, _chat(content="x", tool_calls=calls)).parts == ("x", CALL, BARE)


def test_some_servers_write_arguments_as_an_object():
    answer = read(
        Compatible, _chat(content="", tool_calls=[_function("get_weather", ARGUMENTS, "c1")])
    )
    assert answer.parts == (CALL,)


@pytest.mark.parametrize("arguments", ['{"place": ', "not JSON"])
def test_what_a_model_has_written_wrong_stays_as_it_is(arguments):
    answer = read(OpenAI, _chat(content="", tool_calls=[_function("f", arguments, "c")]))
    assert answer.parts[0].arguments == arguments


def test_a_chat_streams_calls_side_by_side():
    _, parts, hearing = hear(
        OpenAI,
        _delta(0, id="c1", function={"name": "get_weather", "arguments": ""}),
        _delta(1, id="c2", function={"name": "get_time"}),
        _delta(0, function={"arguments": TEXT[:5]}),
        _delta(0, function={"arguments": TEXT[5:]}),
        {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
    )
    assert parts == (CALL, BARE)
    assert hearing.is_whole


def test_calls_that_say_no_place_stand_where_they_come():
    calls = [_function("get_weather", TEXT, "c1"), _function("get_time", "{}", "c2")]
    _, parts, _ = hear(Compatible, {"choices": [{"delta": {"tool_calls": calls}}]})
    assert parts == (CALL, BARE)


def _delta(place, **call):
    return {"choices": [{"delta": {"tool_calls": [{"index": place, **call}]}}]}


ITEMS = [
    {"type": "reasoning", "summary": []},
    {
        "type": "function_call",
        "call_id": "c1",
        "id": "fc",
        "name": "get_weather",
        "arguments": TEXT,
    },
    {"type": "function_call", "call_id": "c2", "name": "get_time", "arguments": "{}"},
]


def test_a_response_calls_in_items():
    answer = read(Responses, {"status": "completed", "output": ITEMS})
    assert (answer.text, answer.parts) == ("", (CALL, BARE))


def test_a_streamed_response_tells_its_calls_at_the_end():
    response = {"status": "completed", "output": ITEMS}
    _, parts, hearing = hear(
        Responses,
        {"type": "response.function_call_arguments.delta", "delta": TEXT[:5]},
        {"type": "response.completed", "response": response},
    )
    assert (parts, hearing.is_whole) == ((CALL, BARE), True)


def _candidate(*parts, finish="STOP"):
    return {"candidates": [{"content": {"parts": [*parts]}, "finishReason": finish}]}


PARTS = [
    {"text": "thinking", "thought": True},
    {"text": "I look."},
    {
        "functionCall": {"id": "c1", "name": "get_weather", "args": ARGUMENTS},
        "thoughtSignature": "c2VlbiBhZ2Fpbg==",
    },
    {"functionCall": {"name": "get_time"}},
]
SIGNED = ToolCall("c1", "get_weather", TEXT, "c2VlbiBhZ2Fpbg==")


def test_gemini_calls_in_parts_that_it_wants_to_see_again():
    answer = read(Gemini, _candidate(*PARTS))
    assert answer.text == "I look."
    assert answer.parts == ("I look.", SIGNED, ToolCall("", "get_time", "{}"))


def test_gemini_streams_each_call_whole():
    text, parts, _ = hear(Gemini, _candidate(*PARTS[:3], finish=None), _candidate(PARTS[3]))
    assert text == "I look."
    assert parts == ("I look.", SIGNED, ToolCall("", "get_time", "{}"))


@pytest.mark.parametrize(
    ("wire", "usage", "part"),
    [
        (
            OpenAI,
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_tokens_details": {"image_tokens": 80},
            },
            ("input_image_tokens", 80),
        ),
        (
            Gemini,
            {
                "promptTokenCount": 100,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 20},
                    {"modality": "IMAGE", "tokenCount": 80},
                ],
            },
            ("input_image_tokens", 80),
        ),
    ],
)
def test_pictures_are_counted_apart_for_models_that_price_them_apart(wire, usage, part):
    found = wire().usage(usage)
    assert (found.input_tokens, found.parts) == (100, (part,))
