"""What koo does to a dependency in trouble, simulated in virtual time.

    callers --> the real Policy, gates and RetryBudget --> a dependency that a seed decides on
                             on koo.testing's virtual-time loop

Each function is pure: the same arguments give the same figures. Called as a program, prints
one JSON line for each figure.
"""

from __future__ import annotations

import asyncio
import json
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from koo.resilience import (
    Backoff,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Gate,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryBudget,
    RetryConfig,
)
from koo.testing import run, running_clock

__all__ = [
    "DOCUMENTED_LIMITS",
    "SEEDS",
    "Figure",
    "amplification",
    "dead_upstream",
    "figures",
    "herd",
    "nested_calls",
    "peak_to_mean",
    "rescue_of_blips",
    "rescue_of_errors",
    "rolling_window",
]

SEEDS = tuple(range(1, 21))

#: The documented limits: 60 a minute, 1,000 an hour, 10,000 a day.
DOCUMENTED_LIMITS = (Limit(60, 60.0), Limit(1_000, 3_600.0), Limit(10_000, 86_400.0))

_THREE_ATTEMPTS = RetryConfig(max_retries=2)
_HEALTH = 60.0
_OUTAGE = 60.0
_DAY = 86_400.0

Judge = Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class Figure:
    """One simulated value, and the bound it has to keep: "<= 1.1", ">= 0.98", "= 1"."""

    what: str
    value: float
    goal: str


# -- the retry budget --------------------------------------------------------------------------


@dataclass(slots=True)
class _Client:
    """One client with the documented backoff, three attempts, and a retry budget of its own."""

    seed: int
    retry: RetryConfig = _THREE_ATTEMPTS
    calls: int = 0
    attempts: int = 0
    failed_first: int = 0
    rescued: int = 0

    async def live(self, rps: float, seconds: float, fails: Judge) -> None:
        """Call at random moments, *rps* a second on the average; *fails* judges by the time."""
        clock = running_clock()
        chance = random.Random(self.seed)
        policy = Policy(
            "client",
            retry=self.retry,
            retry_budget=RetryBudget(),
            clock=clock,
            random=random.Random(f"jitter {self.seed}").random,
        )
        async with asyncio.TaskGroup() as calls:
            while (pause := chance.expovariate(rps)) + clock.monotonic() < seconds:
                await clock.sleep(pause)
                calls.create_task(self._call(policy, clock.monotonic, fails))

    async def _call(self, policy: Policy, now: Callable[[], float], fails: Judge) -> None:
        attempts = 0

        async def attempt() -> None:
            nonlocal attempts
            attempts += 1
            if fails(now()):
                raise ConnectionError

        began = now()
        outcome = await policy.outcome(attempt)
        if began < _HEALTH:
            return
        self.calls += 1
        self.attempts += attempts
        failed_first = attempts > 1 or not outcome.ok
        self.failed_first += failed_first
        self.rescued += failed_first and outcome.ok

    @property
    def rescue(self) -> float:
        """The share of failed first attempts that ended well all the same."""
        return self.rescued / self.failed_first


def amplification(rps: float, seed: int) -> float:
    """Attempts per call in 60 s of total outage, after 60 s of health."""
    client = _Client(seed)
    run(client.live(rps, _HEALTH + _OUTAGE, lambda now: now >= _HEALTH))
    return client.attempts / client.calls


def rescue_of_errors(rps: float, seed: int, share: float = 0.1) -> float:
    """The share of failures that retries mend when *share* of all attempts fails, for 60 s."""
    client, luck = _Client(seed), random.Random(f"errors {seed}")
    run(client.live(rps, _HEALTH + 60.0, lambda _: luck.random() < share))
    return client.rescue


def rescue_of_blips(rps: float, seed: int, base_delay: float = 1.0) -> float:
    """The share of failures that retries mend when everything fails for 0.5 s every 10 s."""
    client = _Client(seed, RetryConfig(max_retries=2, backoff=Backoff(base_delay=base_delay)))
    run(client.live(rps, _HEALTH + 60.0, lambda now: now % 10.0 >= 9.5))
    return client.rescue


# -- the circuit breaker -----------------------------------------------------------------------


class _Upstream:
    """Answers within 10 ms until it dies; then every request fails after *failure_time*."""

    def __init__(self, dies_at: float, failure_time: float) -> None:
        self.requests = 0
        self._dies_at = dies_at
        self._failure_time = failure_time
        self._clock = running_clock()

    async def ask(self) -> None:
        if self._clock.monotonic() < self._dies_at:
            await self._clock.sleep(0.01)
            return
        self.requests += 1
        await self._clock.sleep(self._failure_time)
        raise ConnectionError


