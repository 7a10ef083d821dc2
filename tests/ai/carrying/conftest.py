"""What these tests ask: pictures, tools, a schema, and a conversation that holds all of them."""

import struct
import zlib
from contextlib import asynccontextmanager

import pytest

from koo.ai import (
    AIManager,
    Image,
    Message,
    Prompt,
    ServiceConfig,
    Tool,
    ToolCall,
    ToolResult,
)
from koo.resilience import RetryConfig, ignore
from koo.testing import Simulator

from ..conftest import OWN_PRICE
from ..sdk.conftest import imported

KEY = "test-key-that-must-not-be-seen"
#: Those who know tools.
CALLERS = ("claude", "openai", "openai-responses", "gemini", "groq")
ALL = (*CALLERS, "perplexity")


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


@asynccontextmanager
async def connected(*, on_event=ignore, **terms):
    """A manager of all services and the simulator that they speak to."""
    limits = {"requests_per_minute": 10**6, "tokens_per_minute": 10**9}
    async with Simulator(ALL, **limits, **terms) as simulator:
        configs = (_config(name, simulator) for name in ALL)
        manager = AIManager.from_configs(configs, on_event=on_event)
        try:
            yield manager, simulator
        finally:
            await manager.close()


def _config(name, simulator):
    own = {"model": "groq-model", "price": OWN_PRICE} if name == "groq" else {}
    return ServiceConfig(
        name=name,
        api_key=KEY,
        base_url=simulator.base_url(name),
        retry=RetryConfig(max_retries=0),
        daily_budget_nanousd=10**13,
        **own,
    )


@pytest.fixture(scope="session")
def sdks():
    """The official SDKs, imported before anything is timed."""
    return [imported(name) for name in ("anthropic", "openai", "google.genai")]
