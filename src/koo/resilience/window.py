"""The outcomes that a circuit breaker judges by.

    oldest |<-------------- the last 5 minutes -------------->| now
                     |<------ the last 100 outcomes --------->|
                                            |<- last second ->|

The window is the last *size* outcomes or all of the last *span* seconds,
whichever are more; nothing older than *age*. Outcomes are numbered as they
come, failures (and slow calls) keep their number and time: exact by count. By
time it is exact to one mark: a tenth of the span, a twentieth of the age.
O(1) per outcome; a success costs one addition and two comparisons.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["OutcomeWindow", "Tally", "WindowConfig"]

_SPAN_MARKS: Final = 10
_AGE_MARKS: Final = 20
_NEVER: Final = float("-inf")


class _Steps(NamedTuple):
    """How far marks reach back, and how close they are."""

    length: float
    step: float


@dataclass(frozen=True, slots=True)
class WindowConfig:
    """How far back a breaker looks: *size* outcomes or *span* seconds, whichever are more.

    *span* 0 counts outcomes only, *size* 0 looks at time only. Nothing older
    than *age* seconds counts.
    """

    size: int = 100
    span: float = 1.0
    age: float = 300.0

    def __post_init__(self) -> None:
        """Refuse a window that could never hold anything."""
        if self.size < 0 or self.span < 0 or not (self.size or self.span):
            message = "WindowConfig: size and span can't be negative, and one must be above 0"
            raise ValueError(message)
        if self.age < self.span or self.age <= 0:
            message = "WindowConfig: age must be above 0 and at least span; raise age"
            raise ValueError(message)

    @property
    def span_steps(self) -> _Steps:
        """The marks for *span*."""
        length = self.span or self.age
        return _Steps(length, length / _SPAN_MARKS)

    @property
    def age_steps(self) -> _Steps:
        """The marks for *age*."""
        return _Steps(self.age, self.age / _AGE_MARKS)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a window holds at one moment."""

    outcomes: int
    failures: int
    slow: int


def _put(log: array[float], now: float, counts: tuple[int, int, int], steps: _Steps) -> None:
    """Remember *counts*, as they stood just before *now*; forget what no look can reach."""
    del log[: 4 * _first_after(log, now - steps.length - steps.step)]
    log.extend((now, *counts))


def _before(
    log: array[float], now: float, counts: tuple[int, int, int], steps: _Steps
) -> tuple[int, int, int]:
    """How much of *counts*, the counts now, is older than the length, by at most one step less.

    What came after a mark came within one step of it, so all of it has left
    once the mark is a step older than that.
    """
    index = 4 * _first_after(log, now - steps.length - steps.step)
    if index == len(log):
        return counts
    first, second, third = map(int, log[index + 1 : index + 4])
    return first, second, third


def _first_after(log: array[float], moment: float) -> int:
    return bisect_right(range(len(log) // 4), moment, key=lambda index: log[4 * index])


def _due(log: array[float], steps: _Steps) -> float:
    """When the next mark may be made."""
    return log[-4] + steps.step if log else _NEVER


class _Log:
    """The numbers of the latest outcomes of one kind, at most *size* of them."""

    __slots__ = ("_numbers", "_size", "count")

    def __init__(self, size: int) -> None:
        self._size = size
        self._numbers = array("q")
        self.count = 0

    def add(self, number: int) -> None:
        self.count += 1
        self._numbers.append(number)
        if len(self._numbers) > self._size:
            del self._numbers[0]

    def after(self, number: int) -> int:
        return len(self._numbers) - bisect_right(self._numbers, number)


#: The log of what has not happened yet; never written to.
_NOTHING: Final = _Log(0)


class OutcomeWindow:
    """Successes, failures and slow calls of the recent past."""

    __slots__ = (
        "_age",
        "_config",
        "_due_at",
        "_failures",
        "_slow",
        "_span",
        "outcomes",
        "streak",
        "streak_since",
    )

    def __init__(self, config: WindowConfig) -> None:
        self._config = config
        self.clear()

    def clear(self) -> None:
        """Start empty."""
        self.outcomes = 0
        self.streak = 0
        self.streak_since = 0.0
        self._failures = self._slow = _NOTHING
        self._span = array("d")
        self._age = array("d")
        self._due_at = _NEVER

    def add_success(self, now: float) -> None:
        """Count one outcome that was no failure; it ends a run of failures."""
        if now >= self._due_at:
            self._mark(now)
        self.outcomes += 1
        self.streak = 0

    def add_failure(self, now: float) -> None:
        """Count one failure."""
        if now >= self._due_at:
            self._mark(now)
        self.outcomes += 1
        if self._failures is _NOTHING:
            self._failures = _Log(self._config.size)
        self._failures.add(self.outcomes)
        if not self.streak:
            self.streak_since = now
        self.streak += 1

    def note_slow(self) -> None:
        """The outcome counted last was also slow."""
        if self._slow is _NOTHING:
            self._slow = _Log(self._config.size)
        self._slow.add(self.outcomes)

    def tally(self, now: float) -> Tally:
        """What the window holds. Looking changes nothing."""
        config, counts = self._config, self._counts()
        aged, _, _ = _before(self._age, now, counts, config.age_steps)
        oldest = max(self.outcomes - config.size, aged)
        counted = self.outcomes - oldest
        total, failures, slow = _before(self._span, now, counts, config.span_steps)
        if config.span and self.outcomes - total > counted:
            return Tally(
                self.outcomes - total, self._failures.count - failures, self._slow.count - slow
            )
        return Tally(counted, self._failures.after(oldest), self._slow.after(oldest))

    def _counts(self) -> tuple[int, int, int]:
        return self.outcomes, self._failures.count, self._slow.count

    def _mark(self, now: float) -> None:
        counts, config = self._counts(), self._config
        dues = []
        for log, steps in ((self._span, config.span_steps), (self._age, config.age_steps)):
            if now >= _due(log, steps):
                _put(log, now, counts, steps)
            dues.append(_due(log, steps))
        self._due_at = min(dues)
