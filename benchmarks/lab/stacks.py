"""What people put together from the peers: a retry, a breaker, and three windows."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import aiobreaker
import backoff
import circuitbreaker
import limits
import tenacity
from aiolimiter import AsyncLimiter
from hyx.circuitbreaker import consecutive_breaker
from hyx.ratelimit import tokenbucket
from hyx.retry import retry as hyx_retry
from interlock import CircuitBreaker as InterlockBreaker
from interlock import Pipeline
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
)

from .services import noop

__all__ = ["FULL_STACKS", "PARTIAL_STACKS", "PEERS"]

PEERS = (
    "aiobreaker",
    "aiolimiter",
    "backoff",
    "circuitbreaker",
    "hyx",
    "interlock-cb",
    "limits",
    "prometheus-client",
    "purgatory",
    "pybreaker",
    "pyrate-limiter",
    "tenacity",
)

Operation = Callable[[], Awaitable[object]]

_PLENTY = 10**9
_SPANS = (60, 3_600, 86_400)
_numbers = itertools.count()

logging.getLogger("backoff").addHandler(logging.NullHandler())


class DownError(Exception):
    """What the peers are told to count and to retry."""


class LimitedError(Exception):
    """A window is full."""


def _three_buckets() -> Operation:
    limiters = [AsyncLimiter(_PLENTY, span) for span in _SPANS]

    async def limited() -> None:
        for limiter in limiters:
            await limiter.acquire()
        await noop()

    return limited


def _three_windows(strategy: type[FixedWindowRateLimiter | MovingWindowRateLimiter]) -> Operation:
    limiter = strategy(MemoryStorage())
    windows = [limits.parse(f"{_PLENTY} per {unit}") for unit in ("minute", "hour", "day")]

    async def limited() -> None:
        for window in windows:
            if not await limiter.hit(window, "service"):
                raise LimitedError
        await noop()

    return limited


def _tenacity(operation: Operation) -> Operation:
    return tenacity.retry(
        stop=tenacity.stop_after_attempt(4),
        wait=tenacity.wait_random_exponential(1, 30),
        retry=tenacity.retry_if_exception_type(DownError),
        reraise=True,
    )(operation)


def _hyx_retry(operation: Operation) -> Operation:
    return hyx_retry(on=DownError, attempts=4)(operation)


def _hyx_breaker(operation: Operation) -> Operation:
    return consecutive_breaker(exceptions=DownError, failure_threshold=5)(operation)


def _circuitbreaker(operation: Operation) -> Operation:
    name = f"service{next(_numbers)}"
    return circuitbreaker.circuit(
        failure_threshold=5, recovery_timeout=60, expected_exception=DownError, name=name
    )(operation)


def _aiobreaker(operation: Operation) -> Operation:
    breaker = aiobreaker.CircuitBreaker(fail_max=5, timeout_duration=timedelta(seconds=60))
    return breaker(operation)


def hyx_circuitbreaker_aiolimiter() -> Operation:
    return _hyx_retry(_circuitbreaker(_three_buckets()))


def hyx_hyx_aiolimiter() -> Operation:
    return _hyx_retry(_hyx_breaker(_three_buckets()))


def backoff_hyx_aiolimiter() -> Operation:
    guarded = _hyx_breaker(_three_buckets())
    return backoff.on_exception(backoff.expo, DownError, max_tries=4)(guarded)


def tenacity_aiobreaker_fixed() -> Operation:
    return _tenacity(_aiobreaker(_three_windows(FixedWindowRateLimiter)))


def tenacity_circuitbreaker_moving() -> Operation:
    return _tenacity(_circuitbreaker(_three_windows(MovingWindowRateLimiter)))


def interlock_aiolimiter() -> Operation:
    return _interlock(_three_buckets())


def interlock_alone() -> Operation:
    return _interlock(noop)


def hyx_one_bucket() -> Operation:
    return _hyx_retry(_hyx_breaker(tokenbucket(_PLENTY, 1.0)(noop)))


def _interlock(operation: Operation) -> Operation:
    breaker = InterlockBreaker(name=f"service{next(_numbers)}")
    pipeline = (
        Pipeline.builder().retry(attempts=4).circuit_breaker(breaker).bulkhead(100).timeout(30.0)
    ).build()
    return pipeline(operation)


#: With three windows, as koo has; none of them is exact but the moving window.
FULL_STACKS = {
    "hyx retry + circuitbreaker + aiolimiter x3": hyx_circuitbreaker_aiolimiter,
    "hyx retry + hyx breaker + aiolimiter x3": hyx_hyx_aiolimiter,
    "backoff + hyx breaker + aiolimiter x3": backoff_hyx_aiolimiter,
    "tenacity + aiobreaker + limits, 3 fixed windows": tenacity_aiobreaker_fixed,
    "tenacity + circuitbreaker + limits, 3 moving windows": tenacity_circuitbreaker_moving,
    "interlock (retry, breaker, bulkhead, timeout) + aiolimiter x3": interlock_aiolimiter,
}

#: For scale; they lack windows.
PARTIAL_STACKS = {
    "hyx retry + hyx breaker + one bucket": hyx_one_bucket,
    "interlock (retry, breaker, bulkhead, timeout)": interlock_alone,
}
