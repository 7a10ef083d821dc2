"""What memory that outlives the process costs: one run, JSON lines.

scripts/bench stores
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

from lab.figures import Figure, Section, publish

from koo.resilience import (
    Ask,
    DailyBudget,
    DailyBudgetConfig,
    Limit,
    MemoryStore,
    RateLimiter,
    RateLimiterConfig,
    Spent,
    Store,
    Success,
)
from koo.stores import SQLiteStore

_ROUNDS = 21
_CALLS = 2000
_MICRO = 1e6
_LIMITS = RateLimiterConfig((Limit(10**8, 60.0), Limit(10**8, 3600.0), Limit(10**8, 86_400.0)))
_BUDGET = DailyBudgetConfig(10**18)
_ASK = Ask(1, 2000, 2_500_000)
_SPENT = Success(Spent(1, 1500, 2_000_000))
_METHOD = (
    "A limiter with the windows of a minute, an hour and a day, and a daily budget: admit by both,"
    " settle both with what was spent. Made apart, each has its own transactions; made together,"
    " they share them. Microseconds per call beyond the same gates in memory, medians of"
    f" {_ROUNDS} interleaved rounds."
)


def main() -> None:
    with _stores() as stores:
        calls = dict(_calls(stores))
        rounds = [{name: _time(call) for name, call in calls.items()} for _ in range(_ROUNDS)]
    figures = [figure for name in calls if name != "memory" for figure in _figures(name, rounds)]
    publish("stores", Section("Limits and money in a file", _METHOD, figures))


@contextmanager
def _stores() -> Iterator[dict[str, Store]]:
    """A store in memory, one in a file of this folder's disk, one in a file in memory if it can."""
    places = {"disk": Path.cwd(), "tmpfs": Path("/dev/shm")}  # noqa: S108 - a folder of its own in it
    with tempfile.TemporaryDirectory(dir=places["disk"], prefix=".stores-") as disk:
        stores: dict[str, Store] = {"memory": MemoryStore(), "disk": SQLiteStore(f"{disk}/s.db")}
        if not places["tmpfs"].is_dir():
            yield stores
            return
        with tempfile.TemporaryDirectory(dir=places["tmpfs"]) as shared:
            yield stores | {"tmpfs": SQLiteStore(f"{shared}/s.db")}


def _calls(stores: dict[str, Store]) -> Iterator[tuple[str, Callable[[], None]]]:
    for name, store in stores.items():
        yield name, _call(store.limiter("dep", _LIMITS), store.budget("dep", _BUDGET))
        if name != "memory":
            yield f"{name}, together", _call(*store.limiter_and_budget("two", _LIMITS, _BUDGET))


def _call(limiter: RateLimiter, budget: DailyBudget) -> Callable[[], None]:
    def call() -> None:
        permits = limiter.admit(_ASK), budget.admit(_ASK)
        for permit in permits:
            permit.settle(_SPENT)  # type: ignore[union-attr]

    call()
    return call


def _time(call: Callable[[], None]) -> tuple[float, list[float]]:
    """The CPU per call, and how long each call took."""
    took, began = [], time.process_time()
    for _ in range(_CALLS):
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return (time.process_time() - began) / _CALLS * _MICRO, took


def _figures(name: str, rounds: list[dict[str, tuple[float, list[float]]]]) -> list[Figure]:
    added = [one[name][0] - one["memory"][0] for one in rounds]
    took = [seconds * _MICRO for one in rounds for seconds in one[name][1]]
    cuts = quantiles(took, n=100)
    return [
        Figure(f"{name}: CPU added", median(added), "us", "<= 50", min(added), max(added), _ROUNDS),
        Figure(f"{name}: p50 of the time taken", cuts[49], "us", rounds=_ROUNDS),
        Figure(f"{name}: p99 of the time taken", cuts[98], "us", rounds=_ROUNDS),
    ]


if __name__ == "__main__":
    main()
