"""A provider over real sockets: one request sent, and every way in which it can go wrong."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from aiohttp import web

from koo.ai import NOTHING, Sessions, Usage, connect
from koo.ai.config import ServiceConfig
from koo.errors import (
    ApiKeyError,
    ContentRefusedError,
    InvalidRequestError,
    ServiceConnectionError,
    ServiceUnavailableError,
)
from koo.testing import FakeClock

from .asking import question
from .surfaces import CANARY, NOW

pytestmark = pytest.mark.integration

PROMPT = question(CANARY, "model-x", 7)
GOOD = {
    "content": [{"type": "text", "text": "Because."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


@asynccontextmanager
async def _server(handler):
    """A server that gives every request to *handler*; its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _asking(handler, name="claude", **settings):
    """A provider of the service *name* whose server is *handler*."""
    async with _server(handler) as address:
        provider = _provider(address, name, **settings)
        try:
            yield provider
        finally:
            await provider.close()


def _provider(address, name="claude", **settings):
    config = ServiceConfig(
        name=name, base_url=address, **{"model": "m", "api_key": "test-key", **settings}
    )
    return connect(config, clock=FakeClock(epoch=NOW))


def _json(document, status=200, headers=None):
    async def answer(_):
        return web.json_response(document, status=status, headers=headers)

    return answer


async def _complete(provider):
    return await provider.complete(provider.prepare(PROMPT))


async def test_an_answer_comes_back_with_its_usage_and_the_id_of_its_request():
    seen = []

    async def answer(request):
        seen.append((request.method, request.path, await request.json(), dict(request.headers)))
        return web.json_response(GOOD, headers={"request-id": "req_1"})

    async with _asking(answer) as provider:
        completion = await _complete(provider)
    assert completion.text == "Because."
    assert completion.usage == Usage(3, 2)
    assert completion.request_id == "req_1"
    [(method, path, body, headers)] = seen
    assert (method, path) == ("POST", "/v1/messages")
    assert body["messages"] == [{"role": "user", "content": CANARY}]
    assert headers["Authorization"] == "Bearer test-key"
    assert headers["Content-Type"] == "application/json"


async def test_an_error_carries_the_id_of_its_request():
    error = {"error": {"type": "api_error", "message": CANARY}}
    async with _asking(_json(error, 500, {"x-request-id": "req_9"})) as provider:
        with pytest.raises(ServiceUnavailableError) as caught:
            await _complete(provider)
    assert caught.value.request_id == "req_9"


@pytest.mark.parametrize("request_id", ["two words", "x" * 129, "", "<b>"])
async def test_what_is_no_id_is_not_repeated(request_id):
    async with _asking(_json({"error": {}}, 500, {"request-id": request_id})) as provider:
        with pytest.raises(ServiceUnavailableError) as caught:
            await _complete(provider)
    assert caught.value.request_id is None


async def test_the_message_names_the_status_the_vendors_words_and_the_cure():
    error = {"error": {"type": "authentication_error", "message": CANARY}}
    async with _asking(_json(error, 401)) as provider:
        with pytest.raises(ApiKeyError) as caught:
            await _complete(provider)
    assert str(caught.value) == (
        "claude: the API key was refused (HTTP 401, authentication_error);"
        " correct ANTHROPIC_API_KEY, then reset the service"
    )
    assert caught.value.usage is NOTHING


@pytest.mark.parametrize("word", ["x" * 65, "two words", "sk-1234", "", 7, None, ["x"]])
async def test_a_vendors_word_that_could_be_a_secret_is_not_repeated(word):
    async with _asking(_json({"error": {"type": word, "code": word}}, 500)) as provider:
        with pytest.raises(
            ServiceUnavailableError, match=r"^claude: the service failed \(HTTP 500\);"
        ):
            await _complete(provider)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b"[" * 100_000, b'{"content": 1e999999999}'],
)
async def test_a_good_status_with_an_unreadable_body_is_a_failure_whose_cost_is_unknown(body):
    async def answer(_):
        return web.Response(body=body)

    async with _asking(answer) as provider:
        with pytest.raises(ServiceUnavailableError, match="can't be read") as caught:
            await _complete(provider)
    assert caught.value.usage is None


