"""Rate limits: several windows, several weights, admitted all or none.

    ask --> [60 requests / min] [1000 requests / h] [90000 tokens / min] --> Permit
             +---- any one full: RateLimited, nothing is counted ----/

Exact over *any* window of that length: see limiter_windows. An estimate is reserved at
admission; settling corrects it, cancelling gives it back to its own bucket.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from ..errors import RateLimited, Rejected
from ..values import quickly_made
from .checking import check_finite, check_functions, check_part
from .clock import SYSTEM_CLOCK, Clock
from .events import LimitPaused, Listener, ignore, tell
from .gate import Permit, issue
from .limiter_windows import Limit, LimitStats, Meter
from .line import Line, LinedGate
from .outcome import SUCCESS, WEIGHTS, Ask, Failure, Outcome, RetryClass, Spent, Weight

__all__ = ["RateLimiter", "RateLimiterConfig", "RateLimiterStats"]

_DUE: Final = float("-inf")
#: A pause that becomes so many times longer is told anew.
_NEWS: Final = 2


@dataclass(frozen=True, slots=True)
class RateLimiterConfig:
    """The *limits* that hold together; *pause_cap* bounds in seconds what a 429 may ask for."""

    limits: tuple[Limit, ...]
    pause_cap: float = 3600.0
    #: The same limits, those of one weight together.
    by_weight: tuple[tuple[Weight, tuple[Limit, ...]], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a limiter without limits."""
        check_finite(self, "pause_cap")
        check_part("RateLimiterConfig", "limits", self.limits, tuple, example="(Limit(...),)")
        for limit in self.limits:
            check_part("RateLimiterConfig", "each of limits", limit, Limit)
        if not self.limits:
            message = "RateLimiterConfig: limits is empty; name at least one Limit"
            raise ValueError(message)
        if not self.pause_cap > 0:
            message = "RateLimiterConfig: pause_cap must be above 0 seconds"
            raise ValueError(message)
        sorted_out = ((weight, self._limits_of(weight)) for weight in WEIGHTS)
        by_weight = tuple((weight, limits) for weight, limits in sorted_out if limits)
        object.__setattr__(self, "by_weight", by_weight)

    def _limits_of(self, weight: Weight) -> tuple[Limit, ...]:
        return tuple(limit for limit in self.limits if limit.weight == weight)


@quickly_made
@dataclass(frozen=True, slots=True)
class RateLimiterStats:
    """A photograph of a rate limiter.

    *paused_for* is in seconds; *trouble* is what is wrong with the store.
    """

    name: str
    windows: tuple[LimitStats, ...]
    paused_for: float
    waiting: int
    rejected_total: int
    double_settled_total: int
    trouble: str | None = None


