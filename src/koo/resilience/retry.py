"""Whether to try again, and after how long. Arithmetic only; nothing waits here.

    Failure --retryable?--> attempts left? --> budget pays? --> delay --> fits into the deadline?

The delay is drawn with full jitter and the cap inside the draw: uniform in
[0, min(cap, base * multiplier ** (retry - 1))] (Brooker, "Exponential Backoff And
Jitter", AWS 2015). What the dependency names is a floor, with jitter above it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from .checking import check_finite, check_part, check_whole
from .measure import Span, more
from .outcome import Failure, RetryClass

__all__ = ["Backoff", "RetryBudget", "RetryBudgetConfig", "RetryBudgetStats", "RetryConfig"]

_JITTER_SHARE: Final = 0.1
_JITTER_LEAST: Final = 0.1
_TICKS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential backoff: *base_delay* seconds, times *multiplier* each, at most *max_delay*."""

    base_delay: float = 1.0
    max_delay: float = 30.0
    multiplier: float = 2.0

    def __post_init__(self) -> None:
        """Refuse a backoff that shrinks or has no room."""
        check_finite(self, "base_delay", "max_delay", "multiplier")
        if not 0 < self.base_delay <= self.max_delay:
            message = "Backoff: base_delay must be above 0 and at most max_delay seconds"
            raise ValueError(message)
        if not self.multiplier >= 1:
            message = "Backoff: multiplier must be at least 1"
            raise ValueError(message)

    def ceiling(self, retry: int, retry_class: RetryClass = RetryClass.TRANSIENT) -> float:
        """The longest delay in seconds that retry number *retry* (from 1) may draw."""
        cap = self.max_delay * retry_class.cap_scale
        try:
            grown = self.base_delay * retry_class.base_scale * self.multiplier ** (retry - 1)
        except OverflowError:
            return cap
        return min(cap, grown)

    def delay(self, failure: Failure, retry: int, random: Callable[[], float]) -> float:
        """Draw the delay before retry number *retry*; never below what the failure names.

        That one may come again at once is believed only if the failure says nothing about load.
        """
        named = max(0.0, failure.retry_after or 0.0)
        may_come_at_once = failure.retry_after is not None and not failure.retry_class.cost
        if not named and not may_come_at_once:
            return random() * self.ceiling(retry, failure.retry_class)
        return named + random() * max(_JITTER_LEAST, _JITTER_SHARE * named)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """At most *max_retries* retries, so *max_retries* + 1 attempts.

    A named wait longer than *max_retry_after* seconds is not waited for: the
    error is raised at once, with the time in a note.
    """

    max_retries: int = 3
    backoff: Backoff = field(default=Backoff())
    max_retry_after: float = 120.0

    def __post_init__(self) -> None:
        """Refuse negative counts and times."""
        check_whole(self, "max_retries")
        check_part("RetryConfig", "backoff", self.backoff, Backoff)
        check_finite(self, "max_retry_after")
        if self.max_retries < 0:
            message = "RetryConfig: max_retries can't be negative; use 0 for a single attempt"
            raise ValueError(message)
        if not self.max_retry_after > 0:
            message = "RetryConfig: max_retry_after must be above 0 seconds"
            raise ValueError(message)

    def allows(self, failure: Failure, attempt: int) -> bool:
        """Whether attempt number *attempt* may be followed by another."""
        return (
            failure.retryable
            and attempt <= self.max_retries
            and (failure.retry_after or 0.0) <= self.max_retry_after
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudgetConfig:
    """How many retries a client may add to its own traffic.

    Each first-try success deposits *deposit*; the balance never exceeds
    *seconds* of recent traffic, but may always reach *floor*.
    """

    deposit: float = 0.2
    seconds: float = 2.0
    floor: float = 10.0
    #: The *seconds* in buckets.
    span: Span = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a budget that could never pay."""
        check_finite(self, "deposit", "seconds", "floor")
        for name in ("deposit", "seconds", "floor"):
            if not getattr(self, name) > 0:
                message = (
                    f"RetryBudgetConfig: {name} must be above 0; pass no budget to turn it off"
                )
                raise ValueError(message)
        object.__setattr__(self, "span", Span(self.seconds, _TICKS))


@dataclass(frozen=True, slots=True)
class RetryBudgetStats:
    """A photograph of a retry budget: its *balance*, its *capacity* now, and its refusals."""

    balance: float
    capacity: float
    withdrawals_total: int
    refusals_total: int


_USUAL: Final = RetryBudgetConfig()


class RetryBudget:
    """Retries paid for by successes, in proportion to traffic; share one among policies.

    A fixed number of retries is too loose for small services and useless for
    large ones, so the balance scales with what was sent lately.
    """

    __slots__ = (
        "_balance",
        "_capacity",
        "_config",
        "_counted",
        "_counted_at",
        "_credited",
        "_due",
        "_refusals_total",
        "_successes",
        "_traffic",
        "_withdrawals_total",
    )

    def __init__(self, config: RetryBudgetConfig | None = None) -> None:
        self._config = _USUAL if config is None else config
        check_part("RetryBudget", "config", self._config, RetryBudgetConfig)
        self._balance = self._capacity = self._config.floor
        #: What its buckets hold up to that of the moment of the last count.
        self._traffic: Sequence[int] = b""
        self._counted_at = 0.0
        self._due = float("-inf")
        self._successes = self._counted = self._credited = 0
        self._withdrawals_total = self._refusals_total = 0

    def deposit(self, now: float, number: int = 1) -> None:
        """*number* calls have succeeded at their first attempt; tell it now and then."""
        self._successes += number
        if now >= self._due:
            self._count(now)

    def withdraw(self, cost: float) -> bool:
        """Pay for a retry on entering its backoff; False if the balance is too low."""
        self._credit()
        if cost > self._balance:
            self._refusals_total += 1
            return False
        self._balance -= cost
        self._withdrawals_total += 1
        return True

    def stats(self, now: float) -> RetryBudgetStats:
        """A photograph at the moment *now* (monotonic seconds): what a retry would find.

        What has succeeded since a policy told of it last, within an eighth of a second, is
        not yet among it.
        """
        capacity = self._capacity_at(now)
        balance = min(capacity, self._worth())
        return RetryBudgetStats(balance, capacity, self._withdrawals_total, self._refusals_total)

    def _count(self, now: float) -> None:
        """Learn how much traffic there is; not at every success, because they are many."""
        self._credit()
        self._capacity = self._capacity_at(now)
        self._traffic = more(self._traffic_at(now), self._successes - self._counted)
        self._counted_at = now
        self._counted = self._successes
        self._due = now + self._config.seconds / _TICKS

    def _capacity_at(self, now: float) -> float:
        if now < self._due:
            return self._capacity
        lately = sum(self._traffic_at(now)) + self._successes - self._counted
        return max(self._config.floor, float(lately))

    def _traffic_at(self, now: float) -> Sequence[int]:
        span = self._config.span
        return span.aged(self._traffic, span.tick(now) - span.tick(self._counted_at))

    def _credit(self) -> None:
        self._balance = self._worth()
        self._credited = self._successes

    def _worth(self) -> float:
        deposits = self._config.deposit * (self._successes - self._credited)
        return min(self._capacity, self._balance + deposits)
