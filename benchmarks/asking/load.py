"""Calls a second with a slow upstream, and CPU of a call with one that answers at once."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from lab.figures import Figure, Section
from lab.load import Lap, cpu, paired_laps, rates, shown
from lab.paired import Estimate, differences, ratios

from .callers import KOO, KOO_SQLITE, RAW, callers
from .place import Effort
from .upstream import upstream

__all__ = ["added_cpu", "throughput"]

_SLOW_MS = 200
_TASKS = 100
_GOALS = {KOO: "<= 60 us", KOO_SQLITE: "<= 110 us"}

Laps = Mapping[str, Sequence[Lap]]


async def throughput(effort: Effort) -> Sequence[Section]:
    """A hundred callers, each of whom asks again as soon as it is answered."""
    async with upstream() as server, callers(server.url(_SLOW_MS)) as asks:
        laps = await paired_laps(asks, _TASKS, effort.slow_rounds, seconds=0.8)
    figures = [
        *(_ratio(laps, name) for name in (KOO, KOO_SQLITE)),
        *(_wait_ratio(laps, name) for name in (KOO, KOO_SQLITE)),
        *(shown(name, taken) for name, taken in laps.items()),
        *(_wait(name, taken) for name, taken in laps.items()),
    ]
    method = (
        f"{_TASKS} callers at once, an upstream that answers after {_SLOW_MS} ms on a processor"
        " of its own: 500 calls a second would be ideal. Ratios are medians of"
        f" {effort.slow_rounds} paired rounds; below them calls a second, and what the 99th of"
        f" 100 calls waits beyond the {_SLOW_MS} ms. Where the goals are missed: a hundred answers"
        " come at once and wait for each other, each for the CPU of the next table."
    )
    return [Section("A hundred callers", method, figures)]


async def added_cpu(effort: Effort) -> Sequence[Section]:
    """What a call takes of the client's processor beyond aiohttp's own."""
    figures: list[Figure] = []
    async with upstream() as server, callers(server.url()) as asks:
        for tasks in (1, 16, 100):
            laps = await paired_laps(asks, tasks, effort.rounds, effort.lap)
            own = statistics.median(cpu(laps[RAW]))
            figures += [Figure(f"{RAW}, {tasks} at once", own, "us")]
            figures += [_added(laps, name, tasks) for name in laps if name != RAW]
    method = (
        "CPU of the whole client process for each call to an upstream that answers at once,"
        f" less what the same call takes with aiohttp; medians of {effort.rounds} paired rounds."
        " Where the goals are missed, a profile says of what koo adds: a good quarter writes the"
        " request and reads the answer and its usage, a quarter is the policy with its gates, a"
        " fifth hears what the headers say of the vendor's limits, the rest are the service and its"
        " prices. In a loop without a network all that takes half as long: between two uses of a"
        " socket the processor's caches have forgotten it. With a file as much again goes into its"
        " transactions, one for what is reserved and one for what is settled."
    )
    return [Section("Added CPU of a call", method, figures)]


def _ratio(laps: Laps, name: str) -> Figure:
    estimate = ratios(rates(laps[name]), rates(laps[RAW]))
    return Figure.estimated(f"{name}: calls a second over {RAW}", estimate, "times", ">= 0.95")


def _wait_ratio(laps: Laps, name: str) -> Figure:
    estimate = ratios(_waits(laps[name]), _waits(laps[RAW]))
    return Figure.estimated(f"{name}: added p99 over {RAW}", estimate, "times", "<= 1.5")


def _wait(name: str, laps: Sequence[Lap]) -> Figure:
    return Figure.estimated(f"{name}: added p99", Estimate.of(_waits(laps)), "ms")


def _waits(laps: Sequence[Lap]) -> list[float]:
    return [lap.p99_ms - _SLOW_MS for lap in laps]


def _added(laps: Laps, name: str, tasks: int) -> Figure:
    estimate = differences(cpu(laps[name]), cpu(laps[RAW]))
    return Figure.estimated(f"{name}, {tasks} at once", estimate, "us", _GOALS.get(name, ""))
