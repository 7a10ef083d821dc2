"""The outcomes that a circuit breaker judges by.

    oldest |<-------------- the last 5 minutes -------------->| now
                     |<------ the last 100 outcomes --------->|
                                            |<- last second ->|

The window is the last *size* outcomes or all of the last *span* seconds,
whichever are more; nothing older than *age*. Outcomes are numbered as they
come, failures (and slow calls) keep their number: exact by count. By time it
is exact to one bucket: a tenth of the span, a twentieth of the age. O(1) per
outcome; a success costs one addition and one comparison.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ..values import quickly_made
from .checking import check_finite, check_whole
from .measure import RollingCount, Span, more

__all__ = ["OutcomeWindow", "Tally", "WindowConfig"]

_SPAN_BUCKETS: Final = 10
_AGE_BUCKETS: Final = 20
_DUE: Final = float("-inf")
#: How many of the last outcomes are shown one by one, however small the window.
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class WindowConfig:
    """How far back a breaker looks: *size* outcomes or *span* seconds, whichever are more.

    *span* 0 counts outcomes only, *size* 0 looks at time only. Nothing older
    than *age* seconds counts.
    """

    size: int = 100
    span: float = 1.0
    age: float = 300.0
    #: The last *span* and the last *age* seconds in buckets; with *span* 0 both are the same.
    recent: Span = field(init=False, repr=False, compare=False)
    aged: Span = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a window that could never hold anything."""
        check_whole(self, "size")
        check_finite(self, "span", "age")
        if self.size < 0 or self.span < 0 or not (self.size or self.span):
            message = "WindowConfig: size and span can't be negative, and one must be above 0"
            raise ValueError(message)
        if self.age < self.span or self.age <= 0:
            message = "WindowConfig: age must be above 0 and at least span; raise age"
            raise ValueError(message)
        object.__setattr__(self, "recent", Span(self.span or self.age, _SPAN_BUCKETS))
        object.__setattr__(self, "aged", Span(self.age, _AGE_BUCKETS))


@quickly_made
@dataclass(frozen=True, slots=True)
class Tally:
    """What a window holds at one moment."""

    outcomes: int
    failures: int
    slow: int


class _Kind:
    """The outcomes of one kind: the numbers of the latest *size*, and how many lately.

    A quarter more is kept, so that to let go of the oldest, which moves all others, is rare.
    """

    __slots__ = ("_most", "_numbers", "_size", "recent")

    def __init__(self, size: int, recent: RollingCount) -> None:
        self._size = size
        self._most = size + size // 4
        self._numbers = array("q")
        self.recent = recent

    def add(self, number: int, now: float) -> None:
        self.recent.add(now)
        self._numbers.append(number)
        if len(self._numbers) > self._most:
            del self._numbers[: len(self._numbers) - self._size]

    def after(self, number: int) -> int:
        return len(self._numbers) - bisect_right(self._numbers, number)

    def numbers_after(self, number: int) -> frozenset[int]:
        return frozenset(self._numbers[bisect_right(self._numbers, number) :])


#: What has not happened yet; never written to.
_NOTHING: Final = _Kind(0, RollingCount(1.0))


class OutcomeWindow:
    """Successes, failures and slow calls of the recent past."""

    __slots__ = (
        "_aged",
        "_config",
        "_counted",
        "_due_at",
        "_failed_last",
        "_failures",
        "_recent",
        "_since",
        "_slow",
        "_streak",
        "outcomes",
        "streak_since",
    )

    def __init__(self, config: WindowConfig) -> None:
        self._config = config
        self.clear()

    def clear(self) -> None:
        """Start empty."""
        self.outcomes = self._counted = 0
        self._streak = self._failed_last = 0
        self.streak_since = 0.0
        self._failures = self._slow = _NOTHING
        self._recent: Sequence[int] = b""
        self._aged: Sequence[int] = b""
        self._since = 0.0
        self._due_at = _DUE

    def add_success(self, now: float) -> None:
        """Count one outcome that was no failure; it ends a run of failures."""
        if now >= self._due_at:
            self._roll(now)
        self.outcomes += 1

    def add_failure(self, now: float) -> None:
        """Count one failure."""
        if now >= self._due_at:
            self._roll(now)
        if not self.streak:
            self._streak = 0
            self.streak_since = now
        self._streak += 1
        self.outcomes = self._failed_last = self.outcomes + 1
        if self._failures is _NOTHING:
            self._failures = _Kind(max(self._config.size, _SHOWN), self._in_span())
        self._failures.add(self.outcomes, now)

    def note_slow(self, now: float) -> None:
        """The outcome counted last was also slow."""
        if self._slow is _NOTHING:
            self._slow = _Kind(self._config.size, self._in_span())
        self._slow.add(self.outcomes, now)

    @property
    def streak(self) -> int:
        """How many failures the latest outcomes were, without a success between."""
        return self._streak if self._failed_last == self.outcomes else 0

    def tally(self, now: float) -> Tally:
        """What the window holds. Looking changes nothing."""
        config = self._config
        counted = min(config.size, self._how_many(config.aged, self._aged, now))
        recent = self._how_many(config.recent, self._recent, now) if config.span else 0
        failures, slow = self._failures, self._slow
        if recent > counted:
            return Tally(recent, failures.recent.total(now), slow.recent.total(now))
        oldest = self.outcomes - counted
        return Tally(counted, failures.after(oldest), slow.after(oldest))

    def latest(self, most: int) -> tuple[bool, ...]:
        """Whether the last outcomes were no failures, oldest first; at most *most*, and 20."""
        count = min(most, _SHOWN, self.outcomes)
        oldest = self.outcomes - count
        failed = self._failures.numbers_after(oldest)
        if not failed:
            return (True,) * count
        return tuple(number not in failed for number in range(oldest + 1, self.outcomes + 1))

    def _how_many(self, span: Span, amounts: Sequence[int], now: float) -> int:
        age = span.tick(now) - span.tick(self._since)
        latest = self.outcomes - self._counted
        return sum(span.aged(amounts, age)) + (latest if age <= span.ticks else 0)

    def _roll(self, now: float) -> None:
        """A bucket has ended: count what came in it."""
        self._recent = self._counted_in(self._config.recent, self._recent, now)
        self._aged = self._counted_in(self._config.aged, self._aged, now)
        self._counted = self.outcomes
        self._since = now
        self._due_at = min(self._config.recent.next_edge(now), self._config.aged.next_edge(now))

    def _counted_in(self, span: Span, amounts: Sequence[int], now: float) -> Sequence[int]:
        age = span.tick(now) - span.tick(self._since)
        return span.aged(more(amounts, self.outcomes - self._counted), age)

    def _in_span(self) -> RollingCount:
        return RollingCount(self._config.span or self._config.age, _SPAN_BUCKETS)
