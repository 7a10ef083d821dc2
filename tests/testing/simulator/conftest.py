"""A simulator that is started, and how a client of each vendor asks it."""

import contextlib
import json
from dataclasses import dataclass

import aiohttp
import pytest

from koo.testing import Simulator

KEY = "test-key"
SERVICES = ("claude", "openai", "gemini", "perplexity")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    document: object


def completion(service, *, stream=False, key=KEY, max_tokens=1000, prompt="What is a lease?"):
    """Path, headers and body, as the vendor's documentation has them."""
    chat = {
        "model": "a-model",
        "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": prompt}],
    } | ({"stream": True} if stream else {})
    match service:
        case "claude":
            return "/v1/messages", {"x-api-key": key}, chat
        case "gemini":
            method = "streamGenerateContent?alt=sse" if stream else "generateContent"
            parts = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
            parts["generationConfig"] = {"maxOutputTokens": max_tokens}
            return f"/v1beta/models/a-model:{method}", {"x-goog-api-key": key}, parts
        case _:
            return "/chat/completions", {"authorization": f"Bearer {key}"}, chat


class Client:
    """Asks one simulator over real HTTP."""

    def __init__(self, simulator, session):
        self.simulator = simulator
        self.session = session

    async def ask(self, service, **how):
        """The whole answer to a completion."""
        path, headers, body = completion(service, **how)
        return await self.post(service, path, headers, json.dumps(body))

    async def post(self, service, path, headers, body):
        url = self.simulator.base_url(service) + path
        async with self.session.post(url, headers=headers, data=body) as response:
            text = await response.text()
            return Answer(response.status, lowered(response.headers), parsed(text))

    async def stream(self, service, **how):
        """The events of a streamed completion: name and data."""
        path, headers, body = completion(service, stream=True, **how)
        url = self.simulator.base_url(service) + path
        async with self.session.post(url, headers=headers, data=json.dumps(body)) as response:
            assert response.content_type == "text/event-stream"
            return events(await response.text())

    async def models(self, service, path, headers):
        url = self.simulator.base_url(service) + path
        async with self.session.get(url, headers=headers) as response:
            return Answer(response.status, lowered(response.headers), parsed(await response.text()))


def lowered(headers):
    return {name.lower(): value for name, value in headers.items()}


def parsed(text):
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return text


def events(text):
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields.get("event"), parsed(fields["data"])))
    return found


@pytest.fixture
def connected():
    """`async with connected(**terms) as client`: a started simulator with a client."""

    @contextlib.asynccontextmanager
    async def connect(*args, **terms):
        async with Simulator(*args, **terms) as simulator, aiohttp.ClientSession() as session:
            yield Client(simulator, session)

    return connect
