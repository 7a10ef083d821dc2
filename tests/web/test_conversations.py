"""Conversations over HTTP: told as JSON, answered so that they can be gone on with."""

import json
from base64 import b64encode

import pytest

from koo.ai import Completion, Image, Message, Thought, Tool, ToolCall, ToolResult, Usage
from koo.testing import Pieces

from .test_calls import PROMPT, QUERY, STREAM, ask, door, events

__all__ = ["door"]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
DATA = b64encode(PNG).decode()
PLACE = {"type": "object", "properties": {"place": {"type": "string"}}}
CALL = {
    "type": "tool_call",
    "id": "c1",
    "name": "get_weather",
    "arguments": '{"place": "Bern"}',
    "signature": "seen",
}
THOUGHT = {"type": "thought", "vendor": "anthropic", "content": '{"type": "thinking"}'}
TOOLS = [
    {"name": "get_weather", "description": "The weather.", "parameters": PLACE},
    {"name": "get_time"},
]
TALK = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Is this Bern?"},
            {"type": "image", "data": DATA},
            {"type": "image", "url": "https://example.com/cat.png"},
        ],
    },
    {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "I look."}, CALL]},
    {"role": "user", "content": [{"type": "tool_result", "call": CALL, "content": "18 degrees"}]},
    {"role": "assistant", "content": "It is."},
    {"role": "user", "content": "Sure?"},
]
CALLED = ToolCall("c1", "get_weather", '{"place": "Bern"}', "seen")
TOLD = [
    Message.user("Is this Bern?", Image(PNG), Image("https://example.com/cat.png")),
    Message.assistant(Thought("anthropic", THOUGHT["content"]), "I look.", CALLED),
    Message.user(ToolResult(CALLED, "18 degrees")),
    Message.assistant("It is."),
    Message.user("Sure?"),
]
ANSWER = Completion("I look.", "m", "tool_use", Usage(3, 2), parts=TOLD[1].content)


@pytest.mark.parametrize("path", [QUERY, STREAM])
def test_a_conversation_arrives_as_it_was_told(door, path):
    stage = door("fine")
    choice = {"name": "get_time"}
    answer = ask(stage, path, prompt=TALK, tools=TOOLS, tool_choice=choice, schema=PLACE)
    assert answer.status == 200
    prompt = stage.providers[0].requests[0].question.prompt
    weather, time = Tool("get_weather", "The weather.", PLACE), Tool("get_time", "")
    assert prompt.messages == TOLD
    assert [call.signature for call in prompt.messages[1].calls] == ["seen"]
    assert (prompt.tools, prompt.tool_choice, prompt.schema) == ((weather, time), time, PLACE)


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_a_choice_may_be_a_word(door, choice):
    stage = door("fine")
    assert ask(stage, QUERY, tools=TOOLS, tool_choice=choice).status == 200
    assert stage.providers[0].requests[0].question.prompt.tool_choice == choice


def test_an_answer_is_told_as_it_is_to_be_handed_back(door):
    stage = door(ANSWER)
    answer = ask(stage, QUERY, tools=TOOLS)
    assert answer.json["message"] == TALK[1]
    assert (answer.json["text"], answer.json["service"]) == ("I look.", "claude")
    result = {"type": "tool_result", "call": CALL, "content": "18 degrees"}
    told = [{"role": "user", "content": "?"}, answer.json["message"]]
    told.append({"role": "user", "content": [result]})
    assert ask(stage, QUERY, prompt=told, tools=TOOLS).status == 200
    asked = stage.providers[0].requests[1].question.prompt
    assert asked.messages[1:] == TOLD[1:3]


def test_a_stream_tells_the_whole_answer_at_its_end(door):
    told = events(ask(door(ANSWER), STREAM, prompt=TALK))
    assert [name for name, _ in told] == ["text", "text", "end"]
    assert told[-1][1]["message"] == TALK[1]
    assert told[-1][1]["finish"] == "tool_use"


@pytest.mark.parametrize("path", [QUERY, STREAM])
def test_who_sends_a_text_alone_is_answered_as_ever(door, path):
    answer = ask(door(ANSWER), path)
    told = answer.json if path == QUERY else events(answer)[-1][1]
    assert "message" not in told


def test_an_answer_that_says_nothing_is_null(door):
    assert (
        ask(door(Completion("", "m", "stop", Usage(1, 1))), QUERY, prompt=TALK).json["message"]
        is None
    )
    told = events(ask(door(Pieces()), STREAM, prompt=TALK))
    assert told[-1][1]["message"] is None


def _user(*parts):
    return [{"role": "user", "content": list(parts)}]


