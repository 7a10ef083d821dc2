"""Who asks: koo, aiohttp itself, the vendors' SDKs, pydantic-ai, LiteLLM and its Router.

Every one is set up as its documentation shows, and asks the same question for the same answer.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import anthropic
import litellm
import openai
from aiohttp import ClientSession
from google import genai
from pydantic_ai.direct import model_request
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from koo.ai import AIManager, ServiceConfig
from koo.resilience import Event, MemoryStore, Store
from koo.stores import SQLiteStore

from .upstream import TEXT

__all__ = [
    "KOO",
    "KOO_SQLITE",
    "PEERS",
    "QUESTION",
    "RAW",
    "TOKENS",
    "Ask",
    "callers",
    "deployment",
    "koo_on",
]

KOO, KOO_SQLITE = "koo, STATE_URL=memory:", "koo, STATE_URL=sqlite"
RAW = "aiohttp alone"
PEERS = ("aiohttp", "anthropic", "openai", "google-genai", "pydantic-ai-slim", "litellm")
QUESTION, TOKENS = "Say hello in one short sentence.", 200

Ask = Callable[[], Awaitable[object]]

_CLAUDE, _GPT, _GEMINI = "claude-haiku-4-5", "gpt-5-mini", "gemini-2.5-flash"
_MESSAGES = [{"role": "user", "content": QUESTION}]
_PLENTY = 10**9


@asynccontextmanager
async def callers(url: str) -> AsyncIterator[Mapping[str, Ask]]:
    """Everybody, with the upstream at *url*."""
    async with AsyncExitStack() as closing:
        folder = closing.enter_context(tempfile.TemporaryDirectory(dir=".", prefix=".asking-"))
        yield {
            RAW: await closing.enter_async_context(_raw(url)),
            KOO: await closing.enter_async_context(koo_on(url, MemoryStore())),
            KOO_SQLITE: await closing.enter_async_context(
                koo_on(url, SQLiteStore(f"{folder}/state.db"))
            ),
            "openai": await closing.enter_async_context(_openai(url)),
            "openai, on aiohttp": await closing.enter_async_context(_openai_on_aiohttp(url)),
            "anthropic": await closing.enter_async_context(_anthropic(url)),
            "anthropic, on aiohttp": await closing.enter_async_context(_anthropic_on_aiohttp(url)),
            "google-genai": await closing.enter_async_context(_gemini(url)),
            "pydantic-ai (openai)": await closing.enter_async_context(_pydantic(url)),
            "LiteLLM": _litellm(url),
            "LiteLLM Router": _router(url),
        }


@asynccontextmanager
async def koo_on(url: str, store: Store) -> AsyncIterator[Ask]:
    """Everything on, with room for every call in every limit; a listener counts what happens."""
    happened = Counter[type[Event]]()
    config = ServiceConfig(
        name="openai",
        api_key="x",
        base_url=f"{url}/v1",
        model=_GPT,
        max_tokens=TOKENS,
        requests_per_minute=_PLENTY,
        requests_per_hour=_PLENTY,
        requests_per_day=_PLENTY,
        tokens_per_minute=_PLENTY,
        max_concurrent=_PLENTY,
        daily_budget_nanousd=10**18,
    )

    def listen(event: Event) -> None:
        happened[type(event)] += 1

    manager = AIManager.from_configs([config], store=store, on_event=listen)

    async def ask() -> object:
        return await manager.query("openai", QUESTION)

    try:
        assert await ask() == TEXT
        yield ask
    finally:
        await manager.close()


@asynccontextmanager
async def _raw(url: str) -> AsyncIterator[Ask]:
    async with ClientSession() as session:
        body = {"model": _GPT, "messages": _MESSAGES, "max_completion_tokens": TOKENS}
        headers = {"Authorization": "Bearer x"}

        async def ask() -> object:
            async with session.post(
                f"{url}/v1/chat/completions", json=body, headers=headers
            ) as response:
                response.raise_for_status()
                return json.loads(await response.read())["choices"][0]["message"]["content"]

        assert await ask() == TEXT
        yield ask


@asynccontextmanager
async def _openai(url: str) -> AsyncIterator[Ask]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as client:
        yield _chat(client)


@asynccontextmanager
async def _openai_on_aiohttp(url: str) -> AsyncIterator[Ask]:
    async with openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key="x", http_client=openai.DefaultAioHttpClient()
    ) as client:
        yield _chat(client)


def _chat(client: openai.AsyncOpenAI) -> Ask:
    async def ask() -> object:
        return await client.chat.completions.create(
            model=_GPT, messages=_MESSAGES, max_completion_tokens=TOKENS
        )

    return ask


@asynccontextmanager
async def _anthropic(url: str) -> AsyncIterator[Ask]:
    async with anthropic.AsyncAnthropic(base_url=url, api_key="x") as client:
        yield _messages(client)


@asynccontextmanager
async def _anthropic_on_aiohttp(url: str) -> AsyncIterator[Ask]:
    async with anthropic.AsyncAnthropic(
        base_url=url, api_key="x", http_client=anthropic.DefaultAioHttpClient()
    ) as client:
        yield _messages(client)


def _messages(client: anthropic.AsyncAnthropic) -> Ask:
    async def ask() -> object:
        return await client.messages.create(model=_CLAUDE, messages=_MESSAGES, max_tokens=TOKENS)

    return ask


@asynccontextmanager
async def _gemini(url: str) -> AsyncIterator[Ask]:
    client = genai.Client(api_key="x", http_options={"base_url": url})

    async def ask() -> object:
        return await client.aio.models.generate_content(
            model=_GEMINI, contents=QUESTION, config={"max_output_tokens": TOKENS}
        )

    try:
        yield ask
    finally:
        await client.aio.aclose()


@asynccontextmanager
async def _pydantic(url: str) -> AsyncIterator[Ask]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as client:
        model = OpenAIChatModel(_GPT, provider=OpenAIProvider(openai_client=client))

        async def ask() -> object:
            question = [ModelRequest.user_text_prompt(QUESTION)]
            return await model_request(model, question, model_settings={"max_tokens": TOKENS})

        yield ask


def _litellm(url: str) -> Ask:
    async def ask() -> object:
        return await litellm.acompletion(
            model=f"openai/{_GPT}",
            messages=_MESSAGES,
            max_completion_tokens=TOKENS,
            api_base=f"{url}/v1",
            api_key="x",
        )

    return ask


def _router(url: str) -> Ask:
    router = litellm.Router(
        model_list=[deployment(url, rpm=_PLENTY, tpm=_PLENTY)],
        num_retries=3,
        allowed_fails=5,
        cooldown_time=60,
        timeout=30,
    )

    async def ask() -> object:
        return await router.acompletion(
            model="any", messages=_MESSAGES, max_completion_tokens=TOKENS
        )

    return ask


def deployment(url: str, **settings: object) -> dict[str, object]:
    """The upstream as a deployment of LiteLLM's Router."""
    parameters = {"model": f"openai/{_GPT}", "api_base": f"{url}/v1", "api_key": "x"}
    return {"model_name": "any", "litellm_params": {**parameters, **settings}}
