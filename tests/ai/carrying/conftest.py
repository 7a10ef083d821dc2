"""What these tests ask: pictures, tools, a schema, and a conversation that holds all of them."""

import struct
import zlib

import pytest

from koo.ai import Image, Message, Prompt, Tool, ToolCall, ToolResult

from ..sdk.conftest import imported


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


#: One pixel, as a whole file.
PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\x00\x80\x80\x80"))
    + _chunk(b"IEND", b"")
)
PLACE = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["place", "days"],
    "additionalProperties": False,
}
WEATHER = Tool("get_weather", "The weather of a place.", PLACE)
TIME = Tool("get_time", "What time it is.")
CALL = ToolCall("call_1", "get_weather", '{"place": "Bern", "days": 1}', "seen")
PICTURE, ADDRESS = Image(PNG), Image("https://example.com/cat.png")


def talk(*pictures):
    """A question, a call, its result with a second question, and the answer that is wanted."""
    return [
        Message.user("Is this Bern?", *pictures),
        Message.assistant("I look.", CALL),
        Message.user("And tomorrow?", ToolResult(CALL, "18 degrees")),
    ]


def whole(*pictures):
    """A prompt that carries everything at once."""
    return Prompt(talk(*pictures), system="Be brief.", tools=[WEATHER, TIME], schema=PLACE)


@pytest.fixture(scope="session")
def sdks():
    """The official SDKs, imported before anything is timed."""
    return [imported(name) for name in ("anthropic", "openai", "google.genai")]