WRONG_PLACES = [
    ({"prompt": 7}, "prompt"),
    ({"prompt": [7]}, "prompt.0"),
    ({"prompt": [{"role": PROMPT, "content": "x"}]}, "prompt.0.role"),
    ({"prompt": [{"role": "user"}]}, "prompt.0.content"),
    ({"prompt": [{"role": "user", "content": "x", PROMPT: 1}]}, "prompt.0"),
    ({"prompt": _user({"type": PROMPT})}, "prompt.0.content.0"),
    ({"prompt": _user({"type": "text", "text": 7})}, "prompt.0.content.0.text"),
    ({"prompt": _user({"type": "text", "text": "a"}, {"type": "text"})}, "prompt.0.content.1.text"),
    ({"tools": [{"name": "f", "parameters": PROMPT}]}, "tools.0.parameters"),
    ({"tools": [{"description": PROMPT}]}, "tools.0.name"),
    ({"tool_choice": PROMPT}, "tool_choice"),
    ({"tool_choice": {"name": 7}}, "tool_choice.name"),
    ({"schema": PROMPT}, "schema"),
    ({PROMPT: 1}, "a field"),
    ({"fallback": ["claude", 7]}, "fallback.1"),
]


@pytest.mark.parametrize("path", [QUERY, STREAM])
@pytest.mark.parametrize(("wrong", "place"), WRONG_PLACES)
def test_what_is_not_as_documented_is_named_by_its_place_alone(door, path, wrong, place):
    stage = door("x")
    answer = ask(stage, path, **({"prompt": "?"} | wrong))
    assert (answer.status, answer.json["code"]) == (422, "invalid_body")
    assert answer.headers["content-type"] == "application/problem+json"
    assert f"documented: {place};" in answer.json["detail"]
    assert PROMPT.encode() not in answer.body
    assert stage.providers[0].requests == []


WRONG_VALUES = [
    ({"prompt": _user()}, "Message: content of user must be"),
    ({"prompt": _user({"type": "text", "text": " "})}, "Message: a text is empty"),
    ({"prompt": _user(CALL)}, "Message: content of user must be"),
    ({"prompt": _user(THOUGHT)}, "Message: content of user must be"),
    ({"prompt": _user({"type": "image", "url": PROMPT})}, "Image: the address must be like"),
    ({"prompt": _user({"type": "image", "data": PROMPT})}, "Image: data must be base64 of a PNG"),
    ({"prompt": _user({"type": "image", "data": "eHl6"})}, "Image: data must be base64 of a PNG"),
    ({"prompt": _user({"type": "image"})}, "Image: give either url or data"),
    ({"prompt": _user({"type": "image", "data": DATA, "url": "x"})}, "Image: give either url or"),
    (
        {"prompt": [{"role": "assistant", "content": [{**THOUGHT, "content": PROMPT}]}]},
        "Thought: content must be the JSON object",
    ),
    ({"tools": [{"name": PROMPT}]}, "Tool: name must be 1 to 64"),
    ({"tools": [{"name": "f", "parameters": {"x": PROMPT}}]}, "Tool: parameters must be a JSON"),
    ({"tools": TOOLS, "tool_choice": {"name": PROMPT}}, "tool_choice: name must be that of one"),
]


@pytest.mark.parametrize("path", [QUERY, STREAM])
@pytest.mark.parametrize(("wrong", "what"), WRONG_VALUES)
def test_what_no_vendor_takes_is_said_without_what_was_sent(door, path, wrong, what):
    stage = door("x")
    answer = ask(stage, path, **({"prompt": "?"} | wrong))
    assert (answer.status, answer.json["code"]) == (422, "invalid_body")
    assert answer.json["detail"].startswith(what)
    assert PROMPT.encode() not in answer.body
    assert stage.providers[0].requests == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": []},
        {"prompt": TALK[:2]},
        {"prompt": [TALK[0], TALK[1], TALK[4]]},
        {"tool_choice": "required"},
        {"tools": [TOOLS[0], TOOLS[0]]},
    ],
)
def test_what_is_right_in_its_parts_and_wrong_as_a_whole_is_422(door, wrong):
    stage = door("x")
    answer = ask(stage, QUERY, **({"prompt": "?"} | wrong))
    assert (answer.status, answer.json["code"]) == (422, "invalid_request")
    assert stage.providers[0].requests == []


@pytest.mark.parametrize("wrong", [{"fallback": [7] * 300_000}, {"prompt": [7] * 300_000}])
def test_half_a_million_mistakes_are_one(door, wrong, monkeypatch):
    """Each that is found is kept, and costs the loop its time."""
    from koo.web.routes.calling import calls

    counts = []
    place = calls._place
    monkeypatch.setattr(calls, "_place", lambda found: counts.append(len(found)) or place(found))
    assert ask(door("x"), QUERY, **({"prompt": "?"} | wrong)).status == 422
    assert counts[0] <= 3


def test_the_openapi_document_finds_all_of_its_parts(door):
    document = door("x").get("/openapi.json").json
    found = []

    def walk(part):
        if isinstance(part, dict):
            if isinstance(reference := part.get("$ref"), str):
                found.append(reference)
            part = list(part.values())
        for one in part if isinstance(part, list) else ():
            walk(one)

    walk(document)
    assert any("MessageBody" in reference for reference in found)
    for reference in found:
        there = document
        for step in reference.removeprefix("#/").split("/"):
            there = there[step.replace("~1", "/")]
        assert isinstance(there, dict)
    for path in (QUERY, STREAM):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        schema = content["application/json"]["schema"]
        assert {"tools", "tool_choice", "schema"} <= schema["properties"].keys()
        assert json.dumps(schema).count("tool_result") >= 1
