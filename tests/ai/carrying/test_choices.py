"""Whether a tool may, must or can't be called: each vendor's words, and what it comes to."""

import json

import pytest

from koo.ai import Message, Prompt, Tool, ToolResult
from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Responses
from koo.errors import InvalidRequestError
from koo.testing import ScriptedProvider

from .conftest import CALL, CALLERS, TIME, WEATHER, connected
from .test_bodies import body

TOOLS = [WEATHER, TIME]
FUNCTION = {"type": "function", "function": {"name": "get_time"}}
ONLY_TIME = {"mode": "ANY", "allowedFunctionNames": ["get_time"]}
WORDS = [
    (Anthropic, "none", {"tool_choice": {"type": "none"}}),
    (Anthropic, "required", {"tool_choice": {"type": "any"}}),
    (Anthropic, TIME, {"tool_choice": {"type": "tool", "name": "get_time"}}),
    (OpenAI, "none", {"tool_choice": "none"}),
    (OpenAI, "required", {"tool_choice": "required"}),
    (OpenAI, TIME, {"tool_choice": FUNCTION}),
    (Compatible, TIME, {"tool_choice": FUNCTION}),
    (Responses, "none", {"tool_choice": "none"}),
    (Responses, "required", {"tool_choice": "required"}),
    (Responses, TIME, {"tool_choice": {"type": "function", "name": "get_time"}}),
    (Gemini, "none", {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}),
    (Gemini, "required", {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
    (
        Gemini,
        TIME,
        {"toolConfig": {"functionCallingConfig": ONLY_TIME}},
    ),
]


@pytest.mark.parametrize(("wire", "choice", "words"), WORDS)
def test_each_vendor_is_told_in_its_words(wire, choice, words):
    plain = body(wire, Prompt("?", tools=TOOLS))
    assert not words.keys() & plain.keys()
    assert body(wire, Prompt("?", tools=TOOLS, tool_choice=choice)) == plain | words


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ([], "none"),
        ([], "required"),
        ([], TIME),
        ([WEATHER], TIME),
        ([TIME], Tool("get_time", "Another one of that name.")),
        ([TIME], "get_time"),
        ([TIME], "any"),
        ([TIME], None),
        ([TIME], ["required"]),
        ([TIME], {"name": "get_time"}),
    ],
)
async def test_a_choice_that_there_is_not_is_refused_unsent(serve, tools, choice):
    provider = ScriptedProvider(then="fine")
    with pytest.raises(InvalidRequestError, match="tool_choice must be auto, or none, required or"):
        await serve(provider).query(Prompt("?", tools=tools, tool_choice=choice))
    assert provider.requests == []


@pytest.mark.parametrize("tools", [[], [TIME]])
async def test_auto_needs_no_tools(serve, tools):
    service = serve(ScriptedProvider(then="fine"))
    assert await service.query(Prompt("?", tools=tools, tool_choice="auto")) == "fine"


@pytest.mark.integration
@pytest.mark.parametrize("name", CALLERS)
async def test_what_was_chosen_is_called(name):
    answered = [Message.user("?"), Message.assistant(CALL), Message.user(ToolResult(CALL, "18"))]
    async with connected() as (manager, _):
        chosen = {
            choice: await manager.ask(name, Prompt(told, tools=TOOLS, tool_choice=given))
            for choice, told, given in [
                ("auto", "?", "auto"),
                ("none", "?", "none"),
                ("a tool", "?", TIME),
                ("auto after a result", answered, "auto"),
                ("required after a result", answered, "required"),
            ]
        }
    called = {choice: [call.name for call in found.calls] for choice, found in chosen.items()}
    assert called == {
        "auto": ["get_weather"],
        "none": [],
        "a tool": ["get_time"],
        "auto after a result": [],
        "required after a result": ["get_weather"],
    }
    assert chosen["none"].text
    assert json.loads(chosen["a tool"].calls[0].arguments) == {}


@pytest.mark.integration
async def test_who_knows_no_tools_is_not_told_of_a_choice():
    async with connected() as (manager, simulator):
        with pytest.raises(InvalidRequestError, match="perplexity knows no tools; ask another"):
            await manager.ask("perplexity", Prompt("?", tools=[TIME], tool_choice=TIME))
        assert simulator.requests == ()
