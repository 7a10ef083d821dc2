"""What holds the calls of a service back before they are sent, beside its circuit and its money.

Pacer:       the vendor's limits, as far as it tells or shows them, for each key apart
Bulkhead:    calls in flight, if there is a limit
RateLimiter: our requests a minute, hour and day, our tokens a minute

The last is remembered in the store as the money is, which comes next: who is refused before is
none of its business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ...resilience import (
    Bulkhead,
    BulkheadConfig,
    BulkheadStats,
    Clock,
    Gate,
    Limit,
    LimitStats,
    Listener,
    RateLimiter,
    RateLimiterConfig,
    RateLimiterStats,
    Reading,
    current_permit,
)
from ...values import quickly_made
from ..config import ServiceConfig
from ..pacing import Keys, LearnedWindowStats, PacedPermit, Pacer, PacerStats, one_key
from ..provider import Request

__all__ = ["Limits", "LimitsStats", "limits_of"]

#: The documented windows in seconds, in the order of the limiter's.
_WINDOWS: Final = (("minute", 60.0), ("hour", 3600.0), ("day", 86400.0))
_TOKENS: Final = ("tokens_minute", 60.0)
_NAMES: Final = tuple(name for name, _ in (*_WINDOWS, _TOKENS))


@quickly_made
@dataclass(frozen=True, slots=True)
class LimitsStats:
    """A photograph of all limits of a service, whose own *model* may be asked with *keys*."""

    own: RateLimiterStats
    vendor: PacerStats
    flight: BulkheadStats | None
    model: str
    keys: Sequence[int | None]

    def cause(self) -> str | None:
        """What holds calls back now; None if nothing does."""
        own = self.own
        if own.paused_for > 0:
            return f"the service asked for a pause; it ends in {own.paused_for:.0f} s"
        for name, window in _named(own):
            if window.remaining == 0:
                return f"{window.limit} {window.weight} per {_spoken(name)} are used up"
        if told := self._spent():
            return f"{told.words}; more in {told.reset_after:.0f} s at the latest"
        return None

    def _spent(self) -> LearnedWindowStats | None:
        """The spent window that is over first; None if there is a key without one."""
        spent = [
            told
            for told in self.vendor.windows
            if told.model == self.model and told.key in self.keys and told.remaining < 1
        ]
        if {told.key for told in spent}.issuperset(self.keys):
            return min(spent, key=lambda told: told.reset_after, default=None)
        return None

    def readings(self, now: float) -> Iterator[Reading]:
        """The use of each limit; *now* is the epoch second."""
        for name, window in _named(self.own):
            labels = (("window", name),)
            yield Reading("limit.used", window.used, window.limit, labels)
            yield Reading("limit.remaining", window.remaining, labels=labels)
            yield Reading("limit.reset_after", window.reset_after, labels=labels)
        if self.own.paused_for > 0:
            yield Reading("throttled_until", now + self.own.paused_for)
        yield from self._vendor_readings()
        if self.flight is not None:
            yield Reading("calls.in_flight", self.flight.in_flight, self.flight.max_concurrent)
        flight = self.flight.waiting if self.flight else 0
        yield Reading("calls.waiting", self.own.waiting + self.vendor.waiting + flight)

    def _vendor_readings(self) -> Iterator[Reading]:
        for told in self.vendor.windows:
            key = () if told.key is None else (("key", str(told.key + 1)),)
            labels = (("model", told.model), ("window", told.name), *key)
            yield Reading("told.remaining", told.remaining, told.limit, labels)
            yield Reading("told.reset_after", told.reset_after, labels=labels)
        if self.vendor.per_minute is not None:
            yield Reading("pace.per_minute", self.vendor.per_minute)


class Limits:
    """The gates of one service, of which *limiter* is our own limits, and what is seen of them."""

    __slots__ = ("_bulkhead", "_keys", "_limiter", "_model", "_pacer")

    def __init__(
        self,
        name: str,
        config: ServiceConfig,
        limiter: RateLimiter,
        *,
        keys: Keys,
        clock: Clock,
        on_event: Listener,
    ) -> None:
        self._model, self._keys = config.model, keys
        self._limiter = limiter
        self._pacer = Pacer(name, keys=keys, clock=clock, on_event=on_event)
        most = config.max_concurrent
        self._bulkhead = None if most is None else Bulkhead(name, BulkheadConfig(most), clock=clock)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """In the order in which a call passes them."""
        beside = () if self._bulkhead is None else (self._bulkhead,)
        return self._pacer, *beside, self._limiter

    def stats(self) -> LimitsStats:
        """A photograph."""
        flight = None if self._bulkhead is None else self._bulkhead.stats()
        return LimitsStats(
            own=self._limiter.stats(),
            vendor=self._pacer.stats(),
            flight=flight,
            model=self._model,
            keys=self._keys(self._model),
        )

    @property
    def key(self) -> int | None:
        """The place of the key whose limits let the running call in; None: there is only one."""
        permit = current_permit(self._pacer)
        return permit.key if isinstance(permit, PacedPermit) else None

    def with_key(self, request: Request) -> Request:
        """*request* as it is sent by the running call: with the key whose limits let it in."""
        if self._keys is one_key:
            return request
        return replace(request, key=self.key)

    def forget(self) -> None:
        """Know nothing of the vendor's limits any more; our own stay."""
        self._pacer.forget()


def limits_of(config: ServiceConfig) -> RateLimiterConfig:
    """Our own limits, as the settings say."""
    counts = (config.requests_per_minute, config.requests_per_hour, config.requests_per_day)
    limits = [Limit(count, per) for count, (_, per) in zip(counts, _WINDOWS, strict=True)]
    if config.tokens_per_minute is not None:
        limits.append(Limit(config.tokens_per_minute, _TOKENS[1], "tokens"))
    return RateLimiterConfig(tuple(limits))


def _named(stats: RateLimiterStats) -> Iterator[tuple[str, LimitStats]]:
    """The limiter's windows with their names; that of tokens comes last, if there is one."""
    yield from zip(_NAMES, stats.windows, strict=False)


def _spoken(name: str) -> str:
    return name.removeprefix("tokens_")
