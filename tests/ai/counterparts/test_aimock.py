"""The adapters before a mock that others have written: aimock, pinned by hash in package-lock.json.

What it can't do (errors inside a stream, an end without the last word, waits in other forms), the
simulator of koo.testing does.
"""

import asyncio
import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from koo.ai import AIManager, AIService, HTTPProvider, ServiceConfig
from koo.ai.providers import Gemini
from koo.errors import (
    ApiKeyError,
    InvalidRequestError,
    RateLimitError,
    ServiceConnectionError,
    ServiceUnavailableError,
    StreamTruncatedError,
)
from koo.resilience import RetryConfig
from koo.testing import free_port
from koo.testing.servers.launch import DIE_WITH_PARENT

from ..conftest import OWN_PRICE

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
PROGRAM = HERE / "node_modules/@copilotkit/aimock/dist/cli.js"
OLDEST = (20, 15)
ANSWER = "Because blue light is scattered the most."
#: Where each vendor is.
PATHS = {"claude": "", "openai": "/v1", "openai-responses": "/v1", "gemini": ""}


class _Beta(Gemini):
    """aimock knows no other version of Gemini's API."""

    def path(self, question):
        return super().path(question).replace("/v1/", "/v1beta/")


def _node():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; aimock needs 20.15 or newer")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, said.strip().lstrip("v").split(".")[:2])) < OLDEST:
        pytest.skip(f"node is {said.strip()}; aimock needs 20.15 or newer")
    if not PROGRAM.exists():
        pytest.skip("aimock is not installed; npm ci --prefix tests/ai/counterparts brings it")
    return node


@asynccontextmanager
async def connected():
    """A manager of all vendors, each of which is aimock; no call is repeated."""
    port = free_port()
    arguments = ["-p", str(port), "-f", str(HERE / "fixtures.json"), "--log-level", "silent"]
    process = subprocess.Popen([*DIE_WITH_PARENT, _node(), PROGRAM, *arguments])
    url = f"http://127.0.0.1:{port}"
    manager = AIManager([_service(name, url + path) for name, path in PATHS.items()])
    try:
        await _listening(url)
        yield manager
    finally:
        await manager.close()
        process.terminate()
        process.wait()


def _service(name, url):
    config = ServiceConfig(
        name=name,
        api_key="test-key",
        base_url=url,
        price=OWN_PRICE,
        retry=RetryConfig(max_retries=0),
    )
    return AIService(config, HTTPProvider(config, _Beta()) if name == "gemini" else None)


async def _listening(url):
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            try:
                async with session.get(url):
                    return
            except OSError:
                await asyncio.sleep(0.1)
    raise TimeoutError("aimock does not listen")


async def test_every_vendor_answers_and_streams():
    async with connected() as manager:
        for name in PATHS:
            response = await manager.ask(name, "Why is the sky blue?")
            assert response.text == ANSWER
            assert not response.is_cut_off
            stream = manager.stream(name, "Why is the sky blue?")
            pieces = [piece async for piece in stream]
            assert len(pieces) > 1
            assert "".join(pieces) == stream.completion.text == ANSWER


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ("Do not slow down", RateLimitError),
        ("Please break", ServiceUnavailableError),
        ("What is hidden?", ApiKeyError),
        ("This is wrong", InvalidRequestError),
    ],
)
@pytest.mark.parametrize("streams", [False, True])
async def test_every_vendors_errors_are_told_apart(prompt, error, streams):
    async with connected() as manager:
        for name in PATHS:
            with pytest.raises(error) as caught:
                await _asked(manager, name, prompt, streams)
            assert type(caught.value) is error
            if error is RateLimitError:
                assert caught.value.retry_after == 7.0


async def _asked(manager, name, prompt, streams):
    if not streams:
        return await manager.query(name, prompt)
    return "".join([piece async for piece in manager.stream(name, prompt)])


async def test_no_vendors_cut_stream_is_taken_for_whole():
    async with connected() as manager:
        for name in PATHS:
            with pytest.raises((ServiceConnectionError, StreamTruncatedError)):
                await _asked(manager, name, "Let it be cut", streams=True)
