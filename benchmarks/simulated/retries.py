"""Retries: how many there are when they are useless, and how much they mend when they are not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from koo.resilience import Backoff, Policy, RetryBudget, RetryConfig
from koo.testing import run, running_clock

from .budgets import OtherBudget

__all__ = ["QUICK", "amplification", "nested_calls", "rescue_of_blips", "rescue_of_errors"]

#: A base delay in seconds with which retries barely outlast half a second: 0.3 s on the average.
QUICK = 0.2

_THREE_ATTEMPTS = RetryConfig(max_retries=2)
_HEALTH = 60.0
_OUTAGE = 60.0
_ERRORS = 0.1

Judge = Callable[[float], bool]
MakeBudget = Callable[[], RetryBudget]


@dataclass(slots=True)
class _Client:
    """One client with the documented backoff, three attempts, and a retry budget of its own."""

    seed: int
    retry: RetryConfig = _THREE_ATTEMPTS
    make_budget: MakeBudget = RetryBudget
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
            retry_budget=self.make_budget(),
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

        began, budget = now(), policy.retry_budget
        if isinstance(budget, OtherBudget):
            budget.begun()
        outcome = await policy.outcome(attempt)
        if isinstance(budget, OtherBudget) and outcome.ok:
            budget.succeeded(attempts)
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


def amplification(rps: float, seed: int, make_budget: MakeBudget = RetryBudget) -> float:
    """Attempts per call in 60 s of total outage, after 60 s of health."""
    client = _Client(seed, make_budget=make_budget)
    run(client.live(rps, _HEALTH + _OUTAGE, lambda now: now >= _HEALTH))
    return client.attempts / client.calls


def rescue_of_errors(rps: float, seed: int, make_budget: MakeBudget = RetryBudget) -> float:
    """The share of failures that retries mend when a tenth of all attempts fails, for 60 s."""
    client, luck = _Client(seed, make_budget=make_budget), random.Random(f"errors {seed}")
    run(client.live(rps, _HEALTH + 60.0, lambda _: luck.random() < _ERRORS))
    return client.rescue


def rescue_of_blips(
    rps: float, seed: int, base_delay: float = 1.0, make_budget: MakeBudget = RetryBudget
) -> float:
    """The share of failures that retries mend when everything fails for 0.5 s every 10 s."""
    retry = RetryConfig(max_retries=2, backoff=Backoff(base_delay=base_delay))
    client = _Client(seed, retry, make_budget)
    run(client.live(rps, _HEALTH + 60.0, lambda now: now % 10.0 >= 9.5))
    return client.rescue


def nested_calls(layers: int = 3) -> int:
    """Calls on a dead backend through *layers* policies, each with three attempts."""

    async def program() -> int:
        calls = 0

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
