"""What the tests of SDK calls share: the three official SDKs, imported once, each as it is used."""

import importlib
import warnings
from contextlib import asynccontextmanager

import pytest

QUESTION = "Why is the sky blue?"
MODELS = {"claude": "claude-haiku-4-5", "openai": "gpt-5-mini", "gemini": "gemini-2.5-flash"}
MAX_TOKENS = 400


def imported(name):
    """A package whose own deprecations are not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@asynccontextmanager
async def _anthropic(url, **settings):
    package = imported("anthropic")
    settings = {"timeout": 30.0, **settings}
    client = package.AsyncAnthropic(api_key="test-key", base_url=url, max_retries=0, **settings)
    async with client:
        yield client


@asynccontextmanager
async def _openai(url, **settings):
    package = imported("openai")
    settings = {"timeout": 30.0, **settings}
    client = package.AsyncOpenAI(api_key="test-key", base_url=url, max_retries=0, **settings)
    async with client:
        yield client


@asynccontextmanager
async def _gemini(url, timeout=30.0):
    genai = imported("google.genai")
    options = {
        "base_url": url,
        "timeout": int(timeout * 1000),
        "retry_options": {"attempts": 1},
    }
    client = genai.Client(api_key="test-key", http_options=options)
    try:
        yield client
    finally:
        await client.aio.aclose()
        client.close()


CLIENTS = {"claude": _anthropic, "openai": _openai, "gemini": _gemini}


def asked(service):
    """The arguments of the method that asks."""
    model, messages = MODELS[service], [{"role": "user", "content": QUESTION}]
    return {
        "claude": {"model": model, "messages": messages, "max_tokens": MAX_TOKENS},
        "openai": {"model": model, "messages": messages, "max_completion_tokens": MAX_TOKENS},
        "gemini": {
            "model": model,
            "contents": QUESTION,
            "config": {"max_output_tokens": MAX_TOKENS},
        },
    }[service]


async def send(service, client, scenario=None):
    """One request by the SDK of *service*; its answer."""
    headers = {"x-koo-scenario": scenario} if scenario else {}
    arguments = asked(service)
    match service:
        case "claude":
            return await client.messages.create(**arguments, extra_headers=headers)
        case "openai":
            return await client.chat.completions.create(**arguments, extra_headers=headers)
        case "gemini":
            arguments["config"]["http_options"] = {"headers": headers}
            return await client.aio.models.generate_content(**arguments)


async def send_stream(service, client):
    """One streamed request; the last thing that tells the usage."""
    match service:
        case "claude":
            async with client.messages.stream(**asked(service)) as stream:
                async for _ in stream.text_stream:
                    pass
                return await stream.get_final_message()
        case "openai":
            chunks = await client.chat.completions.create(
                **asked(service), stream=True, stream_options={"include_usage": True}
            )
            return [chunk async for chunk in chunks][-1]
        case "gemini":
            chunks = await client.aio.models.generate_content_stream(**asked(service))
            return [chunk async for chunk in chunks][-1]


@pytest.fixture(scope="session")
def sdks():
    """All three, imported before anything is timed."""
    return [imported(name) for name in ("anthropic", "openai", "google.genai")]
