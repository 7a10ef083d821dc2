"""Each vendor is asked in its own form; what it does not know is refused in a sentence."""

import json
from base64 import b64encode

import pytest
from pydantic import TypeAdapter

from koo.ai import (
    Image,
    Message,
    Prompt,
    Question,
    ServiceConfig,
    Tool,
    ToolCall,
    ToolResult,
    connect,
)
from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Perplexity, Responses
from koo.errors import InvalidRequestError

from ..sdk.conftest import imported
from .conftest import ADDRESS, CALL, PICTURE, PLACE, PNG, TIME, WEATHER, whole

DATA = b64encode(PNG).decode()
DATA_URL = f"data:image/png;base64,{DATA}"
ARGUMENTS = {"place": "Bern", "days": 1}
NOTHING_ASKED = {"type": "object", "properties": {}}


def body(wire, prompt):
    return json.loads(json.dumps(wire().document(Question(prompt, "m", 7))))


def test_anthropic_is_told_in_blocks_results_first():
    asked = body(Anthropic, whole(PICTURE, ADDRESS))
    source = {"type": "base64", "media_type": "image/png", "data": DATA}
    by_url = {"type": "url", "url": ADDRESS.source}
    assert asked["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Is this Bern?"},
                {"type": "image", "source": source},
                {"type": "image", "source": by_url},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": ARGUMENTS},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "18 degrees"},
                {"type": "text", "text": "And tomorrow?"},
            ],
        },
    ]
    assert asked["tools"] == [
        {"name": "get_weather", "description": WEATHER.description, "input_schema": PLACE},
        {"name": "get_time", "description": TIME.description, "input_schema": NOTHING_ASKED},
    ]
    assert asked["output_config"] == {"format": {"type": "json_schema", "schema": PLACE}}


@pytest.mark.parametrize(("wire", "is_openai"), [(OpenAI, True), (Compatible, False)])
def test_a_chat_has_a_message_for_each_result(wire, is_openai):
    detail, strict = ({"detail": "high"}, {"strict": True}) if is_openai else ({}, {})
    asked = body(wire, whole(PICTURE, ADDRESS))
    called = {"name": "get_weather", "arguments": CALL.arguments}
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Is this Bern?"},
                {"type": "image_url", "image_url": {"url": DATA_URL, **detail}},
                {"type": "image_url", "image_url": {"url": ADDRESS.source, **detail}},
            ],
        },
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [{"id": "call_1", "type": "function", "function": called}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
        {"role": "user", "content": [{"type": "text", "text": "And tomorrow?"}]},
    ]
    assert [tool["function"]["parameters"] for tool in asked["tools"]] == [PLACE, NOTHING_ASKED]
    form = {"name": "answer", "schema": PLACE, **strict}
    assert asked["response_format"] == {"type": "json_schema", "json_schema": form}


def test_a_response_has_an_item_for_each_thing():
    asked = body(Responses, whole(PICTURE))
    named = {"call_id": "call_1", "name": "get_weather", "arguments": CALL.arguments}
    assert asked["instructions"] == "Be brief."
    assert asked["input"] == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Is this Bern?"},
                {"type": "input_image", "image_url": DATA_URL, "detail": "high"},
            ],
        },
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", **named},
        {"type": "function_call_output", "call_id": "call_1", "output": "18 degrees"},
        {"role": "user", "content": [{"type": "input_text", "text": "And tomorrow?"}]},
    ]
    assert [tool["strict"] for tool in asked["tools"]] == [False, False]
    form = {"type": "json_schema", "name": "answer", "schema": PLACE, "strict": True}
    assert asked["text"] == {"format": form}