def dead_upstream(
    failure_time: float, seed: int, *, places: int | None = None, health: float = 0.0
) -> int:
    """Requests that reach a dead upstream in 60 s at 100 calls a second, after *health* seconds.

    The breaker's reset is 10 s; *places* is the bulkhead's, if there is one. Nobody waits.
    """

    async def program() -> int:
        clock = running_clock()
        upstream = _Upstream(health, failure_time)
        breaker = CircuitBreaker(
            "upstream",
            BreakerConfig(recovery_timeout=10.0),
            clock=clock,
            random=random.Random(seed).random,
        )
        gates: list[Gate] = [breaker]
        if places is not None:
            gates.append(Bulkhead("upstream", BulkheadConfig(max_concurrent=places), clock=clock))
        policy = Policy(
            "upstream",
            gates=gates,
            retry=RetryConfig(),
            clock=clock,
            random=random.Random(f"jitter {seed}").random,
        )
        tasks = []
        for number in range(int((health + 60.0) * 100)):
            await clock.sleep(max(0.0, number / 100 - clock.monotonic()))
            tasks.append(asyncio.ensure_future(policy.outcome(upstream.ask)))
        return upstream.requests

    return run(program)


def herd(callers: int = 1000) -> int:
    """How many of *callers* reach the dependency when all ask in the instant of recovery."""

    async def program() -> int:
        clock, hits = running_clock(), 0
        breaker = CircuitBreaker("dependency", clock=clock, random=random.Random(1).random)
        policy = Policy("dependency", gates=[breaker], clock=clock)

        async def fail() -> None:
            nonlocal hits
            hits += 1
            await clock.sleep(0.05)
            raise ConnectionError

        await _fail_until_open(policy, fail)
        await clock.sleep(breaker.stats().retry_after or 0.0)
        hits = 0
        await asyncio.gather(*(policy.outcome(fail) for _ in range(callers)))
        return hits

    return run(program)


async def _fail_until_open(policy: Policy, fail: Callable[[], Awaitable[None]]) -> None:
    while (await policy.outcome(fail)).rejected_by is None:
        pass


# -- retries within retries ----------------------------------------------------------------------


