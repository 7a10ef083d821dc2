"""The windows of a rate limit: exact, behind one number for each weight.

    [60 requests / min] [1000 requests / h]    windows, in buckets of 1/64 of their time
              credit --a bucket ends--> computed anew from all of them

Exact over *any* window of that length, not only over calendar minutes: what was
admitted leaves in buckets, each as a whole and never too early. Per call the windows
of one weight cost one subtraction from a credit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..values import quickly_made
from .checking import check_finite, check_whole
from .measure import Span, less, more, packed
from .outcome import WEIGHTS, Weight

__all__ = ["Limit", "LimitStats", "Meter"]

_BUCKETS: Final = 64


@dataclass(frozen=True, slots=True)
class Limit:
    """At most *limit* of *weight* in any *per* seconds."""

    limit: int
    per: float
    weight: Weight = "requests"
    #: The same time in buckets.
    span: Span = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a limit that admits nothing, or for no time."""
        check_whole(self, "limit")
        check_finite(self, "per")
        if self.limit < 1:
            message = "Limit: limit must be at least 1; leave the limit out to admit everything"
            raise ValueError(message)
        if not self.per > 0:
            message = "Limit: per must be above 0 seconds"
            raise ValueError(message)
        if self.weight not in WEIGHTS:
            message = f"Limit: weight must be one of {', '.join(WEIGHTS)}"
            raise ValueError(message)
        object.__setattr__(self, "span", Span(self.per, _BUCKETS))


@quickly_made
@dataclass(frozen=True, slots=True)
class LimitStats:
    """One window: how much of *limit* is *used*; all of it is free in *reset_after* seconds."""

    limit: int
    per: float
    weight: Weight
    used: int
    remaining: int
    reset_after: float


class Meter:
    """All windows of one weight, behind one credit.

    A window is what each of its buckets holds up to that of the moment *since*: see ``Span``.
    """

    __slots__ = (
        "_full",
        "credit",
        "edge",
        "limits",
        "place",
        "rolls_total",
        "since",
        "weight",
        "windows",
    )

    def __init__(self, weight: Weight, limits: tuple[Limit, ...]) -> None:
        self.weight = weight
        #: Where an ask or a bill has this weight.
        self.place = WEIGHTS.index(weight)
        self.limits = limits
        self.windows: list[Sequence[int]] = [b""] * len(limits)
        #: How often the windows have changed; in between, only ``pending`` does.
        self.rolls_total = 0
        self.since = 0.0
        self.edge = 0.0
        self._full = self.credit = 0

    @property
    def pending(self) -> int:
        """What was admitted since the last bucket ended; younger than every window's bucket."""
        return self._full - self.credit

    def roll(self, now: float) -> None:
        """A bucket has ended: move what is pending into the windows, let go what is old."""
        pending, since = self.pending, self.since
        for place, limit in enumerate(self.limits):
            span = limit.span
            age = span.tick(now) - span.tick(since)
            self.windows[place] = span.aged(more(self.windows[place], pending), age)
        self.rolls_total += 1
        self.resume(max(now, since), 0)

    def resume(self, since: float, pending: int) -> None:
        """Go on from windows as they are, and from what is *pending* since the moment *since*."""
        self.since = since
        self.edge = min(limit.span.next_edge(since) for limit in self.limits)
        self._full = self._free()
        self.credit = self._full - pending

    def put_late(self, amount: int, now: float) -> None:
        """Count what nobody was asked for, in the bucket of *now* whatever it held before."""
        if now >= self.edge:
            self.roll(now)
        self.credit -= amount

    def take_back(self, stamp: float, amount: int) -> None:
        """Uncount *amount* in the bucket of *stamp*, from which it was taken."""
        if stamp >= self.since:
            self.credit += amount
            return
        self.rolls_total += 1
        for place, limit in enumerate(self.limits):
            age = limit.span.tick(self.since) - limit.span.tick(stamp)
            self.windows[place] = less(self.windows[place], amount, age)
        pending, self._full = self.pending, self._free()
        self.credit = self._full - pending

    def fits_at(self, amount: int, now: float) -> float | None:
        """The moment when *amount* fits by time alone; None if it never can."""
        if any(amount > limit.limit for limit in self.limits):
            return None
        self.roll(now)
        if not amount:
            return now
        return max(self._leaves_at(limit, window, amount) for limit, window in self._each())

    def full_for(self, amount: int) -> Iterator[tuple[float, Limit]]:
        """The limits that *amount* would pass now, and when each has room; after ``fits_at``."""
        for limit, window in self._each():
            if amount and sum(window) + amount > limit.limit:
                yield self._leaves_at(limit, window, amount), limit

    def empty_at(self, amount: int, now: float) -> float:
        """About when *amount*, which may be many times the limit, has been admitted bit by bit."""
        if not amount:
            return now
        return max(
            max(now, self._leaves_at(limit, window, (amount - 1) % limit.limit + 1))
            + (amount - 1) // limit.limit * limit.per
            for limit, window in self._each()
        )

    def stats(self, now: float) -> list[LimitStats]:
        """A photograph of each window. Looking changes nothing."""
        return [self._photograph(limit, window, now) for limit, window in self._each()]

    def tell(self) -> dict[str, tuple[int, list[int]]]:
        """Of each window, by its seconds, the number of the latest bucket and all buckets."""
        return {repr(limit.per): self._told(limit.span, window) for limit, window in self._each()}

    def _told(self, span: Span, window: Sequence[int]) -> tuple[int, list[int]]:
        return span.tick(self.since), [*bytes(span.ticks + 1 - len(window)), *window]

    def recall(self, since: float, told: Mapping[str, tuple[int, list[int]]]) -> None:
        """Have the windows, up to the moment *since*, hold what ``tell`` *told*."""
        for place, limit in enumerate(self.limits):
            latest, amounts = told.get(repr(limit.per), (0, []))
            age = limit.span.tick(since) - latest
            self.windows[place] = limit.span.aged(packed(amounts), age)

    def _each(self) -> Iterator[tuple[Limit, Sequence[int]]]:
        return zip(self.limits, self.windows, strict=True)

    def _photograph(self, limit: Limit, window: Sequence[int], now: float) -> LimitStats:
        span = limit.span
        latest = span.tick(self.since)
        age = span.tick(now) - latest
        pending = self.pending if age <= span.ticks else 0
        used, empty_at = sum(span.aged(window, age)) + pending, now
        if pending > 0:
            # It is the youngest, so it is the last to leave.
            empty_at = span.left_at(latest)
        elif used:
            # Below zero: what was taken back has come into the youngest bucket before.
            empty_at = span.leaves_at(window, latest, sum(window) + pending)
        remaining, reset = max(0, limit.limit - used), max(0.0, empty_at - now)
        return LimitStats(limit.limit, limit.per, limit.weight, used, remaining, reset)

    def _leaves_at(self, limit: Limit, window: Sequence[int], amount: int) -> float:
        """The moment when so much has left *window* that *amount* fits in."""
        excess = sum(window) + amount - limit.limit
        return limit.span.leaves_at(window, limit.span.tick(self.since), excess)

    def _free(self) -> int:
        return min(limit.limit - sum(window) for limit, window in self._each())
