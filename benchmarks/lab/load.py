"""Closed loops: so many tasks ask again as soon as they are answered."""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time

from .figures import Figure
from .paired import percentile

__all__ = ["Lap", "Operation", "cpu", "paired_laps", "rates", "shown"]

Operation = Callable[[], Awaitable[object]]

_LEAST_EACH = 2


@dataclass(frozen=True, slots=True)
class Lap:
    """What one contender did in one round."""

    per_second: float
    cpu_us: float
    """Of the whole client process, for each operation."""
    p99_ms: float
    """Of what an operation takes."""


async def paired_laps(
    operations: Mapping[str, Operation], tasks: int, rounds: int, seconds: float
) -> dict[str, list[Lap]]:
    """Laps of about *seconds*; each round every contender once, in an order drawn anew."""
    numbers = {
        name: await _calibrated(operation, tasks, seconds) for name, operation in operations.items()
    }
    laps: dict[str, list[Lap]] = {name: [] for name in operations}
    order, draw = list(operations), random.Random(1)
    for _ in range(rounds):
        draw.shuffle(order)
        for name in order:
            gc.collect()
            laps[name].append(await _lap(operations[name], tasks, numbers[name]))
    return laps


def rates(laps: Sequence[Lap]) -> list[float]:
    """Operations a second, round by round."""
    return [lap.per_second for lap in laps]


def cpu(laps: Sequence[Lap]) -> list[float]:
    """CPU microseconds of an operation, round by round."""
    return [lap.cpu_us for lap in laps]


def shown(name: str, laps: Sequence[Lap]) -> Figure:
    """Operations a second of one contender."""
    taken = rates(laps)
    return Figure(
        name,
        statistics.median(taken),
        "/s",
        best=max(taken),
        worst=min(taken),
        rounds=len(taken),
    )


async def _calibrated(operation: Operation, tasks: int, seconds: float) -> int:
    """How many operations fill a lap; they also open the connections."""
    await _lap(operation, tasks, tasks * _LEAST_EACH)
    lap = await _lap(operation, tasks, tasks * _LEAST_EACH)
    return max(tasks * _LEAST_EACH, int(lap.per_second * seconds))


async def _lap(operation: Operation, tasks: int, number: int) -> Lap:
    left, took = number, []

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            start = perf_counter()
            await operation()
            took.append(perf_counter() - start)

    began, spent = perf_counter(), process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())
    taken, used = perf_counter() - began, process_time() - spent
    return Lap(number / taken, used / number * 1e6, percentile(took, 99) * 1e3)
