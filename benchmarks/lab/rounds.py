"""Interleaved rounds in one process.

    calibrate -> [ every contender once, in an order drawn anew ] x rounds -> median, best, worst

Whatever else the machine does meets every contender alike, and a ratio of two
medians of one run is steadier than either of them.
"""

from __future__ import annotations

import gc
import random
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

__all__ = ["ROUNDS", "Contender", "Timing", "laps", "race", "refused", "returned"]

#: A round lasts about this long for each contender.
_ROUND_NS = 12_000_000
_WARM_UP = 300

ROUNDS = 15

Operation = Callable[[], Awaitable[object]]
Driver = Callable[[Operation, int], Awaitable[int]]


async def returned(operation: Operation, number: int) -> int:
    """Nanoseconds for *number* calls that return."""
    begin = perf_counter_ns()
    for _ in range(number):
        await operation()
    return perf_counter_ns() - begin


async def refused(operation: Operation, number: int) -> int:
    """Nanoseconds for *number* calls that raise, the caller's ``except`` included."""
    begin = perf_counter_ns()
    for _ in range(number):
        try:  # noqa: SIM105
            await operation()
        except Exception:  # noqa: BLE001, S110 - cheaper than suppress; every peer has an error of its own
            pass
    return perf_counter_ns() - begin


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who takes part: an operation, and how it is driven."""

    name: str
    operation: Operation
    drive: Driver = returned


@dataclass(frozen=True, slots=True)
class Timing:
    """Nanoseconds per call over all rounds."""

    median: float
    best: float
    worst: float
    rounds: int


async def race(contenders: Sequence[Contender], rounds: int = ROUNDS) -> dict[str, Timing]:
    """The timing of every contender, by name."""
    return timings(await laps(contenders, rounds))


async def laps(contenders: Sequence[Contender], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Nanoseconds per call of every contender, by name, one value for each round."""
    numbers = {one.name: await _calibrate(one) for one in contenders}
    run: dict[str, list[float]] = {one.name: [] for one in contenders}
    order, draw = list(contenders), random.Random(1)
    for _ in range(rounds):
        draw.shuffle(order)
        for one in order:
            gc.collect()
            number = numbers[one.name]
            run[one.name].append(await one.drive(one.operation, number) / number)
    return run


def timings(run: Mapping[str, Sequence[float]]) -> dict[str, Timing]:
    """What the laps of every contender come to."""
    return {
        name: Timing(statistics.median(taken), min(taken), max(taken), len(taken))
        for name, taken in run.items()
    }


async def _calibrate(one: Contender) -> int:
    """How many calls fill a round."""
    await one.drive(one.operation, _WARM_UP)
    taken = await one.drive(one.operation, _WARM_UP) / _WARM_UP
    return max(100, int(_ROUND_NS / taken))
