"""Where an answer is no HTTP, aiohttp's error holds the request with its key; it was chained."""

import pytest

from koo.ai import Heard, Prompt, Question, ServiceConfig, connect
from koo.errors import ServiceConnectionError
from koo.testing import Simulator

pytestmark = pytest.mark.integration

KEY = "key-that-must-not-be-seen"


@pytest.mark.parametrize("surface", ["no-http", "endless-header", "bad-chunk", "no-gzip"])
async def test_no_cause_and_no_context_holds_the_key(surface):
    async with Simulator() as simulator:
        address = simulator.base_url("claude", surface)
        provider = connect(ServiceConfig(name="claude", api_key=KEY, base_url=address))
        with pytest.raises(ServiceConnectionError) as caught:
            await provider.complete(provider.prepare(Question(Prompt("x"), "m", 1)))
        await provider.close()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("surface", ["no-http", "endless-header", "bad-chunk", "no-gzip"])
async def test_no_cause_and_no_context_of_a_stream_holds_it_either(surface):
    async with Simulator() as simulator:
        address = simulator.base_url("claude", surface)
        provider = connect(ServiceConfig(name="claude", api_key=KEY, base_url=address))
        request = provider.prepare(Question(Prompt("x"), "m", 1, streams=True))
        with pytest.raises(ServiceConnectionError) as caught:
            await anext(provider.stream(request, Heard()))
        await provider.close()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