def nested_calls(layers: int = 3) -> int:
    """Calls on a dead backend through *layers* policies, each with three attempts."""

    async def program() -> int:
        clock, calls = running_clock(), 0

        async def fail() -> None:
            nonlocal calls
            calls += 1
            raise ConnectionError

        operation: Callable[[], Awaitable[None]] = fail
        for layer in range(layers):
            operation = _layer(f"layer {layer}", operation)
        try:
            await operation()
        except ConnectionError:
            return calls
        raise AssertionError

    def _layer(name: str, inner: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        chance = random.Random(name).random
        policy = Policy(name, retry=_THREE_ATTEMPTS, clock=running_clock(), random=chance)
        return lambda: policy.run(inner)

    return run(program)


# -- jitter --------------------------------------------------------------------------------------


def peak_to_mean(seed: int, clients: int = 1000) -> float:
    """The busiest 100 ms of the last 20 s of a 60 s outage, over the mean of them.

    All clients begin in the same instant, wait at most 5 s, and have no retry budget.
    """
    moments: list[float] = []

    async def program() -> None:
        clock = running_clock()
        policy = Policy(
            "client",
            retry=RetryConfig(max_retries=10_000, backoff=Backoff(max_delay=5.0)),
            retry_budget=None,
            timeout=_OUTAGE,
            clock=clock,
            random=random.Random(seed).random,
        )

        async def fail() -> None:
            moments.append(clock.monotonic())
            raise ConnectionError

        await asyncio.gather(*(policy.outcome(fail) for _ in range(clients)))

    run(program)
    buckets = Counter(int(moment * 10) for moment in moments if 40.0 <= moment < _OUTAGE)
    return max(buckets.values()) / (sum(buckets.values()) / 200)


# -- rate limits ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Windows:
    """The worst count in any rolling window of one limit, and how much of the limit was used."""

    limit: Limit
    worst: int
    utilisation: float


def rolling_window(
    limits: Sequence[Limit], seconds: float, seed: int | None = None
) -> tuple[Windows, ...]:
    """Demand without end on *limits* for *seconds*.

    Without a *seed*, one caller comes back as soon as it may. With one, it comes in bursts at
    random moments, as bad as it can for whoever counts in buckets.
    """
    stamps = run(_demand(limits, seconds, None if seed is None else random.Random(seed)))
    return tuple(
        Windows(
            limit, _busiest(stamps, limit.per), len(stamps) * limit.per / seconds / limit.limit
        )
        for limit in limits
    )


async def _demand(
    limits: Sequence[Limit], seconds: float, chance: random.Random | None
) -> list[float]:
    clock, stamps = running_clock(), []
    limiter = RateLimiter("windows", RateLimiterConfig(tuple(limits)), clock=clock)
    policy = Policy("windows", gates=[limiter], clock=clock)
    shortest = min(limit.per for limit in limits)

    async def note() -> None:
        stamps.append(clock.monotonic())

    while True:
        outcome = await policy.outcome(note)
        pause = 0.0 if outcome.ok else outcome.retry_after or 0.0
        if chance is not None and (pause or chance.random() < 0.1):
            pause = chance.expovariate(8 / shortest)
        if clock.monotonic() + pause >= seconds:
            return stamps
        if pause:
            await clock.sleep(pause)


def _busiest(stamps: list[float], span: float) -> int:
    """The most stamps within any half-open span."""
    return max(
        number + 1 - bisect_right(stamps, stamp - span) for number, stamp in enumerate(stamps)
    )


# -- all of it -----------------------------------------------------------------------------------


def figures(seeds: Sequence[int] = SEEDS) -> Iterator[Figure]:
    """Every figure with the bound it has to keep, the mean or the worst of *seeds*."""
    for rps, bound in ((2, 1.10), (100, 1.04), (1000, 1.04)):
        value = fmean(amplification(rps, seed) for seed in seeds)
        yield Figure(f"attempts per call in a total outage at {rps} rps", value, f"<= {bound}")
    for rps in (100, 1000):
        value = fmean(rescue_of_errors(rps, seed) for seed in seeds)
        yield Figure(f"rescue at 10 % errors at {rps} rps", value, ">= 0.98")
        value = fmean(rescue_of_blips(rps, seed) for seed in seeds)
        yield Figure(f"rescue of 0.5 s blips at {rps} rps", value, ">= 0.55")
    yield from _dead_upstream_figures(seeds)
    yield Figure("hits of 1,000 calls in the instant of recovery", herd(), "= 1")
    yield Figure("calls through three layers of three attempts", nested_calls(), "= 3")
    value = fmean(peak_to_mean(seed) for seed in seeds)
    yield Figure("busiest over mean 100 ms, 1,000 clients in an outage", value, "<= 1.6")
    yield from _window_figures()


def _dead_upstream_figures(seeds: Sequence[int]) -> Iterator[Figure]:
    for health, word, bounds in (
        (0.0, "cold", {20: (30, 30), None: (110, 1_010)}),
        (60.0, "after healthy traffic", {20: (45, 45), None: (155, 1_055)}),
    ):
        for places, limits in bounds.items():
            for failure_time, bound in zip((1.0, 10.0), limits, strict=True):
                beside = f"Bulkhead({places})" if places else "no bulkhead"
                value = max(
                    dead_upstream(failure_time, seed, places=places, health=health)
                    for seed in seeds
                )
                what = f"requests to a dead upstream, {failure_time:g} s failures, {beside}, {word}"
                yield Figure(what, value, f"<= {bound}")


def _window_figures() -> Iterator[Figure]:
    for limit in DOCUMENTED_LIMITS:
        greedy = rolling_window([limit], 20 * limit.per)[0]
        bursts = rolling_window([limit], 20 * limit.per, seed=1)[0]
        what = f"{limit.limit} per {limit.per:g} s"
        yield Figure(
            f"worst rolling window, {what}", max(greedy.worst, bursts.worst), f"<= {limit.limit}"
        )
        yield Figure(f"utilisation, {what}", greedy.utilisation, ">= 0.98")
    for windows in rolling_window(DOCUMENTED_LIMITS, 3 * _DAY):
        what = f"worst rolling window of three at once, {windows.limit.limit}"
        yield Figure(what, windows.worst, f"<= {windows.limit.limit}")


if __name__ == "__main__":
    for figure in figures():
        print(json.dumps({"benchmark": "simulations", **asdict(figure)}), flush=True)