def test_gemini_is_told_in_parts_and_sees_its_signature_again():
    asked = body(Gemini, whole(PICTURE))
    called = {"name": "get_weather", "id": "call_1"}
    response = {"output": "18 degrees"}
    assert asked["contents"] == [
        {
            "role": "user",
            "parts": [
                {"text": "Is this Bern?"},
                {"inlineData": {"mimeType": "image/png", "data": DATA}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "I look."},
                {"functionCall": {**called, "args": ARGUMENTS}, "thoughtSignature": "seen"},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {**called, "response": response}},
                {"text": "And tomorrow?"},
            ],
        },
    ]
    [tool] = asked["tools"]
    assert [one["name"] for one in tool["functionDeclarations"]] == ["get_weather", "get_time"]
    assert tool["functionDeclarations"][0]["parametersJsonSchema"] == PLACE
    assert asked["generationConfig"] == {
        "maxOutputTokens": 7,
        "responseMimeType": "application/json",
        "responseJsonSchema": PLACE,
    }


@pytest.mark.parametrize("wire", [Anthropic, OpenAI, Responses])
def test_a_call_without_an_id_is_refused_where_calls_have_one(wire):
    nameless = ToolCall("", "get_weather", "{}")
    told = [Message.user("?"), Message.assistant(nameless), Message.user(ToolResult(nameless, "x"))]
    with pytest.raises(InvalidRequestError, match="a ToolCall has no id"):
        _prepare(wire, Prompt(told))


def test_gemini_knows_a_call_by_its_name_alone():
    nameless = ToolCall("", "get_weather", "{}")
    told = [Message.user("?"), Message.assistant(nameless), Message.user(ToolResult(nameless, "x"))]
    parts = [content["parts"][0] for content in body(Gemini, Prompt(told))["contents"]]
    assert parts[1] == {"functionCall": {"name": "get_weather", "args": {}}}
    assert parts[2]["functionResponse"] == {"name": "get_weather", "response": {"output": "x"}}


@pytest.mark.parametrize("wire", [Anthropic, Gemini])
@pytest.mark.parametrize("arguments", ["{", "[1]", ""])
def test_arguments_that_are_no_object_are_refused_where_they_must_be(wire, arguments):
    broken = ToolCall("c", "f", arguments)
    told = [Message.user("?"), Message.assistant(broken), Message.user(ToolResult(broken, "x"))]
    with pytest.raises(InvalidRequestError, match="are no JSON object"):
        _prepare(wire, Prompt(told))


def test_perplexity_knows_no_tools():
    with pytest.raises(InvalidRequestError, match="^perplexity: perplexity knows no tools; ask an"):
        _prepare(Perplexity, Prompt("?", tools=[TIME]))
    assert body(Perplexity, Prompt("?", schema=PLACE))["response_format"]["json_schema"]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (ADDRESS.source, "image/png"),
        ("https://example.com/a.b/cat.JPG?signed=a/b.c&d", "image/jpeg"),
        ("https://example.com/cat.jpeg#tail", "image/jpeg"),
        ("https://example.com/cat.webp", "image/webp"),
    ],
)
def test_gemini_is_told_what_kind_of_picture_it_will_find(address, kind):
    [content] = body(Gemini, Prompt([Message.user("?", Image(address))]))["contents"]
    assert content["parts"][1] == {"fileData": {"mimeType": kind, "fileUri": address}}


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/cat.png",
        "https://example.com/cat.gif",
        "https://example.com/cat",
        "https://example.com/?cat.png",
    ],
)
def test_gemini_is_not_sent_where_it_will_not_look(address):
    with pytest.raises(InvalidRequestError, match=r"gemini fetches pictures only .* the bytes"):
        _prepare(Gemini, Prompt([Message.user(Image(address))]))


def test_gemini_takes_no_gif():
    with pytest.raises(InvalidRequestError, match="gemini takes no GIF"):
        _prepare(Gemini, Prompt([Message.user(Image(b"GIF89a"))]))


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object()])
def test_a_schema_holds_what_json_can(value):
    for prompt in (Prompt("?", schema={"x": value}), Prompt("?", tools=[_tool_with(value)])):
        with pytest.raises(InvalidRequestError, match="a schema holds what JSON can't"):
            _prepare(Anthropic, prompt)


def _tool_with(value):
    return Tool("f", "?", {"type": "object", "x": value})


