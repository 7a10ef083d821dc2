"""What a vendor would refuse is refused; pictures and tools are billed; schemas are sampled."""

import json

import pytest

from koo.testing.simulator.dialects.content import sample, sealed

from .conftest import completion

pytestmark = pytest.mark.integration

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNoaGgAAAMEAYFL09IQAAAAAElFTkSuQmCC"


async def post(client, service, **body):
    """*body* over what a plain question is made of."""
    if service == "openai-responses":
        path, headers, asked = "/responses", {"authorization": "Bearer test-key"}, {"model": "m"}
    else:
        path, headers, asked = completion(service)
    return await client.post(service, path, headers, json.dumps(asked | body))


def _user(*parts):
    return [{"role": "user", "content": list(parts)}]


def _anthropic_image(data, kind="image/png"):
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def _fetched(address, kind):
    return {"fileData": {"mimeType": kind, "fileUri": address}}


def _openai_image(url):
    return {"type": "image_url", "image_url": {"url": url}}


USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKED = {"role": "user", "content": "?"}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ITEM = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
PART = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "eA=="}
SEAL = sealed("Hm.")
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": SEAL}
REASONING = {"type": "reasoning", "summary": [], "encrypted_content": SEAL}
SIGNED = {"text": "", "thoughtSignature": SEAL}
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def _said(*blocks):
    return [ASKED, {"role": "assistant", "content": list(blocks)}, ASKED]


