"""A service before a vendor that has limits, in virtual time.

    callers --> AIService --> the way there --> meter: admitted, or 429 --> the answer's time
                   ^                                   |
                   +------- its headers, as this vendor writes them ------+

The meters and the headers are the simulator's; what is sent is counted where the vendor is.
"""

from __future__ import annotations

import random
from asyncio import create_task, gather
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from koo.ai import (
    NOTHING,
    AIService,
    Completion,
    Heard,
    Question,
    Request,
    ServiceConfig,
    TokenPrice,
    Told,
    Usage,
    read_windows,
)
from koo.errors import ExternalServiceError, RateLimitError
from koo.resilience import Clock
from koo.testing import run, running_clock
from koo.testing.simulator.dialects import Anthropic, OpenAI
from koo.testing.simulator.meter import Metering

__all__ = ["Outcome", "Scene", "play"]

#: More than any vendor here allows, so that only the vendor's limits matter.
_FREE = 1_000_000
_PROMPT = "x" * 400
#: Seconds that a request is on its way at most: so far may it overtake another.
_WAY = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a simulation, counted at the vendor after *warm_up*.

    *refused_share* is that of the 429s among all requests, *use* how much of what the vendor
    would have admitted was admitted.
    """

    requests: int
    refused_share: float
    use: float


@dataclass(frozen=True, slots=True)
class Scene:
    """*callers* ask without end for *seconds*; *allowed* requests a second would be admitted.

    What happens in the first *warm_up* seconds is not counted. An answer takes *latency*
    seconds and *tokens* tokens.
    """

    meter: Callable[[], Metering]
    allowed: float
    dialect: Anthropic | OpenAI | None
    seconds: float = 1_320.0
    warm_up: float = 120.0
    callers: int = 60
    latency: float = 1.0
    tokens: int = 100


class Vendor:
    """A provider that answers after some time, and by its meter may refuse.

    Its dialect writes what every answer tells of the limits; without one, it tells nothing.
    """

    def __init__(self, scene: Scene, clock: Clock, chance: random.Random) -> None:
        self.asked: list[float] = []
        self.refused: list[float] = []
        self._scene = scene
        self._meter = scene.meter()
        self._clock = clock
        self._chance = chance

    def prepare(self, question: Question) -> Request:
        """A request whose body is the prompt's text."""
        body = question.prompt.text.encode()
        return Request(question, "/", body, len(body))

    async def complete(self, request: Request) -> Completion:
        """An answer, or a 429."""
        await self._clock.sleep(self._chance.uniform(0.0, _WAY))
        now = self._clock.monotonic()
        self.asked.append(now)
        passes = self._meter.admits(now)
        if passes:
            self._meter.add_tokens(self._scene.tokens)
        headers = self._headers()
        await self._clock.sleep(self._scene.latency * self._chance.uniform(0.5, 1.5))
        windows = read_windows(headers, self._clock.time())
        told = Told(at=self._clock.monotonic(), windows=windows)
        if passes:
            half = self._scene.tokens // 2
            usage = Usage(half, self._scene.tokens - half)
            return Completion("x", request.question.model, "stop", usage, None, told)
        self.refused.append(now)
        error = RateLimitError("lab", "too many requests; wait", usage=NOTHING)
        error.told = told
        raise error

    async def stream(
        self, request: Request, heard: Heard
    ) -> AsyncGenerator[str | Completion, None]:
        """The whole answer at once."""
        del heard
        yield await self.complete(request)

    async def list_models(self) -> tuple[str, ...] | None:
        """No list."""
        return None

    def reset(self) -> None:
        """Nothing is remembered."""

    async def close(self) -> None:
        """Nothing is open."""

    def _headers(self) -> Mapping[str, str]:
        dialect = self._scene.dialect
        if dialect is None:
            return {}
        now, wall = self._clock.monotonic(), self._clock.time()
        return dialect.headers("req", self._meter.limits(now, wall))


def play(scene: Scene, seed: int) -> Outcome:
    """What comes of *scene*; the same *seed* gives the same."""
    return run(_demand(scene, random.Random(seed)))


async def _demand(scene: Scene, chance: random.Random) -> Outcome:
    clock = running_clock()
    vendor = Vendor(scene, clock, chance)
    config = ServiceConfig(
        name="lab",
        model="m",
        api_key="any",
        base_url="http://127.0.0.1:1/v1",
        price=TokenPrice(Decimal(0), Decimal(0)),
        requests_per_minute=_FREE,
        requests_per_hour=_FREE,
        requests_per_day=_FREE,
        timeout=120.0,
        max_tokens=scene.tokens,
    )
    service = AIService(config, vendor, clock=clock, random=chance.random)
    tasks = [create_task(_ask(service, clock)) for _ in range(scene.callers)]
    await clock.sleep(scene.seconds)
    for task in tasks:
        task.cancel()
    await gather(*tasks, return_exceptions=True)
    return _count(vendor, scene)


async def _ask(service: AIService, clock: Clock) -> None:
    """Ask, and ask again; who is told that the wait is too long comes back later."""
    while True:
        try:
            await service.query(_PROMPT)
        except ExternalServiceError:
            await clock.sleep(1.0)


def _count(vendor: Vendor, scene: Scene) -> Outcome:
    asked, refused = (
        [stamp for stamp in stamps if scene.warm_up <= stamp < scene.seconds]
        for stamps in (vendor.asked, vendor.refused)
    )
    possible = scene.allowed * (scene.seconds - scene.warm_up)
    use = (len(asked) - len(refused)) / possible
    return Outcome(len(asked), len(refused) / max(1, len(asked)), use)
