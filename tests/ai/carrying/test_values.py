"""What can be asked is right when it is made, or refused before it is sent."""

from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest

from koo.ai import Completion, Image, Message, Prompt, Response, Tool, ToolCall, ToolResult
from koo.errors import InvalidRequestError
from koo.testing import ScriptedProvider

from .conftest import CALL, PICTURE, PNG, WEATHER, talk


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"GIF89a rest", "image/gif"),
        (b"RIFF\x0a\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("https://example.com/cat.png", ""),
    ],
)
def test_a_picture_knows_its_kind_by_its_bytes(source, kind):
    assert Image(source).media_type == kind


@pytest.mark.parametrize("source", [b"", b"%PDF-1.7", b"RIFF\x0a\x00\x00\x00WAVE", 7])
def test_what_is_no_picture_is_refused(source):
    with pytest.raises(ValueError, match=r"^Image: the bytes must be those of a PNG"):
        Image(source)


@pytest.mark.parametrize("source", ["cat.png", "data:image/png;base64,AA==", "https://a b/c", ""])
def test_what_is_no_address_is_refused(source):
    with pytest.raises(ValueError, match=r"^Image: the address must be like https://"):
        Image(source)


def test_a_picture_shows_nothing_of_itself():
    assert repr(PICTURE) == "Image()"


@pytest.mark.parametrize("name", ["", "a b", "1st", "x" * 65, "get.weather"])
def test_a_tool_has_a_name_that_every_vendor_takes(name):
    with pytest.raises(ValueError, match=r"^Tool: name must be"):
        Tool(name, "?")


def test_a_tools_arguments_are_an_object():
    with pytest.raises(ValueError, match=r'^Tool: parameters .* "type": "object"$'):
        Tool("f", "?", {"type": "string"})
    assert Tool("f", "?").parameters == {"type": "object", "properties": {}}


def test_a_system_prompt_is_no_message():
    with pytest.raises(ValueError, match="system is a field of Prompt"):
        Message("system", ("Be brief.",))


@pytest.mark.parametrize(
    ("role", "content"),
    [
        ("user", ()),
        ("user", (CALL,)),
        ("user", (7,)),
        ("assistant", (PICTURE,)),
        ("assistant", (ToolResult(CALL, "x"),)),
    ],
)
def test_each_side_says_what_it_can_say(role, content):
    with pytest.raises(ValueError, match=f"^Message: content of {role} must be"):
        Message(role, content)


def test_an_empty_text_is_left_out():
    with pytest.raises(ValueError, match="a text is empty"):
        Message.user("Why?", " ")


@pytest.mark.parametrize("content", ["Why?", ["Why?"], None])
def test_a_text_alone_was_taken_for_as_many_parts_as_it_has_letters(content):
    with pytest.raises(ValueError, match=r"^Message: content of user must be .* say Message.user"):
        Message("user", content)


def test_an_answer_is_gone_on_with_as_what_the_model_said():
    assert Completion("Yes.", "m", "stop").message == Message.assistant("Yes.")
    assert Completion("", "m", "stop", parts=(CALL,)).message == Message.assistant(CALL)
    with pytest.raises(ValueError, match="content of assistant"):
        _ = Completion("", "m", "stop").message


OTHER = ToolCall("call_2", "get_weather", "{}")
RESULT, OTHER_RESULT = ToolResult(CALL, "x"), ToolResult(OTHER, "y")


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        (Prompt(["Why?"]), "text, or a list of Message"),
        (Prompt([]), "empty"),
        (Prompt([Message.user("?"), Message.assistant("!")]), "last message must be the user's"),
        (Prompt([*talk()[:2], Message.user("?")]), "needs its ToolResult"),
        (Prompt([Message.user(RESULT)]), "needs its ToolResult"),
        (Prompt([*talk()[:2], Message.user(OTHER_RESULT)]), "needs its ToolResult"),
        (Prompt([*talk()[:2], Message.user(RESULT, RESULT)]), "needs its ToolResult"),
        (Prompt("?", tools=WEATHER), "list of Tool"),
        (Prompt("?", tools=["get_weather"]), "list of Tool"),
        (Prompt("?", tools=[WEATHER, WEATHER]), "a name of its own"),
        (Prompt("?", schema="{}"), "schema must be a JSON schema"),
        (Prompt("?", max_cost=0.05), r"like Decimal\('0.05'\)"),
        (Prompt("?", max_cost=True), "max_cost must be USD"),
        (Prompt("?", max_cost=Decimal(0)), "max_cost must be USD above 0"),
        (Prompt("?", max_cost=Decimal("nan")), "max_cost must be USD"),
        (Prompt("?", max_cost=Decimal("inf")), "max_cost must be USD"),
    ],
)
async def test_a_prompt_that_nobody_could_answer_is_refused_and_not_sent(serve, prompt, word):
    provider = ScriptedProvider()
    with pytest.raises(InvalidRequestError, match=word):
        await serve(provider).query(prompt)
    assert provider.requests == []


async def test_two_calls_are_answered_in_either_order(serve):
    provider = ScriptedProvider("fine")
    asked = [Message.user("?"), Message.assistant(CALL, OTHER), Message.user(OTHER_RESULT, RESULT)]
    assert await serve(provider).query(Prompt(asked)) == "fine"
    assert provider.prompts == ["?"]


def test_what_a_call_is_given_is_read_by_name():
    assert CALL.values == {"place": "Bern", "days": 1}


@pytest.mark.parametrize("arguments", ["[1]", '"words that nobody must see"', "7", "null"])
def test_arguments_that_are_no_object_are_one_sentence(arguments):
    with pytest.raises(ValueError, match=r"^what the model wrote is no JSON object; tell it"):
        _ = ToolCall("c", "f", arguments).values


ANSWERS = [
    Completion('{"legs": 4}', "m", "stop"),
    Response('{"legs": 4}', "claude", "m", "stop", None, None, 1, 0.0),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_to_a_schema_is_a_document(answer):
    assert answer.document == {"legs": 4}


READERS = [
    *(partial(lambda answer, text: replace(answer, text=text).document, one) for one in ANSWERS),
    lambda text: ToolCall("c", "f", text).values,
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("text", ["", '{"legs": ', "words that nobody must see", "[" * 10**5])
def test_what_is_no_json_is_one_sentence_that_repeats_nothing(read, text):
    with pytest.raises(ValueError, match=r"^what the model wrote is no JSON; ask") as caught:
        read(text)
    assert caught.value.__context__ is None
