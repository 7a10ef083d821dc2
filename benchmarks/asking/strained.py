"""Who asks three vendors in trouble; each as its documentation shows, with its default retries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import anthropic
import litellm
import openai
from google import genai
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from koo.ai import AIManager, Prompt, ServiceConfig, Times, TokenPrice
from koo.resilience import BreakerConfig

# It says on standard output, for each error, where help is to be had.
litellm.suppress_debug_info = True

__all__ = ["MODELS", "Ask", "Asker", "askers"]

_QUESTION = "Say hello in one short sentence."
_MESSAGES = [{"role": "user", "content": _QUESTION}]
#: What Perplexity searches for has no upper bound, so it is asked within a cost.
_ASKED = Prompt(_QUESTION, max_cost=Decimal(100))
_TOKENS = 500
_VENDORS = ("claude", "openai", "gemini")
MODELS = {
    "claude": "claude-haiku-4-5",
    "openai": "gpt-5-mini",
    "gemini": "gemini-2.5-flash",
    "openai-responses": "gpt-5-mini",
    "perplexity": "sonar",
}
#: For models that no table knows.
_PRICE = TokenPrice(Decimal(1), Decimal(1))
_LITELLM = {"claude": "anthropic", "openai": "openai", "gemini": "gemini"}

_BREAKER = BreakerConfig()

#: The text that a service at an address answers.
Ask = Callable[[str, str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who can ask some of the services."""

    name: str
    services: Sequence[str]
    ask: Ask


@dataclass(frozen=True, slots=True)
class _Way:
    timeout: float
    stream: bool
    breaker: BreakerConfig


@asynccontextmanager
async def askers(
    *, timeout: float, stream: bool = False, breaker: BreakerConfig = _BREAKER
) -> AsyncIterator[Sequence[Asker]]:
    """Everybody, with a timeout in seconds; *stream*: what comes is put together.

    koo, the first, can ask every vendor that its simulator plays, with a circuit of *breaker*.
    """
    way, managers = _Way(timeout, stream, breaker), dict[str, AIManager]()
    yield [
        Asker("koo", tuple(MODELS), partial(_koo, managers, way)),
        Asker("anthropic", ("claude",), partial(_anthropic, way)),
        Asker("openai", ("openai",), partial(_openai, way)),
        Asker("google-genai", ("gemini",), partial(_gemini, way)),
        # It does not go with google-genai 3.
        Asker("pydantic-ai", ("claude", "openai"), partial(_pydantic, way)),
        Asker("LiteLLM", _VENDORS, partial(_litellm, way)),
        Asker("LiteLLM Router", ("openai",), partial(_router, way, dict[str, litellm.Router]())),
    ]
    for manager in managers.values():
        await manager.close()


async def _koo(managers: dict[str, AIManager], way: _Way, service: str, url: str) -> str:
    if url not in managers:
        config = ServiceConfig(
            name=service,
            api_key="x",
            base_url=url,
            model=MODELS.get(service, "a-model"),
            price=_PRICE,
            daily_budget_nanousd=10**15,
            breaker=way.breaker,
            max_tokens=_TOKENS,
            requests_per_minute=1_000_000,
            requests_per_hour=1_000_000,
            requests_per_day=1_000_000,
        )
        managers[url] = AIManager.from_configs([config])
    if not way.stream:
        return await managers[url].query(service, _ASKED, timeout=way.timeout)
    stream = managers[url].stream(service, _ASKED, times=Times(way.timeout))
    return "".join([piece async for piece in stream])


async def _anthropic(way: _Way, _: str, url: str) -> str:
    async with anthropic.AsyncAnthropic(base_url=url, api_key="x", timeout=way.timeout) as client:
        asked = {"model": MODELS["claude"], "messages": _MESSAGES, "max_tokens": _TOKENS}
        if not way.stream:
            return (await client.messages.create(**asked)).content[0].text
        async with client.messages.stream(**asked) as stream:
            return "".join([text async for text in stream.text_stream])


async def _openai(way: _Way, _: str, url: str) -> str:
    async with openai.AsyncOpenAI(base_url=url, api_key="x", timeout=way.timeout) as client:
        answer = await client.chat.completions.create(
            model=MODELS["openai"],
            messages=_MESSAGES,
            max_completion_tokens=_TOKENS,
            stream=way.stream,
        )
        return await _put_together(answer) if way.stream else answer.choices[0].message.content


async def _gemini(way: _Way, _: str, url: str) -> str:
    options = {"base_url": url, "timeout": int(way.timeout * 1000)}
    client = genai.Client(api_key="x", http_options=options)
    asked = {
        "model": MODELS["gemini"],
        "contents": _QUESTION,
        "config": {"max_output_tokens": _TOKENS},
    }
    try:
        if not way.stream:
            return (await client.aio.models.generate_content(**asked)).text
        chunks = await client.aio.models.generate_content_stream(**asked)
        return "".join([chunk.text or "" async for chunk in chunks])
    finally:
        await client.aio.aclose()


async def _pydantic(way: _Way, service: str, url: str) -> str:
    async with _pydantic_model(service, url) as model:
        asked = {
            "messages": [ModelRequest.user_text_prompt(_QUESTION)],
            "model_settings": {"max_tokens": _TOKENS, "request_timeout": way.timeout},
        }
        if not way.stream:
            return (await model_request(model, **asked)).text or ""
        async with model_request_stream(model, **asked) as stream:
            async for _ in stream:
                pass
        answer = stream.get()
        # It raises for no stream that ended early, but says so to whoever looks.
        if answer.state != "complete":
            raise EOFError(answer.state)
        return answer.text or ""


@asynccontextmanager
async def _pydantic_model(service: str, url: str) -> AsyncIterator[Model]:
    if service == "claude":
        async with anthropic.AsyncAnthropic(base_url=url, api_key="x") as client:
            provider = AnthropicProvider(anthropic_client=client)
            yield AnthropicModel(MODELS[service], provider=provider)
    else:
        async with openai.AsyncOpenAI(base_url=url, api_key="x") as client:
            yield OpenAIChatModel(MODELS[service], provider=OpenAIProvider(openai_client=client))


async def _litellm(way: _Way, service: str, url: str) -> str:
    address = f"{url}/v1/messages" if service == "claude" else url
    if service == "gemini":
        address = f"{url}/v1beta"
    answer = await litellm.acompletion(
        model=f"{_LITELLM[service]}/{MODELS[service]}",
        api_base=address,
        api_key="x",
        messages=_MESSAGES,
        max_tokens=_TOKENS,
        stream=way.stream,
        timeout=way.timeout,
        num_retries=2,
    )
    return await _put_together(answer) if way.stream else answer.choices[0].message.content


async def _router(way: _Way, routers: dict[str, litellm.Router], _: str, url: str) -> str:
    if url not in routers:
        parameters = {"model": f"openai/{MODELS['openai']}", "api_base": url, "api_key": "x"}
        routers[url] = litellm.Router(
            model_list=[{"model_name": "any", "litellm_params": parameters}],
            num_retries=2,
            allowed_fails=3,
            cooldown_time=60,
            timeout=way.timeout,
        )
    answer = await routers[url].acompletion(
        model="any", messages=_MESSAGES, max_completion_tokens=_TOKENS, stream=way.stream
    )
    return await _put_together(answer) if way.stream else answer.choices[0].message.content


async def _put_together(chunks: AsyncIterator[object]) -> str:
    pieces = [chunk.choices[0].delta.content async for chunk in chunks if chunk.choices]
    return "".join(filter(None, pieces))
