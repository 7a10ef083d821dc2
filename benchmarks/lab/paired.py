"""The arithmetic of paired rounds and of what one counts in a fault.

    round:   1    2    3  ...  n        both contenders ran in each, one soon after the other
    ours     a1   a2   a3      an
    theirs   b1   b2   b3      bn
    ratios   a1/b1 ... an/bn --> median, and the interval that holds the true median

What the machine does in a round meets both, so a ratio of one round is steadier
than either figure. The interval makes no assumption on how ratios spread: it is
two of the sorted ratios, chosen by the binomial distribution.
"""

from __future__ import annotations

import operator
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, comb

__all__ = ["CONFIDENCE", "Estimate", "differences", "meets", "overtaken", "percentile", "ratios"]

CONFIDENCE = 0.95

_GOAL = re.compile(r"(<=|>=|<|>|=)\s*([\d,]+(?:\.\d+)?)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median over rounds, and its interval: None where there are too few rounds for one."""

    median: float
    interval: tuple[float, float] | None
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """The estimate from one value of each round."""
        return cls(statistics.median(values), _interval(values), len(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Ours over theirs, round by round."""
    return Estimate.of([a / b for a, b in zip(ours, theirs, strict=True)])


def differences(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Ours minus theirs, round by round."""
    return Estimate.of([a - b for a, b in zip(ours, theirs, strict=True)])


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least *percent* of *values* do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(1, ceil(len(ordered) * percent / 100)) - 1]


def overtaken(served: Sequence[int]) -> int:
    """How many of those *served*, by their order of arrival, were served before an earlier one."""
    earliest, count = float("inf"), 0
    for arrival in reversed(served):
        count += arrival > earliest
        earliest = min(earliest, arrival)
    return count


def meets(value: float, goal: str) -> bool | None:
    """Whether *value* reaches *goal*, e.g. "<= 1,000 ns"; None where the goal is no bound."""
    bound = _GOAL.match(goal)
    if bound is None:
        return None
    sign, number = bound.groups()
    return _COMPARE[sign](value, float(number.replace(",", "")))


def _interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The narrowest pair of sorted values that holds the median with CONFIDENCE."""
    ordered, outside = sorted(values), _outside(len(values))
    return None if outside == 0 else (ordered[outside - 1], ordered[-outside])


def _outside(rounds: int) -> int:
    """The largest k for which fewer than k of *rounds* fall on one side in 2.5 % of cases."""
    tail, k = 1, 0
    while tail / 2**rounds <= (1 - CONFIDENCE) / 2:
        k += 1
        tail += comb(rounds, k)
    return k