class RateLimiter(LinedGate):
    """A gate that admits no more than its limits, over any window, in order of arrival.

    What asks for none of a weight isn't held up by the limits of that weight.
    """

    __slots__ = ("_config", "_due_at", "_meters", "_on_event", "_paused_until")

    def __init__(
        self,
        name: str,
        config: RateLimiterConfig,
        *,
        clock: Clock = SYSTEM_CLOCK,
        on_event: Listener = ignore,
    ) -> None:
        super().__init__(name, clock)
        check_functions(f"RateLimiter {name!r}", on_event=on_event)
        check_part(f"RateLimiter {name!r}", "config", config, RateLimiterConfig)
        self._config = config
        self._on_event = on_event
        self._paused_until = 0.0
        # When a bucket ends or a pause is to be looked at: until then, credit alone decides.
        self._due_at = _DUE
        self._meters = tuple(Meter(weight, limits) for weight, limits in config.by_weight)

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Count *ask* in every window, or in none and say when it would fit."""
        monotonic = self._monotonic
        now = monotonic()
        if now >= self._due_at and self._is_paused(now):
            return self._refuse(ask, now)
        if self._line is not None and not self._serving:
            return self._refuse(ask, now)
        weights = ask.weights
        for meter in self._meters:
            amount = weights[meter.place]
            left = meter.credit - amount
            if left < 0 and amount:
                self._undo(ask, meter)
                return self._refuse(ask, now)
            meter.credit = left
        return issue(self, ask, now, 0)

    def settled(self, permit: Permit, outcome: Outcome) -> None:
        """Replace the estimate by what was spent; pause if the other side asked for it."""
        if outcome is SUCCESS:
            return
        # First: what is given back serves the line, and nobody is to be sent into a pause.
        if (seconds := _asked_for(outcome)) > 0:
            self.pause(seconds)
        if outcome.spent is not None:
            self._correct(permit, outcome.spent)

    def cancelled(self, permit: Permit) -> None:
        """Give everything back to the bucket it was taken from."""
        for meter in self._meters:
            meter.take_back(permit.stamp, permit.ask.weights[meter.place])
        self.serve()

    def pause(self, seconds: float) -> None:
        """Admit nothing for *seconds* (at most ``pause_cap``); never shortens a pause."""
        seconds = min(seconds, self._config.pause_cap)
        if seconds <= 0:
            return
        now, before = self._monotonic(), self._paused_until
        if now + seconds <= before:
            return
        self._paused_until, self._due_at = now + seconds, _DUE
        # Calls in flight all get the same 429: that the pause grows by so little is no news.
        if seconds >= _NEWS * (before - now):
            tell(self._on_event, LimitPaused(self.name, seconds))
        self.serve()

    def stats(self) -> RateLimiterStats:
        """A photograph."""
        now = self._monotonic()
        return RateLimiterStats(
            name=self.name,
            windows=tuple(stats for meter in self._meters for stats in meter.stats(now)),
            paused_for=max(0.0, self._paused_until - now),
            waiting=self.waiting,
            rejected_total=self._rejected_total,
            double_settled_total=self.double_settled_total,
        )

    def _is_paused(self, now: float) -> bool:
        """Let every bucket go whose time is over; whether a pause stands in the way."""
        if now < self._paused_until:
            return True
        for meter in self._meters:
            if now >= meter.edge:
                meter.roll(now)
        self._due_at = min(meter.edge for meter in self._meters)
        return False

    def _undo(self, ask: Ask, full: Meter) -> None:
        for meter in self._meters[: self._meters.index(full)]:
            meter.credit += ask.weights[meter.place]

    def _refuse(self, ask: Ask, now: float) -> Rejected:
        self._rejected_total += 1
        due = self._paused_until
        for meter in self._meters:
            fits_at = meter.fits_at(ask.weights[meter.place], now)
            if fits_at is None:
                return RateLimited(self.name, None, "the request is larger than the limit")
            due = max(due, fits_at)
        refusal = RateLimited(self.name, max(0.0, due - now), self._why(ask, now))
        line = self._line
        if line is not None and not self._serving:
            # Who joins the line may be served by then; who comes again must find it empty.
            refusal.soonest = refusal.retry_after
            refusal.retry_after = max(due, self._empty_at(line, ask, now)) - now
        return self._may_wait(refusal)

    def _why(self, ask: Ask, now: float) -> str | None:
        if now < self._paused_until:
            return "paused, as the service asked"
        full = [each for meter in self._meters for each in meter.full_for(ask.weights[meter.place])]
        if not full:
            return None
        _, limit = max(full, key=itemgetter(0))
        return f"{limit.limit} {limit.weight} per {limit.per:g} s"

    def _empty_at(self, line: Line, ask: Ask, now: float) -> float:
        """About when all who wait, and then *ask*, have been admitted."""
        asked = zip(line.asked, ask.weights, strict=True)
        amounts = [waiting + mine for waiting, mine in asked]
        return max(meter.empty_at(amounts[meter.place], now) for meter in self._meters)

    def _correct(self, permit: Permit, spent: Spent) -> None:
        now = self._monotonic()
        used, reserved = spent.weights, permit.ask.weights
        for meter in self._meters:
            excess = used[meter.place] - reserved[meter.place]
            if excess > 0:
                meter.put_late(excess, now)
            elif excess < 0:
                meter.take_back(permit.stamp, -excess)
        self.serve()


def _asked_for(outcome: Outcome) -> float:
    """How long the other side wants to be left alone: the longer of what it says, in seconds."""
    named = told = None
    if isinstance(outcome, Failure) and outcome.retry_class is RetryClass.THROTTLED:
        named = outcome.retry_after
    if outcome.advice is not None and outcome.advice.is_exhausted:
        told = outcome.advice.reset_after
    return max(named or 0.0, told or 0.0)
