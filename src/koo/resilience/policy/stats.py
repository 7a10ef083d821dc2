"""What a policy remembers and says of itself, and how one call through it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from ...errors import Rejected
from ..measure import HistogramStats
from ..retry import RetryBudget
from .timers import Lane

__all__ = ["CallOutcome", "Memory", "PolicyStats"]

_ENOUGH_CALLS: Final = 100
_FEED_INTERVAL: Final = 0.125

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class PolicyStats:
    """A photograph of a policy.

    A call is what a caller sees, counted when it ends; an attempt is what the
    dependency sees. *latency*
    holds the duration of attempts that succeeded or failed, in seconds.
    *appraiser_errors_total* counts values whose cost could not be read.
    """

    name: str
    calls_total: int
    successes_total: int
    failures_total: int
    rejected_total: int
    abandoned_total: int
    attempts_total: int
    retries_total: int
    appraiser_errors_total: int
    latency: HistogramStats


class Memory:
    """All that ever changes in a policy: its counts, and the lane that its calls are timed in."""

    __slots__ = (
        "abandoned_total",
        "appraiser_errors_total",
        "cut_attempts_total",
        "failures_total",
        "fed_total",
        "feed_at",
        "hurried_total",
        "lane",
        "late_successes_total",
        "look_again_at",
        "quickest",
        "rejected_total",
        "retries_total",
        "successes_total",
    )

    def __init__(self, feed_at: float) -> None:
        self.successes_total = self.late_successes_total = self.failures_total = 0
        self.rejected_total = self.abandoned_total = self.retries_total = 0
        self.appraiser_errors_total = self.cut_attempts_total = 0
        self.fed_total = self.hurried_total = 0
        self.feed_at = feed_at
        self.look_again_at = _ENOUGH_CALLS
        self.quickest = 0.0
        self.lane: Lane | None = None

    @property
    def calls_total(self) -> int:
        """Calls that have ended, however."""
        failed = self.failures_total + self.rejected_total + self.abandoned_total
        return self.successes_total + failed

    def feed(self, budget: RetryBudget, now: float) -> None:
        """Deposit the first-try successes since the last time; not at each, they are too many."""
        first_tries = self.successes_total - self.late_successes_total
        budget.deposit(now, first_tries - self.fed_total)
        self.fed_total = first_tries
        self.feed_at = now + _FEED_INTERVAL


class CallOutcome(Generic[T_co]):
    """How a call ended, told without raising; *waited* is the time in line and backoff, seconds."""

    __slots__ = ("attempts", "error", "value", "waited")

    def __init__(
        self, value: T_co | None, error: Exception | None, attempts: int, waited: float
    ) -> None:
        self.value = value
        self.error = error
        self.attempts = attempts
        self.waited = waited

    @property
    def ok(self) -> bool:
        """Whether the call returned a value."""
        return self.error is None

    @property
    def rejected_by(self) -> str | None:
        """The gate that refused the call, if one did."""
        return self.error.gate if isinstance(self.error, Rejected) else None

    @property
    def retry_after(self) -> float | None:
        """When asking again may help, in seconds, if somebody said so."""
        return getattr(self.error, "retry_after", None)

    def __repr__(self) -> str:
        return (
            f"CallOutcome(value={self.value!r}, error={self.error!r},"
            f" attempts={self.attempts}, waited={self.waited:.3f})"
        )
