"""Calls that an open breaker refuses, each peer in its own way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import aiobreaker
import circuitbreaker
import purgatory
import pybreaker
from hyx.circuitbreaker import consecutive_breaker
from interlock import CircuitBreaker as InterlockBreaker

from koo.resilience import CircuitBreaker, Policy

from .rounds import Contender, refused
from .services import SOONER, TIMEOUT, inheriting, noop

__all__ = ["refusals"]

Operation = Callable[[], Awaitable[object]]

_LONG = 6_000
_ENOUGH_FAILURES = 20


class DownError(Exception):
    """What the dependency raises until the breaker opens."""


async def _fail() -> None:
    raise DownError


async def refusals() -> list[Contender]:
    """Koo first, then the peers; every breaker has been opened by failures."""
    peers = {
        "circuitbreaker": circuitbreaker.circuit(
            failure_threshold=5, recovery_timeout=_LONG, expected_exception=DownError, name="open"
        )(_fail),
        "hyx": consecutive_breaker(
            exceptions=DownError, failure_threshold=5, recovery_time_secs=_LONG
        )(_fail),
        "interlock": InterlockBreaker(name="open")(_fail),
        "purgatory": await _purgatory(),
        "aiobreaker": aiobreaker.CircuitBreaker(
            fail_max=5, timeout_duration=timedelta(seconds=_LONG)
        )(_fail),
        "pybreaker, called in step (its `call_async` needs Tornado)": _pybreaker(),
    }
    for operation in peers.values():
        await refused(operation, _ENOUGH_FAILURES)
    koo = _koo()
    return [
        Contender("koo, `outcome()`: nothing is raised", partial(koo.outcome, noop)),
        Contender(
            "koo, `outcome()`, with an inherited deadline", partial(koo.outcome, noop), inheriting
        ),
        Contender(
            "koo, `outcome()`, with a timeout of its own",
            partial(koo.outcome, noop, timeout=SOONER),
        ),
        Contender("koo, `run()`: raised and caught", partial(koo.run, noop), refused),
        *(Contender(name, operation, refused) for name, operation in peers.items()),
        Contender("for scale: a bare `raise` and `except`", _fail, refused),
    ]


def _koo() -> Policy:
    breaker = CircuitBreaker("open")
    breaker.open_until(_LONG, "opened for the benchmark")
    return Policy("open", gates=(breaker,), timeout=TIMEOUT)


async def _purgatory() -> Operation:
    factory = purgatory.AsyncCircuitBreakerFactory(default_threshold=5, default_ttl=_LONG)
    await factory.initialize()
    return factory("open")(_fail)


def _pybreaker() -> Operation:
    breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=_LONG)

    def fail() -> None:
        raise DownError

    async def guarded() -> None:
        breaker.call(fail)

    return guarded
