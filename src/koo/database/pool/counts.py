"""What the pools of a manager are told at birth, and what they have counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from ...resilience import (
    Clock,
    Counter,
    Histogram,
    HistogramStats,
    Holder,
    Listener,
    Random,
    RollingCount,
)
from ..config import DatabaseConfig

__all__ = ["COMPONENT", "PoolCounts", "PoolStats", "Terms"]

COMPONENT: Final = "database"

_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """A photograph of the pool, those of all event loops together, and of what it has counted.

    Times are in seconds. *overflow* are the connections open beyond *size*, lent or idle;
    *closed_total* counts those that have left the pool, also by being detached or collected,
    *timeouts_total* callers who waited in vain for others to give theirs back, until a limit of
    ours or their own, *refused_total* callers turned away because the line was full,
    *leaked_total* loans
    longer than ``leak_after``, *nested_total* tasks that waited for a second
    connection while they held one. *paused*: nobody gets one, because of ``pause()`` or
    ``drain()``, until ``resume()``.
    """

    size: int
    max_overflow: int
    total: int
    active: int
    idle: int
    overflow: int
    waiting: int
    paused: bool
    holders: tuple[Holder, ...]
    checkouts_total: int
    checkouts_per_second: float
    checkins_total: int
    checkins_per_second: float
    created_total: int
    closed_total: int
    invalidated_total: int
    recycled_total: int
    timeouts_total: int
    refused_total: int
    leaked_total: int
    nested_total: int
    response_time: HistogramStats
    create_time: HistogramStats
    wait_time: HistogramStats
    use_time: HistogramStats


class Photographed(Protocol):
    """One pool, as a photograph sees it."""

    @property
    def total(self) -> int:
        """How many connections are open."""
        ...

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        ...

    @property
    def is_paused(self) -> bool:
        """Whether connections are handed out to nobody."""
        ...

    def holders(self) -> tuple[Holder, ...]:
        """Who holds a connection, the oldest first."""
        ...


class Frequency:
    """How much was counted since birth, and each second of the last *span* seconds.

    To count costs one comparison and an addition: only what ends a bucket is rolled.
    """

    __slots__ = ("_due_at", "_recent", "_rolled", "_since", "value")

    def __init__(self, span: float) -> None:
        self.value = self._rolled = 0
        self._recent = RollingCount(span)
        self._since = self._due_at = 0.0

    def add(self, now: float) -> None:
        """Count one more, at *now*."""
        if now >= self._due_at:
            self._roll(now)
        self.value += 1

    def per_second(self, now: float) -> float:
        """The mean rate over the span. Looking changes nothing."""
        return self.recent(now) / self._recent.span

    def recent(self, now: float) -> int:
        """What was counted in the span."""
        fresh = self.value - self._rolled if self._recent.keeps(self._since, now) else 0
        return self._recent.total(now) + fresh

    def _roll(self, now: float) -> None:
        self._recent.add(self._since, self.value - self._rolled)
        self._recent.forget(now)
        self._rolled = self.value
        self._since = now
        self._due_at = self._recent.next_edge(now)


class PoolCounts:
    """What the manager's pools have counted, from its birth and over all event loops."""

    def __init__(self) -> None:
        self.created = Counter()
        self.closed = Counter()
        self.invalidated = Counter()
        self.recycled = Counter()
        self.timeouts = Counter()
        self.refused = Counter()
        self.leaked = Counter()
        self.nested = Counter()
        self.checkouts = Frequency(_MINUTE)
        self.checkins = Frequency(_MINUTE)
        self.response_time = Histogram()
        self.create_time = Histogram()
        self.waits = Histogram()
        self.vain_waits = Counter()
        self.use_time = Histogram()

    def waited(self, now: float, seconds: float) -> None:
        """A connection was handed out after *seconds*; who did not wait is only a checkout."""
        self.checkouts.add(now)
        self.waits.record(seconds)

    def waited_in_vain(self, seconds: float) -> None:
        """Nothing was handed out after *seconds*."""
        self.vain_waits.add()
        self.waits.record(seconds)

    def returned(self, now: float, used: float) -> None:
        """A connection came back, in whatever state, after *used* seconds."""
        self.checkins.add(now)
        self.use_time.record(used)

    @property
    def wait_time(self) -> HistogramStats:
        """How long all have waited, most of them not at all, some in vain."""
        waits = self.waits.stats()
        at_once = self.checkouts.value - (waits.count - self.vain_waits.value)
        return waits.merge(HistogramStats(at_once, 0.0, (at_once,))) if at_once else waits

    def photograph(
        self, pools: Iterable[Photographed], config: DatabaseConfig, now: float
    ) -> PoolStats:
        """What is counted, and what is true of all *pools* together."""
        pools = list(pools)
        totals = [pool.total for pool in pools]
        number = max(1, len(pools))
        holders = tuple(holder for pool in pools for holder in pool.holders())
        return PoolStats(
            size=config.kept * number,
            max_overflow=config.overflow * number,
            total=sum(totals),
            active=len(holders),
            idle=max(0, sum(totals) - len(holders)),
            overflow=sum(max(0, total - config.kept) for total in totals),
            waiting=sum(pool.waiting for pool in pools),
            paused=any(pool.is_paused for pool in pools),
            holders=holders,
            checkouts_total=self.checkouts.value,
            checkouts_per_second=self.checkouts.per_second(now),
            checkins_total=self.checkins.value,
            checkins_per_second=self.checkins.per_second(now),
            created_total=self.created.value,
            closed_total=self.closed.value,
            invalidated_total=self.invalidated.value,
            recycled_total=self.recycled.value,
            timeouts_total=self.timeouts.value,
            refused_total=self.refused.value,
            leaked_total=self.leaked.value,
            nested_total=self.nested.value,
            response_time=self.response_time.stats(),
            create_time=self.create_time.stats(),
            wait_time=self.wait_time,
            use_time=self.use_time.stats(),
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What a pool is told at birth, and whom it tells, under the name of *component*."""

    config: DatabaseConfig
    counts: PoolCounts
    clock: Clock
    random: Random
    on_event: Listener
    component: str = COMPONENT