async def test_an_answer_that_comes_in_pieces_is_one_document():
    async def answer(request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        told = json.dumps(GOOD).encode()
        for piece in (told[:9], told[9:20], told[20:]):
            await response.write(piece)
            await asyncio.sleep(0.02)
        return response

    async with _asking(answer) as provider:
        assert (await _complete(provider)).text == "Because."


async def test_of_a_header_that_comes_twice_the_last_counts():
    async def answer(_):
        response = web.json_response(GOOD)
        for place, name in enumerate(("Set-Cookie", "set-cookie", "X-Request-Id", "x-request-id")):
            response.headers.add(name, f"a{place}")
        return response

    async with _asking(answer) as provider:
        assert (await _complete(provider)).request_id == "a3"


async def test_an_absurdly_large_answer_is_not_kept(monkeypatch):
    monkeypatch.setattr("koo.ai.providers.http.LARGEST_ANSWER", 1000)
    big = {**GOOD, "content": [{"text": "x" * 5000}]}
    async with _asking(_json(big)) as provider:
        with pytest.raises(ServiceUnavailableError, match="can't be read"):
            await _complete(provider)


async def test_a_refusal_is_an_error_that_carries_its_bill():
    refused = {**GOOD, "content": [], "stop_reason": "refusal"}
    async with _asking(_json(refused)) as provider:
        with pytest.raises(ContentRefusedError, match=r"was refused \(refusal\)") as caught:
            await _complete(provider)
    assert caught.value.usage == Usage(3, 2)


async def test_money_in_an_answer_is_read_exactly():
    answer = {
        "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "cost": {"total_cost": 0.005012}},
    }
    async with _asking(_json(answer), "perplexity") as provider:
        completion = await _complete(provider)
    assert completion.usage.nanousd == 5_012_000
    assert Decimal("0.005012") * 10**9 == 5_012_000


async def test_a_service_that_is_not_there_was_sent_nothing():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        provider = _provider(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(ServiceConnectionError, match="can't be reached") as caught:
            await _complete(provider)
        await provider.close()
    assert caught.value.usage is NOTHING


async def test_an_address_that_only_looks_like_one_is_an_invalid_request():
    provider = _provider("http://1.2.3.4.5")
    with pytest.raises(InvalidRequestError, match="base URL is not an address"):
        await _complete(provider)
    await provider.close()


@pytest.mark.parametrize("cut", ["before the headers", "in the middle of the body"])
async def test_a_connection_that_breaks_has_an_unknown_cost(cut):
    async def answer(request):
        if cut == "in the middle of the body":
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(json.dumps(GOOD)[:30].encode())
        request.transport.abort()
        return web.Response()

    async with _asking(answer) as provider:
        with pytest.raises(ServiceConnectionError, match="broke the connection") as caught:
            await _complete(provider)
    assert caught.value.usage is None


async def test_a_redirect_is_not_followed_with_the_key():
    seen = []

    async def answer(request):
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with _asking(answer) as provider:
        with pytest.raises(InvalidRequestError, match="redirect"):
            await _complete(provider)
    assert seen == ["/v1/messages"]


@pytest.mark.parametrize("model", ["", "two words", "x" * 201, "a\r\nb", "gpt?x"])
def test_what_is_no_model_name_is_refused_before_anything_is_sent(model):
    with pytest.raises(InvalidRequestError, match="model's name") as caught:
        _provider("http://127.0.0.1:1").prepare(question("x", model, 1))
    assert caught.value.usage is NOTHING


def test_half_a_character_is_refused_before_anything_is_sent():
    with pytest.raises(InvalidRequestError, match="half a character"):
        _provider("http://127.0.0.1:1").prepare(question("\ud800", "m", 1))


def test_the_body_is_at_least_as_long_as_the_prompt_in_utf8():
    text = '\u00e4\U0001f600\n"' * 50
    request = _provider("http://127.0.0.1:1").prepare(question(text, "m", 1))
    assert len(request.body) >= len(text.encode())
    assert json.loads(request.body)["messages"][0]["content"] == text


WIRES = (
    ("claude", "http://127.0.0.1:1"),
    ("openai", "http://127.0.0.1:1/v1"),
    ("openai-responses", "http://127.0.0.1:1/v1"),
    ("gemini", "http://127.0.0.1:1"),
    ("perplexity", "http://127.0.0.1:1"),
    ("groq", "http://127.0.0.1:1/v1"),
    ("mistral", "https://api.mistral.ai/v1"),
)


@pytest.mark.parametrize(("name", "address"), WIRES)
@pytest.mark.parametrize("text", ["why?", '\u00e4\U0001f600\n"' * 50])
def test_every_byte_of_the_body_is_taken_for_a_token(name, address, text):
    """None is shorter, whatever the language and the vendor's way to count."""
    prompt = question(text, "m", 1, system=text)
    request = _provider(address, name).prepare(prompt)
    assert request.input_tokens >= len(request.body) >= 2 * len(text.encode())


async def test_models_are_listed_and_a_refused_key_is_told():
    async with _asking(_json({"data": [{"id": "a"}]})) as provider:
        assert await provider.list_models() == ("a",)
    error = {"error": {"type": "authentication_error"}}
    async with _asking(_json(error, 401)) as provider:
        with pytest.raises(ApiKeyError):
            await provider.list_models()


@pytest.mark.parametrize("status", [403, 404, 405])
async def test_a_key_that_may_not_list_models_is_only_watched(status):
    async with _asking(_json({"error": {}}, status)) as provider:
        assert await provider.list_models() is None


async def test_a_vendor_without_a_list_is_not_asked():
    assert await _provider("http://127.0.0.1:1", "perplexity").list_models() is None


async def test_a_list_that_cannot_be_read_is_a_failure():
    async def answer(_):
        return web.Response(body=b"{")

    async with _asking(answer) as provider:
        with pytest.raises(ServiceUnavailableError):
            await provider.list_models()


async def test_calls_at_once_share_a_bounded_session():
    busy = most = 0
    full = asyncio.Event()

    async def answer(_):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        if busy == 3:
            full.set()
        await asyncio.wait_for(full.wait(), 30)
        # Long enough for a fourth to come, were it let through.
        await asyncio.sleep(0.05)
        busy -= 1
        return web.json_response(GOOD)

    async with _server(answer) as address:
        config = ServiceConfig(name="claude", api_key="test-key", base_url=address)
        sessions = Sessions(connections_per_host=3)
        provider = connect(config, sessions=sessions)
        answers = await asyncio.gather(*(_complete(provider) for _ in range(9)))
        assert {answer.text for answer in answers} == {"Because."}
        assert most == 3
        await provider.close()