_NAMES = {
    Anthropic: "claude",
    OpenAI: "openai",
    Responses: "openai-responses",
    Gemini: "gemini",
    Perplexity: "perplexity",
}


def _prepare(wire, prompt):
    provider = connect(ServiceConfig(name=_NAMES[wire], api_key="test-key"))
    return provider.prepare(Question(prompt, "m", 7))


# -- the vendors' own types, which nobody here has written -----------------------------------


def _check(kind, value):
    """That *value* is *kind* of an official SDK, with all of its fields."""
    TypeAdapter(kind).validate_json(json.dumps(value), strict=True, extra="forbid")


def test_a_field_that_an_sdk_does_not_know_is_found_out():
    anthropic, openai = imported("anthropic"), imported("openai")
    with pytest.raises(ValueError, match="extra"):
        _check(anthropic.types.ToolParam, {"name": "f", "input_schema": PLACE, "schema": PLACE})
    with pytest.raises(ValueError, match="extra"):
        _check(openai.types.responses.ResponseInputContentParam, {"type": "input_text", "txt": ""})


def test_anthropics_own_types_know_every_field():
    anthropic = imported("anthropic")
    asked = body(Anthropic, whole(PICTURE, ADDRESS))
    for message in asked["messages"]:
        _check(anthropic.types.MessageParam, {"role": message["role"], "content": "x"})
        for block in message["content"]:
            _check(anthropic.types.ContentBlockParam, block)
    for tool in asked["tools"]:
        _check(anthropic.types.ToolParam, tool)
    _check(anthropic.types.OutputConfigParam, asked["output_config"])


def test_the_vendors_own_types_know_every_choice():
    anthropic, openai = imported("anthropic"), imported("openai")
    gemini_types = imported("google.genai.types")
    for choice in ("none", "required", TIME):
        prompt = Prompt("?", tools=[TIME], tool_choice=choice)
        _check(anthropic.types.ToolChoiceParam, body(Anthropic, prompt)["tool_choice"])
        chat = openai.types.chat.ChatCompletionToolChoiceOptionParam
        _check(chat, body(OpenAI, prompt)["tool_choice"])
        response = openai.types.responses.response_create_params.ToolChoice
        _check(response, body(Responses, prompt)["tool_choice"])
        gemini_types.ToolConfig.model_validate(body(Gemini, prompt)["toolConfig"])


def test_openais_own_types_know_every_field():
    openai = imported("openai")
    chat, response = openai.types.chat, openai.types.responses
    asked = body(OpenAI, whole(PICTURE, ADDRESS))
    system, user, assistant, tool, _ = asked["messages"]
    _check(chat.ChatCompletionSystemMessageParam, system)
    for part in user["content"]:
        _check(chat.ChatCompletionContentPartParam, part)
    _check(chat.ChatCompletionMessageFunctionToolCallParam, assistant["tool_calls"][0])
    _check(chat.ChatCompletionToolMessageParam, tool)
    for one in asked["tools"]:
        _check(chat.ChatCompletionFunctionToolParam, one)
    _check(openai.types.shared_params.ResponseFormatJSONSchema, asked["response_format"])
    asked = body(Responses, whole(PICTURE, ADDRESS))
    for part in asked["input"][0]["content"]:
        _check(response.ResponseInputContentParam, part)
    _check(response.EasyInputMessageParam, asked["input"][1])
    _check(response.ResponseFunctionToolCallParam, asked["input"][2])
    for one in asked["tools"]:
        _check(response.FunctionToolParam, one)
    _check(response.ResponseTextConfigParam, asked["text"])


def test_geminis_own_types_know_every_field():
    gemini_types = imported("google.genai.types")
    asked = body(Gemini, whole(PICTURE))
    for content in asked["contents"]:
        gemini_types.Content.model_validate(content)
    for tool in asked["tools"]:
        gemini_types.Tool.model_validate(tool)
    gemini_types.GenerationConfig.model_validate(asked["generationConfig"])
    with pytest.raises(ValueError, match="extra"):
        gemini_types.Content.model_validate({"role": "user", "pieces": []})
