"""What a policy remembers and says of itself, and how one call through it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from ...values import quickly_made
from ..gate import Permit
from ..line import hold_lines
from ..measure import Histogram, HistogramStats
from ..outcome import Outcome
from ..retry import RetryBudget
from ..timers import Lane

__all__ = ["CallOutcome", "Memory", "PolicyStats"]

_ENOUGH: Final = 10
_HALF: Final = 30.0
_LOOK_INTERVAL: Final = 5.0
_CHORE_INTERVAL: Final = 0.125
_NEVER: Final = float("inf")

T_co = TypeVar("T_co", covariant=True)


@quickly_made
@dataclass(frozen=True, slots=True)
class PolicyStats:
    """A photograph of a policy.

    A call is what a caller sees, an attempt is what the dependency sees; both are counted when
    they end. *retries_total* are the attempts beyond the first of their call. *latency*
    holds the duration of attempts that succeeded or failed, in seconds.
    *appraiser_errors_total* counts values whose cost could not be read, *gate_errors_total*
    what gates raised that no caller got: told how an attempt ended, or asked for another.
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
    gate_errors_total: int
    latency: HistogramStats


class Memory:
    """All that ever changes in a policy: its counts, and the lane that its calls are timed in.

    How quick an answer can be is what the last half to whole minute says: how long the quickest
    of all successes took. Up to eight a second of them count as *seen*:

        seen_before              seen
        quickest_before          quickest
        |<------ 30 s ------>|<------ 30 s ------>| half_ends_at: forget the one, begin another

    That all took longer does not say that a call will, which may be of a quicker kind. So *too_few*
    are no more seconds than such a call has run out of:

        one runs out                 look_at: one may look, five seconds later the next
        |<---------- 5 s ---------->|<------ 30 s ------>| nobody has: all may begin again
    """

    __slots__ = (
        "abandoned_total",
        "appraiser_errors_total",
        "chores_at",
        "cut_attempts_total",
        "failed_attempts_total",
        "failures_total",
        "fed_total",
        "gate_errors_total",
        "half_ends_at",
        "lane",
        "late_successes_total",
        "latency",
        "look_at",
        "lost_retries_total",
        "quickest",
        "quickest_before",
        "rejected_total",
        "seen",
        "seen_before",
        "too_few",
    )

    def __init__(self) -> None:
        self.latency = Histogram()
        self.late_successes_total = self.failed_attempts_total = self.failures_total = 0
        self.rejected_total = self.abandoned_total = self.lost_retries_total = 0
        self.appraiser_errors_total = self.cut_attempts_total = self.fed_total = 0
        self.gate_errors_total = 0
        self.seen = self.seen_before = 0
        self.quickest = self.quickest_before = _NEVER
        self.chores_at = self.half_ends_at = self.look_at = -_NEVER
        self.too_few = 0.0
        self.lane: Lane | None = None

    @property
    def successes_total(self) -> int:
        """Calls that have succeeded; not counted apart, as they are most of what is timed."""
        return self.latency.count - self.failed_attempts_total

    @property
    def calls_total(self) -> int:
        """Calls that have ended, however."""
        failed = self.failures_total + self.rejected_total + self.abandoned_total
        return self.successes_total + failed

    @property
    def retries_total(self) -> int:
        """Attempts beyond the first, counted when they end, as all attempts are."""
        return self.late_successes_total + self.lost_retries_total

    def stats(self, name: str) -> PolicyStats:
        """A photograph of the policy called *name*."""
        latency = self.latency.stats()
        return PolicyStats(
            name=name,
            calls_total=self.calls_total,
            successes_total=self.successes_total,
            failures_total=self.failures_total,
            rejected_total=self.rejected_total,
            abandoned_total=self.abandoned_total,
            attempts_total=latency.count + self.cut_attempts_total,
            retries_total=self.retries_total,
            appraiser_errors_total=self.appraiser_errors_total,
            gate_errors_total=self.gate_errors_total,
            latency=latency,
        )

    def do_chores(self, now: float, budget: RetryBudget | None) -> None:
        """Do what is due after a success; not after each, they are too many."""
        self.chores_at = now + _CHORE_INTERVAL
        if now >= self.half_ends_at:
            self._forget(now)
        self.seen += 1
        if budget is not None:
            self.feed(budget, now)

    def record_failure(self, took: float) -> None:
        """An attempt has failed after so many seconds."""
        self.latency.record(took)
        self.failed_attempts_total += 1

    def note(self, took: float) -> None:
        """An answer can be there in so many seconds."""
        if took < self.quickest:  # noqa: PLR1730 - min() takes thrice as long
            self.quickest = took

    def feed(self, budget: RetryBudget, now: float) -> None:
        """Deposit the first-try successes since the last time."""
        first_tries = self.successes_total - self.late_successes_total
        budget.deposit(now, first_tries - self.fed_total)
        self.fed_total = first_tries

    def can_afford(self, budget: RetryBudget | None, cost: float, now: float) -> bool:
        """Whether *budget* pays *cost* for a retry, which it has done then."""
        if budget is None:
            return True
        self.feed(budget, now)
        return budget.withdraw(cost)

    def settle(self, permits: Sequence[Permit], outcome: Outcome) -> None:
        """Settle every one, though a gate may raise."""
        self._tell(permits, lambda permit: permit.settle(outcome))

    def give_back(self, permits: Sequence[Permit]) -> None:
        """Cancel every one, though a gate may raise: nothing was sent."""
        self._tell(permits, lambda permit: permit.cancel())

    def _tell(self, permits: Sequence[Permit], say: Callable[[Permit], None]) -> None:
        """Have each gate hear how the call has ended, and only then those who wait in line."""
        with hold_lines():
            for permit in reversed(permits):
                try:
                    say(permit)
                except Exception:  # noqa: BLE001 - the others must hear of it, and the caller of its call
                    self.gate_errors_total += 1

    def is_unheard_of(self, seconds: float, now: float) -> bool:
        """Whether answers have come lately, and none in so few *seconds*."""
        if now >= self.half_ends_at:
            self._forget(now)
        if seconds >= self.quickest or seconds >= self.quickest_before:
            return False
        return self.seen + self.seen_before >= _ENOUGH

    def ran_out(self, seconds: float, now: float) -> None:
        """A call in a hurry has not ended in so many *seconds*."""
        if not self.is_unheard_of(seconds, now):
            return
        self.too_few = seconds if self._may_all_begin(now) else max(seconds, self.too_few)
        if now >= self.look_at:
            self.look_at = now + _LOOK_INTERVAL

    def is_too_short(self, seconds: float, now: float) -> bool:
        """Whether *seconds* that others ran out of are too few as before, and no look is due."""
        return now < self.look_at and self.is_unheard_of(seconds, now)

    def lets_begin(self, seconds: float, now: float) -> bool:
        """Whether to begin with *seconds* that others ran out of; if they are too few, to look.

        One call in five seconds is to look: only who begins finds out that calls have become
        quicker.
        """
        if self._may_all_begin(now) or not self.is_unheard_of(seconds, now):
            return True
        if now < self.look_at:
            return False
        self.look_at = now + _LOOK_INTERVAL
        return True

    def _may_all_begin(self, now: float) -> bool:
        return now >= self.look_at + _HALF

    def _forget(self, now: float) -> None:
        """Forget the older half minute, as the later is over; both, if it has been for as long."""
        if now < self.half_ends_at + _HALF:
            self.quickest_before, self.seen_before = self.quickest, self.seen
            self.half_ends_at += _HALF
        else:
            self.quickest_before, self.seen_before = _NEVER, 0
            self.half_ends_at = now + _HALF
        self.quickest, self.seen = _NEVER, 0


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
    def retry_after(self) -> float | None:
        """When asking again may help, in seconds, if the error says so."""
        return getattr(self.error, "retry_after", None)

    def __repr__(self) -> str:
        return (
            f"CallOutcome(value={self.value!r}, error={self.error!r},"
            f" attempts={self.attempts}, waited={self.waited:.3f})"
        )