RIGHT = [
    ("claude", {"messages": _said(THINKING, {"type": "text", "text": "a"})}),
    (
        "claude",
        {
            "messages": _said(
                {"type": "redacted_thinking", "data": SEAL}, {"type": "text", "text": "a"}
            )
        },
    ),
    (
        "openai-responses",
        {"input": [ASKED, REASONING, {"role": "assistant", "content": "a"}, ASKED]},
    ),
    (
        "openai-responses",
        {"input": [ASKED, REASONING, ITEM, {"type": "function_call_output", "call_id": "c1"}]},
    ),
    ("gemini", {"contents": [{"role": "model", "parts": [{"text": "a"}, SIGNED]}]}),
]
WRONG = [
    ("claude", {"messages": _said({"type": "text", "text": "a"}, THINKING)}),
    (
        "claude",
        {"messages": _said({**THINKING, "signature": SEAL[:-4]}, {"type": "text", "text": "a"})},
    ),
    (
        "claude",
        {"messages": _said({**THINKING, "signature": "###"}, {"type": "text", "text": "a"})},
    ),
    (
        "claude",
        {"messages": _said({"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "a"})},
    ),
    ("claude", {"tool_choice": {"type": "any"}}),
    ("claude", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}),
    ("openai", {"tool_choice": "none"}),
    ("openai", {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
    ("openai", {"tool_choice": {"type": "function", "name": "f"}}),
    ("openai-responses", {"input": [ASKED, REASONING]}),
    ("openai-responses", {"input": [ASKED, REASONING, ASKED]}),
    ("openai-responses", {"input": [{**REASONING, "id": "rs_1"}, ITEM]}),
    ("openai-responses", {"input": [{**REASONING, "encrypted_content": "eA=="}, ITEM]}),
    ("openai-responses", {"input": "?", "tool_choice": "required"}),
    (
        "gemini",
        {"contents": [{"role": "model", "parts": [{**SIGNED, "thoughtSignature": "eA=="}]}]},
    ),
    ("gemini", {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
    ("gemini", {"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}),
    ("claude", {"messages": _user({"type": "text"})}),
    ("claude", {"messages": _user({"type": "picture", "source": {}})}),
    ("claude", {"messages": _user(7)}),
    ("claude", {"messages": ["nonsense"]}),
    ("claude", {"messages": _user(_anthropic_image("####"))}),
    ("claude", {"messages": _user(_anthropic_image(PNG, "image/jpeg"))}),
    ("claude", {"messages": _user(_anthropic_image(PNG, "image/bmp"))}),
    ("claude", {"messages": _user(RESULT)}),
    ("claude", {"messages": [{"role": "assistant", "content": [USE]}, ASKED]}),
    ("claude", {"messages": _user({**USE, "input": "{}"})}),
    ("claude", {"tools": [{"name": "f"}]}),
    ("claude", {"tools": [{"name": "f", "input_schema": {"type": "string"}}]}),
    ("openai", {"messages": _user(_openai_image("data:image/png;base64,####"))}),
    ("openai", {"messages": _user(_openai_image("http://plain/cat.png"))}),
    ("openai", {"messages": [CALLED, ASKED]}),
    ("openai", {"tools": [{"type": "function", "function": {}}]}),
    ("openai-responses", {"input": [ITEM]}),
    ("openai-responses", {"input": ["nonsense"]}),
    ("openai-responses", {"input": "?", "tools": [{"type": "function"}]}),
    ("gemini", {"contents": [{"parts": [{"txt": "?"}]}]}),
    ("gemini", {"contents": [{"parts": [{"inlineData": {"mimeType": "image/gif", "data": PNG}}]}]}),
    ("gemini", {"contents": [{"parts": [_fetched("https://example.com/cat.gif", "image/gif")]}]}),
    ("gemini", {"contents": [{"parts": [_fetched("http://example.com/cat.png", "image/png")]}]}),
    ("gemini", {"contents": [{"parts": [{"functionCall": {"name": "f"}}]}]}),
    ("gemini", {"contents": [{"parts": [PART]}, {"parts": [{"text": "?"}]}]}),
    ("gemini", {"tools": [{}]}),
]


@pytest.mark.parametrize(("service", "body"), WRONG)
async def test_what_a_vendor_would_refuse_is_refused(connected, service, body):
    async with connected() as client:
        answer = await post(client, service, **body)
        assert (answer.status, client.simulator.requests[-1].status) == (400, 400)
    assert "error" in answer.document


GOOD = [
    ("claude", {"messages": _user(_anthropic_image(PNG))}, 4_784),
    (
        "claude",
        {"messages": _user({"type": "image", "source": {"type": "url", "url": "u"}})},
        4_784,
    ),
    ("claude", {"tools": [{"name": "f", "input_schema": {"type": "object"}}]}, 530),
    ("openai", {"messages": _user(_openai_image("https://example.com/cat.png"))}, 6_150),
    ("openai", {"messages": _user(_openai_image(f"data:image/png;base64,{PNG}"))}, 6_150),
    (
        "gemini",
        {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]}]},
        6_192,
    ),
    (
        "gemini",
        {"contents": [{"parts": [_fetched("https://example.com/cat.png", "image/png")]}]},
        6_192,
    ),
]


@pytest.mark.parametrize(("service", "body", "tokens"), GOOD)
async def test_what_is_carried_is_billed(connected, service, body, tokens):
    async with connected() as client:
        answer = await post(client, service, **body)
        [received] = client.simulator.requests
    assert answer.status == 200
    assert tokens < received.input_tokens < tokens + 50


async def test_a_call_that_does_not_fit_into_max_tokens_is_cut_off(connected):
    function = {
        "name": "f",
        "parameters": {"type": "object", "properties": {"x": {"type": "string"}}},
    }
    async with connected() as client:
        path, headers, asked = completion("openai", max_tokens=1)
        body = asked | {"tools": [{"type": "function", "function": function}]}
        answer = await client.post("openai", path, headers, json.dumps(body))
    [choice] = answer.document["choices"]
    assert (choice["finish_reason"], "tool_calls" in choice["message"]) == ("length", False)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "simulated"),
        ({"type": "string", "enum": ["b", "a"]}, "b"),
        ({"type": "integer"}, 1),
        ({"type": "number"}, 1.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array"}, [None]),
        ({"type": "object"}, {}),
        ({"type": "object", "properties": {"x": {"type": "integer"}}}, {"x": 1}),
        ({}, None),
        (True, None),
    ],
)
def test_a_schema_is_answered_with_something_that_it_allows(schema, value):
    assert sample(schema) == value


@pytest.mark.parametrize(("service", "body"), RIGHT)
async def test_a_thought_that_comes_back_as_it_was_is_taken(connected, service, body):
    async with connected() as client:
        answer = await post(client, service, **body)
    assert answer.status == 200
