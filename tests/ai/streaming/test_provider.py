"""A provider's stream over real sockets, where the other side does what no simulator does."""

import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from koo.ai import NOTHING, Heard, ServiceConfig, connect
from koo.errors import (
    ExternalServiceError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServiceUnavailableError,
)

from ..asking import question
from .conftest import KEY, PROMPT, is_silent

pytestmark = pytest.mark.integration

NAMES = ("claude", "openai", "gemini", "groq")


def sse(*documents):
    return b"".join(f"data: {json.dumps(each)}\n\n".encode() for each in documents)


def delta(text, finish=None):
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


@asynccontextmanager
async def _asking(body, name="openai", **how):
    """A provider whose server sends *body* to every request, and what it was sent."""
    seen = []

    async def answer(request):
        seen.append((request.path_qs, await request.json(), request.headers))
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "x-request-id": "req_7", **how}
        )
        await response.prepare(request)
        await response.write(body)
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    provider = connect(ServiceConfig(name=name, model="m", api_key=KEY, base_url=address))
    try:
        yield provider, seen
    finally:
        await provider.close()
        await runner.cleanup()


async def heard_from(provider):
    """Everything that a stream gives, and the error that ended it."""
    items = []
    request = provider.prepare(question(PROMPT, "m", 7, streams=True))
    try:
        async for item in provider.stream(request, Heard()):
            items += [item]
    except ExternalServiceError as error:
        return items, error
    return items, None


@pytest.mark.parametrize(
    ("name", "path", "asked"),
    [
        ("claude", "/v1/messages", {"stream": True}),
        (
            "openai",
            "/chat/completions",
            {"stream": True, "stream_options": {"include_usage": True}},
        ),
        ("gemini", "/v1/models/m:streamGenerateContent?alt=sse", {}),
        ("perplexity", "/chat/completions", {"stream": True}),
        ("openai-responses", "/responses", {"stream": True}),
    ],
)
async def test_a_stream_is_asked_for_in_each_vendors_words(name, path, asked):
    async with _asking(b"", name) as (provider, seen):
        await heard_from(provider)
    [(sent_to, body, headers)] = seen
    assert sent_to == path
    assert {key: body[key] for key in body if key.startswith("stream")} == asked
    assert headers["Accept"] == "text/event-stream"
    assert headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("address", "options"), [("https://api.mistral.ai/v1", False), ("http://127.0.0.1:1/v1", True)]
)
def test_who_refuses_unknown_fields_is_sent_none(address, options):
    config = ServiceConfig(name="lab", model="m", api_key=KEY, base_url=address)
    body = json.loads(connect(config).prepare(question(PROMPT, "m", 7, streams=True)).body)
    assert body["stream"] is True
    assert ("stream_options" in body) is options


async def test_an_answer_without_text_is_whole_too():
    async with _asking(sse(delta("", "stop"))) as (provider, _):
        items, error = await heard_from(provider)
    assert error is None
    assert [item.text for item in items] == [""]
    assert items[0].request_id == "req_7"


async def test_a_whole_body_without_text_is_an_answer_too():
    body = {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}
    kind = {"Content-Type": "application/json"}
    async with _asking(json.dumps(body).encode(), **kind) as (provider, _):
        items, _ = await heard_from(provider)
    assert [item.text for item in items] == [""]


SAID = {"message": f"What you said: {PROMPT} with {KEY}"}
ERRORS = [
    ("claude", {"type": "overloaded_error"}, ServiceUnavailableError),
    ("claude", {"type": "rate_limit_error"}, RateLimitError),
    ("openai", {"type": "insufficient_quota", "code": None}, QuotaExceededError),
    ("openai", {"type": "invalid_request_error", **SAID}, InvalidRequestError),
    ("gemini", {"code": 429, "status": "RESOURCE_EXHAUSTED"}, RateLimitError),
    ("gemini", {"code": 402, "status": "RESOURCE_EXHAUSTED"}, QuotaExceededError),
    ("groq", {"code": 402, **SAID}, QuotaExceededError),
    *((name, SAID, ServiceUnavailableError) for name in NAMES),
    *((name, {"code": 99, **SAID}, ServiceUnavailableError) for name in NAMES),
]


@pytest.mark.parametrize(("name", "error", "error_class"), ERRORS)
async def test_an_error_as_the_first_event_is_as_an_error_answer(name, error, error_class):
    """An account without credit gets a 200 and this."""
    async with _asking(sse({"type": "error", "error": error}), name) as (provider, _):
        items, raised = await heard_from(provider)
    assert items == []
    assert type(raised) is error_class
    # What is refused costs nothing; what broke may have begun.
    assert raised.usage is (None if raised.trips else NOTHING)
    assert raised.request_id == "req_7"
    assert is_silent(raised)


async def test_an_error_after_the_beginning_costs_what_nobody_knows():
    body = sse(delta("Be"), {"error": {"code": 429, "message": "slow down"}})
    async with _asking(body, "groq") as (provider, _):
        items, error = await heard_from(provider)
    assert items == ["Be"]
    assert type(error) is RateLimitError
    assert error.usage is None


@pytest.mark.parametrize("garbage", [b"data: <html>\n\n", b"event: error\ndata: oops\n\n"])
async def test_what_cannot_be_read_costs_what_nobody_knows(garbage):
    async with _asking(garbage) as (provider, _):
        _, error = await heard_from(provider)
    assert type(error) is ServiceUnavailableError
    assert "can't be read" in str(error)
    assert error.usage is None


async def test_what_had_come_before_an_error_in_the_same_bytes_is_given_first():
    body = sse(delta("Be"), delta("cause"), {"error": {"type": "server_error"}})
    async with _asking(body) as (provider, _):
        items, error = await heard_from(provider)
    assert items == ["Be", "cause"]
    assert type(error) is ServiceUnavailableError
