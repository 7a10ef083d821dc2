"""Four AI providers and any OpenAI-compatible one, on one loopback port.

    http://127.0.0.1:PORT/claude   /openai/v1   /gemini   /perplexity   /<name>/v1
    http://127.0.0.1:PORT/~spend-cap/claude                  every request gets that scenario

Each base URL is as that vendor's official SDK takes it. While it is stopped, connections are
refused; started again it has the same port, script and memory.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Self

from aiohttp import web

from ...resilience import SYSTEM_CLOCK, Clock
from ..sockets import free_port
from .dialects import DIALECTS, OpenAI
from .faults import Endpoint, Fault, FaultScript, Rule, Strike
from .meter import Meter, Metering
from .received import Received, redacted
from .scenarios import find_scenario
from .service import Service, Terms

MODELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "claude": ("claude-sonnet-5-5", "claude-haiku-4-5"),
        "openai": ("gpt-6.1-terra", "gpt-5-mini"),
        "gemini": ("gemini-3.8-flash", "gemini-2.5-flash"),
    }
)
REMEMBERED = 10_000
LARGEST_BODY = 64 * 1024**2
SHUTDOWN = 0.1
ANSWER = (
    "This is the simulator's answer, as long as an ordinary short one. It was made on this "
    "machine, without a model, and says nothing about the question; what it shows is the way "
    "that an answer takes: through the limits, over a connection, and into the bill."
)


def say_the_same(prompt: str) -> str:
    """The answer to every *prompt*."""
    del prompt
    return ANSWER


class Simulator:
    """AI providers over real HTTP that fail as they are told.

    *services* beside claude, openai, gemini and perplexity speak OpenAI's format. *latency* is
    the mean in seconds; *answer* makes a text of a prompt, before which *thinking* is thought,
    if that is not empty. Any key is good but *rejected_keys*.
    The same *seed* gives the same faults to the same requests. *meter* counts its limits:
    ``Meter`` by the minute, ``Bucket`` as it fills.
    """

    def __init__(  # noqa: PLR0913 - each one is a term of the simulated services
        self,
        services: Iterable[str] = tuple(DIALECTS),
        *,
        port: int | None = None,
        seed: int = 0,
        latency: float = 0.0,
        answer: Callable[[str], str] = say_the_same,
        thinking: str = "",
        rejected_keys: Collection[str] = (),
        requests_per_minute: int = 4_000,
        tokens_per_minute: int = 2_000_000,
        meter: Callable[[int, int], Metering] = Meter,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.port = port or free_port()
        self.latency = latency
        self._seed = seed
        self._clock = clock
        self._meter = partial(meter, requests_per_minute, tokens_per_minute)
        self._latencies = random.Random(seed)  # noqa: S311
        self._requests: deque[Received] = deque(maxlen=REMEMBERED)
        self._runner: web.AppRunner | None = None
        note = self._requests.append
        terms = Terms(clock, answer, thinking, self._draw_latency, note, frozenset(rejected_keys))
        self._services = {name: self._service(name, terms) for name in services}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def base_urls(self) -> Mapping[str, str]:
        """Every service's base URL."""
        return MappingProxyType({name: self.base_url(name) for name in self._services})

    def base_url(self, service: str, scenario: str = "") -> str:
        """As the vendor's official SDK takes it; with *scenario*, nothing else is answered there.

        Raises ``KeyError`` for an unknown service or scenario.
        """
        path = self._services[service].dialect.base_path
        start = f"/~{find_scenario(service, scenario).name}" if scenario else ""
        return f"http://127.0.0.1:{self.port}{start}/{service}{path}"

    @property
    def requests(self) -> tuple[Received, ...]:
        """The last 10,000 requests, oldest first."""
        return tuple(self._requests)

    def completions(self, service: str) -> tuple[Received, ...]:
        """The requests to *service* that asked for a completion."""
        return tuple(
            request
            for request in self._requests
            if (request.service, request.endpoint) == (service, Endpoint.COMPLETIONS)
        )

    def attempts(self, service: str) -> tuple[int, ...]:
        """How often each prompt was sent to *service*, in the order of their first time."""
        return tuple(Counter(request.digest for request in self.completions(service)).values())

    async def start(self) -> Mapping[str, str]:
        """Listen; the base URLs. Nothing happens if it does already."""
        if self._runner is None:
            app = web.Application(client_max_size=LARGEST_BODY)
            for service in self._services.values():
                app.add_routes(service.routes())
            app.router.add_route("*", "/{path:.*}", self._miss)
            self._runner = web.AppRunner(
                app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN
            )
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self.base_urls

    async def stop(self) -> None:
        """Refuse connections and end the living ones, also those that hang."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def fault(
        self,
        service: str,
        fault: Fault,
        *,
        count: int | None = None,
        probability: float = 1.0,
        seconds: float | None = None,
        retry_after: float = 2.0,
        delay: float = 1.0,
        after: int | None = None,
        endpoint: Endpoint = Endpoint.COMPLETIONS,
    ) -> None:
        """From now on *fault* strikes requests to *service*.

        *count* times, or for so many *seconds*, or until ``clear``; with *probability*. Faults
        are asked in the order in which they were added, so that counts make a script.
        """
        until = None if seconds is None else self._clock.monotonic() + seconds
        strike = Strike(fault, retry_after, delay, after)
        rule = Rule(strike, endpoint, count=count, probability=probability, until=until)
        self._services[service].script.add(rule)

    def mix(self, service: str, shares: Mapping[Fault, float]) -> None:
        """From now on each fault strikes its share of the requests to *service*.

        Raises ``ValueError`` if they are more than all.
        """
        left = 1.0
        for fault, share in shares.items():
            self.fault(service, fault, probability=share / left)
            left -= share

    def clear(self, service: str | None = None) -> None:
        """No more faults at *service*, or at all."""
        for name in self._services if service is None else (service,):
            self._services[name].script.clear()

    def _service(self, name: str, terms: Terms) -> Service:
        return Service(
            name,
            DIALECTS.get(name, OpenAI)(),
            terms,
            script=FaultScript(random.Random(f"{self._seed} {name}").random),  # noqa: S311
            meter=self._meter(),
            models=MODELS.get(name, (f"{name}-model",)),
        )

    async def _miss(self, request: web.Request) -> web.Response:
        """Remember a request for a path that no service has."""
        headers, body = redacted(request.headers), await request.read()
        digest, now = hashlib.sha256(body).hexdigest(), self._clock.monotonic()
        received = Received("", Endpoint.UNKNOWN, request.path, headers, digest, now, status=404)
        self._requests.append(received)
        return web.json_response({"error": "the simulator has no such path"}, status=404)

    def _draw_latency(self) -> float:
        """Between a half and one and a half of the mean."""
        return self.latency * self._latencies.uniform(0.5, 1.5)
