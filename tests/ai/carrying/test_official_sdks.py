"""The official SDKs as counterparts: what they send is what koo sends, and they read the simulator.

Nobody here has written them; so a form that both koo and the simulator had wrong would show.
"""

import json
from base64 import b64decode

import pytest
from pydantic import TypeAdapter

from koo.ai import Message, Prompt, ServiceConfig, ToolResult, connect
from koo.ai.providers import Anthropic, Gemini, Responses
from koo.ai.providers.wire import more_than_text, parse
from koo.ai.questions import put
from koo.testing import Simulator

from ..sdk.conftest import CLIENTS, imported
from .conftest import CALL, PICTURE, PLACE, WEATHER, talk

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("sdks"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
]

EXPECTED = {"place": "simulated", "days": 1}
MODELS = {"claude": "claude-haiku-4-5", "openai": "gpt-5-mini", "gemini": "gemini-2.5-flash"}


def sent_by_koo(name, prompt, model):
    config = ServiceConfig(name=name, api_key="test-key", model=model, max_tokens=400)
    return json.loads(connect(config).prepare(put(prompt, config)).body)


async def test_gemini_gets_from_koo_what_its_sdk_sends():
    types = imported("google.genai.types")
    picture = types.Part.from_bytes(data=PICTURE.source, mime_type="image/png")
    called = types.FunctionCall(id="call_1", name="get_weather", args=json.loads(CALL.arguments))
    response = types.FunctionResponse(
        id="call_1", name="get_weather", response={"output": "18 degrees"}
    )
    contents = [
        types.Content(role="user", parts=[types.Part(text="Is this Bern?"), picture]),
        types.Content(
            role="model",
            parts=[
                types.Part(text="I look."),
                types.Part(function_call=called, thought_signature=b64decode(CALL.signature)),
            ],
        ),
        types.Content(
            role="user",
            parts=[types.Part(function_response=response), types.Part(text="And tomorrow?")],
        ),
    ]
    declared = types.FunctionDeclaration(
        name="get_weather", description=WEATHER.description, parameters_json_schema=PLACE
    )
    config = types.GenerateContentConfig(
        max_output_tokens=400,
        system_instruction="Be brief.",
        tools=[types.Tool(function_declarations=[declared])],
        response_mime_type="application/json",
        response_json_schema=PLACE,
    )
    async with (
        Simulator(["gemini"]) as simulator,
        CLIENTS["gemini"](simulator.base_url("gemini")) as client,
    ):
        await client.aio.models.generate_content(
            model=MODELS["gemini"], contents=contents, config=config
        )
        [received] = simulator.completions("gemini")
    prompt = Prompt(talk(PICTURE), system="Be brief.", tools=[WEATHER], schema=PLACE)
    ours = sent_by_koo("gemini", prompt, MODELS["gemini"])
    theirs = received.document
    theirs["systemInstruction"].pop("role", None)
    for part in theirs["contents"][0]["parts"][1:]:
        # The SDK writes base64 for addresses, which the vendor takes as well.
        part["inlineData"]["data"] = part["inlineData"]["data"].translate(str.maketrans("-_", "+/"))
        part["inlineData"]["mimeType"] = part["inlineData"].pop("mime_type")
    for tool in theirs["tools"][0]["functionDeclarations"]:
        tool["parametersJsonSchema"] = tool.pop("parameters_json_schema")
    assert ours == theirs


async def test_anthropics_sdk_reads_the_simulators_calls():
    asked = sent_by_koo("claude", Prompt("?", tools=[WEATHER]), MODELS["claude"])
    async with (
        Simulator(["claude"]) as simulator,
        CLIENTS["claude"](simulator.base_url("claude")) as client,
    ):
        [whole] = (await client.messages.create(**asked)).content
        async with client.messages.stream(**asked) as stream:
            [streamed] = (await stream.get_final_message()).content
        first, second = simulator.completions("claude")
    for block in (whole, streamed):
        assert (block.type, block.name, block.input) == ("tool_use", "get_weather", EXPECTED)
    assert first.document == asked
    assert second.document == asked | {"stream": True}


async def test_openais_sdk_reads_the_simulators_calls():
    asked = sent_by_koo("openai", Prompt("?", tools=[WEATHER]), MODELS["openai"])
    async with (
        Simulator(["openai"]) as simulator,
        CLIENTS["openai"](simulator.base_url("openai")) as client,
    ):
        message = (await client.chat.completions.create(**asked)).choices[0].message
        async with client.chat.completions.stream(**asked) as stream:
            streamed = (await stream.get_final_completion()).choices[0].message
    for one in (message, streamed):
        [call] = one.tool_calls
        assert (call.type, call.function.name) == ("function", "get_weather")
        assert json.loads(call.function.arguments) == EXPECTED
        assert not one.content


