"""koo in trouble, in virtual time: one JSON line for each figure.

A figure is the mean, or where it says so the worst, of twenty seeds; the tests hold the same
simulations to the same bounds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean

from simulated import (
    DOCUMENTED_LIMITS,
    QUICK,
    amplification,
    dead_upstream,
    herd,
    nested_calls,
    peak_to_mean,
    rescue_of_blips,
    rescue_of_errors,
    rolling_window,
)

from koo.resilience import RetryConfig

__all__ = ["SEEDS", "Figure", "figures"]

SEEDS = tuple(range(1, 21))

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One simulated value, and the bound it has to keep: "<= 1.1", ">= 0.98", "= 1"."""

    what: str
    value: float
    goal: str


def figures(seeds: Sequence[int] = SEEDS) -> Iterator[Figure]:
    """Every figure, one after the other."""
    yield from _of_retries(seeds)
    yield from _of_outages(seeds)
    yield Figure("hits of 1,000 calls in the instant of recovery", herd(), "= 1")
    yield Figure("calls through three layers of three attempts", nested_calls(), "= 3")
    value = fmean(peak_to_mean(seed) for seed in seeds)
    yield Figure("busiest over mean 100 ms, 1,000 clients in an outage", value, "<= 1.6")
    yield from _of_windows()


def _of_retries(seeds: Sequence[int]) -> Iterator[Figure]:
    for rps, bound in ((2, 1.10), (100, 1.04), (1000, 1.04)):
        value = fmean(amplification(rps, seed) for seed in seeds)
        yield Figure(f"attempts per call in a total outage at {rps} rps", value, f"<= {bound}")
    for rps in (100, 1000):
        value = fmean(rescue_of_errors(rps, seed) for seed in seeds)
        yield Figure(f"rescue at 10 % errors at {rps} rps", value, ">= 0.98")
        for base in (1.0, QUICK):
            value = fmean(rescue_of_blips(rps, seed, base) for seed in seeds)
            what = f"rescue of 0.5 s blips at {rps} rps, base delay {base:g} s"
            yield Figure(what, value, ">= 0.55")


def _of_outages(seeds: Sequence[int]) -> Iterator[Figure]:
    for health, word, bounds in (
        (0.0, "cold", {20: (30, 30), None: (110, 1_010)}),
        (60.0, "after healthy traffic", {20: (45, 45), None: (155, 1_055)}),
    ):
        for places, limits in bounds.items():
            for failure_time, bound in zip((1.0, 10.0), limits, strict=True):
                beside = f"Bulkhead({places})" if places else "no bulkhead"
                what = f"worst: requests to a dead upstream, {word}, {failure_time:g} s, {beside}"
                hits = partial(dead_upstream, failure_time, places=places, health=health)
                yield Figure(what, max(hits(seed) for seed in seeds), f"<= {bound}")
                retried = max(hits(seed, retry=RetryConfig()) for seed in seeds)
                yield Figure(f"{what}, with 3 retries", retried, "")


def _of_windows() -> Iterator[Figure]:
    for limit in DOCUMENTED_LIMITS:
        greedy = rolling_window([limit], 5 * limit.per)[0]
        bursts = rolling_window([limit], 20 * limit.per, seed=1)[0]
        what, worst = f"{limit.limit} per {limit.per:g} s", max(greedy.worst, bursts.worst)
        yield Figure(f"worst rolling window, {what}", worst, f"= {limit.limit}")
        yield Figure(f"utilisation, {what}", greedy.utilisation, ">= 0.98")
    for windows in rolling_window(DOCUMENTED_LIMITS, 3 * _DAY):
        what = f"worst rolling window with all three at once, {windows.limit.limit}"
        yield Figure(what, windows.worst, f"<= {windows.limit.limit}")


if __name__ == "__main__":
    for figure in figures():
        print(json.dumps({"benchmark": "simulations", **asdict(figure)}), flush=True)
