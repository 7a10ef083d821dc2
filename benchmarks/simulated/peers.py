"""The same troubles as met by the peers, on the same virtual clock.

    callers --> a peer's retry, breaker or limiter, whose own clock is replaced --> the dependency

Only the benchmark imports this: the peers live in an environment of their own.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta, tzinfo
from unittest.mock import patch

import aiobreaker
import aiobreaker.circuitbreaker as aiobreaker_breaker
import aiobreaker.state as aiobreaker_state
import circuitbreaker
import interlock
import limits
import purgatory
import stamina
import tenacity
from aiolimiter import AsyncLimiter
from hyx.circuitbreaker import consecutive_breaker
from hyx.circuitbreaker import states as hyx_states
from hyx.ratelimit import tokenbucket
from hyx.ratelimit.exceptions import RateLimitExceeded
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter
from throttled.asyncio import RateLimiterType, Throttled, rate_limiter

from koo.testing import run, running_clock

from .herds import OUTAGE, busiest_over_mean
from .probes import Guard, Guarded, Operation, failed_cases
from .windows import busiest

__all__ = [
    "BREAKERS",
    "LIMITERS",
    "PEERS",
    "RETRIES",
    "peers_amplification",
    "peers_failed_cases",
    "peers_herd",
    "peers_nested_calls",
    "peers_on_a_dead_upstream",
    "peers_peak_to_mean",
    "peers_rolling_window",
]

PEERS = (
    "aiobreaker",
    "aiolimiter",
    "circuitbreaker",
    "hyx",
    "interlock-cb",
    "limits",
    "purgatory",
    "stamina",
    "tenacity",
    "throttled-py",
)

stamina.instrumentation.set_on_retry_hooks([])

_THREE_ATTEMPTS = tenacity.stop_after_attempt(3)

#: Each makes an operation be tried again for ever, with waits of at most 5 s.
RETRIES: dict[str, Callable[[Operation], Operation]] = {
    "stamina": stamina.retry(on=ConnectionError, attempts=None, timeout=None, wait_max=5.0),
    "exponential backoff without jitter (tenacity)": tenacity.retry(
        wait=tenacity.wait_exponential(max=5.0)
    ),
}


def _behind_circuitbreaker(operation: Operation) -> Guarded:
    breaker = circuitbreaker.CircuitBreaker(
        failure_threshold=5, recovery_timeout=10, expected_exception=ConnectionError
    )
    return Guarded(breaker(operation), lambda: breaker.closed)


def _behind_hyx(operation: Operation) -> Guarded:
    breaker = consecutive_breaker(
        exceptions=ConnectionError, failure_threshold=5, recovery_time_secs=10
    )
    return Guarded(breaker(operation), lambda: breaker.state.name == "working")


def _behind_purgatory(operation: Operation) -> Guarded:
    factory = purgatory.AsyncCircuitBreakerFactory(default_threshold=5, default_ttl=10)
    breakers = factory.uow.contexts.breakers
    return Guarded(
        factory("dependency")(operation), lambda: breakers["dependency"].state == "closed"
    )


def _behind_aiobreaker(operation: Operation) -> Guarded:
    breaker = aiobreaker.CircuitBreaker(fail_max=5, timeout_duration=timedelta(seconds=10))
    closed = aiobreaker.CircuitBreakerState.CLOSED
    return Guarded(breaker(operation), lambda: breaker.current_state is closed)


def _behind_interlock(operation: Operation) -> Guarded:
    config = interlock.Config(minimum_number_of_calls=5, wait_duration_in_open=10.0)
    breaker = interlock.CircuitBreaker(name="dependency", config=config, clock=running_clock())
    return Guarded(breaker(operation), lambda: breaker.state is interlock.State.CLOSED)


#: Each puts a breaker before an operation: five failures, 10 s, and else as its makers set it.
BREAKERS: dict[str, Guard] = {
    "circuitbreaker": _behind_circuitbreaker,
    "hyx": _behind_hyx,
    "purgatory": _behind_purgatory,
    "aiobreaker": _behind_aiobreaker,
    "interlock": _behind_interlock,
}

Hit = Callable[[], Awaitable[bool]]


def _counted(strategy: type[FixedWindowRateLimiter | SlidingWindowCounterRateLimiter]) -> Hit:
    limiter, window = strategy(MemoryStorage()), limits.parse("60/minute")
    return lambda: limiter.hit(window, "service")


def _leaky_bucket() -> Hit:
    limiter = AsyncLimiter(60, 60.0)

    async def hit() -> bool:
        passes = limiter.has_capacity()
        if passes:
            await limiter.acquire()
        return passes

    return hit


def _hyx_bucket() -> Hit:
    bucket = tokenbucket(60, 60.0)

    async def hit() -> bool:
        try:
            async with bucket:
                return True
        except RateLimitExceeded:
            return False

    return hit


def _throttled_bucket() -> Hit:
    bucket = Throttled(using=RateLimiterType.TOKEN_BUCKET.value, quota=rate_limiter.per_min(60))

    async def hit() -> bool:
        return not (await bucket.limit("service")).limited

    return hit


#: Each makes a limit of 60 a minute.
LIMITERS: dict[str, Callable[[], Hit]] = {
    "limits, fixed window": lambda: _counted(FixedWindowRateLimiter),
    "limits, sliding counter": lambda: _counted(SlidingWindowCounterRateLimiter),
    "aiolimiter, leaky bucket": _leaky_bucket,
    "throttled-py, token bucket": _throttled_bucket,
    "hyx, token bucket": _hyx_bucket,
}


def peers_rolling_window(name: str) -> int:
    """The most calls that a limit of 60 a minute lets through in any minute of ten.

    There is one call, and from 55 s later on somebody asks every 0.1 s.
    """
    stamps: list[float] = []

    async def program() -> None:
        clock = running_clock()
        with _their_clocks():
            hit = LIMITERS[name]()
            await hit()
            await asyncio.sleep(55.0)
            for _ in range(6_000):
                if await hit():
                    stamps.append(clock.monotonic())
                await asyncio.sleep(0.1)

    run(program)
    return busiest(stamps, 60.0)


def peers_on_a_dead_upstream(breaker: str | None, failure_time: float, seed: int) -> int:
    """Requests that reach it in 60 s at 100 calls a second, with three attempts each.

    Before a *breaker* only what the upstream itself has raised is tried again.
    """

    async def program() -> int:
        random.seed(seed)
        requests = 0

        async def dead() -> None:
            nonlocal requests
            requests += 1
            await asyncio.sleep(failure_time)
            raise ConnectionError

        call = dead if breaker is None else BREAKERS[breaker](dead).call
        call = _retried(call)
        tasks = []
        with _their_clocks():
            for _ in range(6_000):
                tasks.append(asyncio.ensure_future(_ignoring(call)))
                await asyncio.sleep(0.01)
        await _end(tasks)
        return requests

    return run(program)


def peers_failed_cases(breaker: str) -> tuple[str, ...]:
    """What *breaker* makes wrong of probes that go astray, and of a clock that is set."""
    return failed_cases(BREAKERS[breaker], _their_clocks)


def peers_herd(breaker: str, callers: int = 1000) -> int:
    """How many of *callers* reach a dependency when all ask in the instant of recovery."""

    async def program() -> int:
        hits = 0

        async def fail() -> None:
            nonlocal hits
            hits += 1
            await asyncio.sleep(0.05)
            raise ConnectionError

        call = BREAKERS[breaker](fail).call
        with _their_clocks():
            for _ in range(5):
                await _ignoring(call)
            await asyncio.sleep(10.001)
            hits = 0
            await asyncio.gather(*(_ignoring(call) for _ in range(callers)))
        return hits

    return run(program)


def peers_amplification(rps: int, seed: int) -> float:
    """Attempts per call of three attempts each, in 60 s of total outage."""

    async def program() -> float:
        random.seed(seed)
        attempts = 0

        async def fail() -> None:
            nonlocal attempts
            attempts += 1
            raise ConnectionError

        call, calls = _retried(fail), rps * 60
        tasks = []
        for _ in range(calls):
            tasks.append(asyncio.ensure_future(_ignoring(call)))
            await asyncio.sleep(1 / rps)
        await asyncio.gather(*tasks)
        return attempts / calls

    return run(program)


def peers_nested_calls(layers: int = 3) -> int:
    """Calls on a dead backend through *layers* retries of three attempts each."""

    async def program() -> int:
        calls = 0

        async def fail() -> None:
            nonlocal calls
            calls += 1
            raise ConnectionError

        operation: Operation = fail
        for _ in range(layers):
            operation = _retried(operation)
        await _ignoring(operation)
        return calls

    return run(program)


def peers_peak_to_mean(retry: str, seed: int, clients: int = 1000) -> float:
    """The busiest 100 ms of the last 20 s of a 60 s outage, over the mean of them."""
    moments: list[float] = []

    async def program() -> None:
        random.seed(seed)
        clock = running_clock()

        async def fail() -> None:
            moments.append(clock.monotonic())
            raise ConnectionError

        call = RETRIES[retry](fail)
        tasks = [asyncio.ensure_future(_ignoring(call)) for _ in range(clients)]
        await asyncio.sleep(OUTAGE)
        await _end(tasks)

    run(program)
    return busiest_over_mean(moments)


def _retried(operation: Operation) -> Operation:
    return tenacity.retry(
        stop=_THREE_ATTEMPTS,
        wait=tenacity.wait_random_exponential(multiplier=1, max=30),
        retry=tenacity.retry_if_exception_type(ConnectionError),
        reraise=True,
    )(operation)


async def _ignoring(operation: Operation) -> None:
    with suppress(Exception):
        await operation()


async def _end(tasks: list[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _their_clocks() -> Iterator[None]:
    """Let the clocks that the peers read follow the running loop's, and its wall clock."""
    clock = running_clock()
    epoch = clock.time() - clock.monotonic()

    def wall() -> float:
        # Steps are whole seconds: what a float of so many seconds lacks is not to be seen.
        return clock.monotonic() + round(clock.time() - clock.monotonic() - epoch)

    class Moment(datetime):
        @classmethod
        def utcnow(cls) -> datetime:
            return datetime.fromtimestamp(wall(), UTC).replace(tzinfo=None)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.fromtimestamp(wall(), tz) if tz else cls.utcnow()

    with (
        patch.object(time, "time", wall),
        patch.object(circuitbreaker, "monotonic", clock.monotonic),
        patch.object(aiobreaker_breaker, "datetime", Moment),
        patch.object(aiobreaker_state, "datetime", Moment),
        patch.object(hyx_states, "datetime", Moment),
    ):
        yield