async def test_openais_sdk_reads_the_simulators_calls_in_a_response():
    asked = sent_by_koo("openai-responses", Prompt("?", tools=[WEATHER]), MODELS["openai"])
    async with (
        Simulator(["openai-responses"]) as simulator,
        CLIENTS["openai"](simulator.base_url("openai-responses")) as client,
    ):
        [call] = (await client.responses.create(**asked)).output
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert json.loads(call.arguments) == EXPECTED


async def test_geminis_sdk_reads_the_simulators_calls():
    declared = {"name": "get_weather", "description": "?", "parameters_json_schema": PLACE}
    asked = {
        "model": MODELS["gemini"],
        "contents": "?",
        "config": {"tools": [{"function_declarations": [declared]}]},
    }
    async with (
        Simulator(["gemini"]) as simulator,
        CLIENTS["gemini"](simulator.base_url("gemini")) as client,
    ):
        whole = await client.aio.models.generate_content(**asked)
        chunks = await client.aio.models.generate_content_stream(**asked)
        streamed = [call for chunk in [c async for c in chunks] for call in chunk.function_calls]
    for call in (*whole.function_calls, *streamed):
        assert (call.name, call.args) == ("get_weather", EXPECTED)
        assert call.id


THINKING = "It depends on the weather. And that on the place."


def gone_on_with(name, wire, raw):
    """What koo sends after a call in *raw*, which an SDK has read."""
    parts = more_than_text(wire().parts(parse(raw.encode())))
    [call] = Message.assistant(*parts).calls
    told = [Message.user("?"), Message.assistant(*parts), Message.user(ToolResult(call, "18"))]
    return sent_by_koo(name, Prompt(told, tools=[WEATHER]), MODELS[name.split("-")[0]])


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_anthropic_gets_back_from_koo_what_its_sdk_sends_back(is_streamed):
    asked = sent_by_koo("claude", Prompt("?", tools=[WEATHER]), MODELS["claude"])
    async with (
        Simulator(["claude"], thinking=THINKING) as simulator,
        CLIENTS["claude"](simulator.base_url("claude")) as client,
    ):
        if is_streamed:
            async with client.messages.stream(**asked) as stream:
                message = await stream.get_final_message()
        else:
            message = await client.messages.create(**asked)
        thought, call = message.content
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "18"}
        turns = [
            {"role": "user", "content": [{"type": "text", "text": "?"}]},
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ]
        await client.messages.create(**asked | {"messages": turns})
        theirs = simulator.completions("claude")[-1]
    assert (thought.type, thought.thinking, theirs.status) == ("thinking", THINKING, 200)
    assert message.usage.output_tokens_details.thinking_tokens == len(THINKING) // 4
    assert gone_on_with("claude", Anthropic, message.to_json()) == theirs.document


async def test_openai_gets_back_from_koo_what_its_sdk_sends_back_but_names():
    asked = sent_by_koo("openai-responses", Prompt("?", tools=[WEATHER]), MODELS["openai"])
    async with (
        Simulator(["openai-responses"], thinking=THINKING) as simulator,
        CLIENTS["openai"](simulator.base_url("openai-responses")) as client,
    ):
        response = await client.responses.create(**asked)
        thought, call = response.output
    assert (thought.type, bool(thought.encrypted_content)) == ("reasoning", True)
    _, back, called, result = gone_on_with("openai-responses", Responses, response.to_json())[
        "input"
    ]
    param = imported("openai").types.responses.ResponseReasoningItemParam
    named = {"id": thought.id, "status": "completed"}
    TypeAdapter(param).validate_json(json.dumps(back | named), strict=True, extra="forbid")
    assert back | named == thought.to_dict()
    assert (called["call_id"], result["call_id"]) == (call.call_id, call.call_id)


async def test_gemini_gets_back_from_koo_what_its_sdk_sends_back():
    types = imported("google.genai.types")
    declared = {"name": "get_weather", "description": "?", "parameters_json_schema": PLACE}
    config = {"tools": [{"function_declarations": [declared]}]}
    async with (
        Simulator(["gemini"], thinking=THINKING) as simulator,
        CLIENTS["gemini"](simulator.base_url("gemini")) as client,
    ):
        generate = client.aio.models.generate_content
        first = await generate(model=MODELS["gemini"], contents="?", config=config)
        said = first.candidates[0].content
        called = said.parts[0].function_call
        response = types.FunctionResponse(id=called.id, name=called.name, response={"output": "18"})
        turns = [
            types.Content(role="user", parts=[types.Part(text="?")]),
            said,
            types.Content(role="user", parts=[types.Part(function_response=response)]),
        ]
        await generate(model=MODELS["gemini"], contents=turns, config=config)
        theirs = simulator.completions("gemini")[-1]
    raw = first.model_dump_json(by_alias=True, exclude_none=True)
    ours = gone_on_with("gemini", Gemini, raw)
    assert theirs.status == 200
    # The SDK writes base64 for addresses, which the vendor takes as well.
    for document in (ours, theirs.document):
        part = document["contents"][1]["parts"][0]
        part["thoughtSignature"] = part["thoughtSignature"].translate(str.maketrans("-_", "+/"))
    assert ours["contents"] == theirs.document["contents"]
