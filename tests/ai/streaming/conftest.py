"""What the tests of streams share: a manager of every vendor over loopback, and what is shown."""

from contextlib import asynccontextmanager

import pytest

from koo.ai import AIManager, ServiceConfig
from koo.errors import ExternalServiceError
from koo.resilience import RetryConfig
from koo.testing import Simulator

from ..conftest import OWN_PRICE, PRICES

SERVICES = ("claude", "openai", "gemini", "perplexity", "openai-responses", "groq")
KEY = "test-key-that-must-not-be-seen"
PROMPT = "prompt that must not be seen"
TEXT = "An answer of eleven words, \u00e4\U0001f600 which must not be seen either."
ONCE = RetryConfig(max_retries=0)


@pytest.fixture(scope="session")
def _prices():
    """The table of prices, read before anything is timed."""
    PRICES.find("anthropic", "claude-sonnet-5-5", "")


@pytest.fixture
def connected(_prices):
    """A function that makes a manager of all services and the simulator that they speak to."""
    return _connected


@asynccontextmanager
async def _connected(**settings):
    async with Simulator(
        SERVICES, answer=lambda _: TEXT, requests_per_minute=10**6, tokens_per_minute=10**9
    ) as simulator:
        manager = AIManager.from_configs(_config(name, simulator, settings) for name in SERVICES)
        try:
            yield manager, simulator
        finally:
            await manager.close()


def _config(name, simulator, settings):
    own = {"model": "groq-model", "price": OWN_PRICE} if name == "groq" else {}
    limits = {f"requests_per_{span}": 10**6 for span in ("minute", "hour", "day")}
    common = {
        "api_key": KEY,
        "retry": ONCE,
        "timeout": 60.0,
        "attempt_timeout": 60.0,
        "daily_budget_nanousd": 10**13,
        **limits,
    }
    return ServiceConfig(
        name=name, base_url=simulator.base_url(name), **{**common, **own, **settings}
    )


async def read(stream):
    """What came, and the error that ended it or None."""
    pieces = []
    try:
        async for piece in stream:
            pieces += [piece]
    except ExternalServiceError as error:
        return pieces, error
    return pieces, None


def shown(*things):
    """Everything that a log, a traceback or a page could show of errors and reports."""
    texts = []
    left = list(things)
    while left:
        thing = left.pop()
        texts += [str(thing), repr(thing), repr(getattr(thing, "__notes__", ""))]
        chain = (getattr(thing, name, None) for name in ("__cause__", "__context__"))
        left += [each for each in chain if each is not None]
    return " ".join(texts)


def is_silent(*things):
    """Whether neither key nor prompt nor answer is in them."""
    text = shown(*things)
    secrets = (KEY, PROMPT, TEXT, *(word for word in TEXT.split() if len(word) > 6))
    return not any(secret in text for secret in secrets)
