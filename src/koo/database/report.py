"""A photograph of the database, and the same as the floor's Report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ..resilience import (
    BreakerStats,
    CheckStats,
    Distribution,
    Health,
    Reading,
    Report,
    State,
    derive_health,
)
from .pool import PoolStats
from .replicas import ReplicaStats

__all__ = ["DatabaseStats", "summarize"]

_PAUSED: Final = "the pool is paused: resume() hands connections out again"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStats:
    """The pool, the circuit, the last check, and how calls have ended.

    *fresh*: a check now would join the one in flight, or get the last answer.
    *failure_rate* is the share of transactions that the database failed in the
    last five minutes, None without any; *errors* counts by kind since the start
    or the last reset; *replicas* are those of all event loops.
    """

    name: str
    pool: PoolStats
    breaker: BreakerStats
    check: CheckStats | None
    fresh: bool
    failure_rate: float | None
    errors: tuple[tuple[str, int], ...]
    replicas: tuple[ReplicaStats, ...] = ()


def summarize(stats: DatabaseStats) -> Report:
    """*stats* under the names that monitoring knows."""
    breaker, check = stats.breaker, stats.check
    health = derive_health(breaker, check)
    pool = stats.pool
    return Report(
        component=stats.name,
        kind="database",
        state=health,
        since=breaker.since,
        cause=_cause(stats, health),
        next_try=None if breaker.state is State.CLOSED else breaker.retry_after,
        breaker=breaker,
        check=check,
        readings=(*_pool_readings(pool), *_count_readings(pool), *_outcome_readings(stats)),
        distributions=(
            Distribution("response_time", pool.response_time),
            Distribution("create_time", pool.create_time),
            Distribution("wait_time", pool.wait_time),
            Distribution("use_time", pool.use_time),
            *(
                Distribution("replica_wait_time", one.pool.wait_time, (("replica", one.name),))
                for one in stats.replicas
            ),
        ),
        details=MappingProxyType({"holders": pool.holders, "fresh": stats.fresh}),
    )


def _cause(stats: DatabaseStats, health: Health) -> str | None:
    breaker, check = stats.breaker, stats.check
    if health is Health.HEALTHY and stats.pool.paused:
        return _PAUSED
    if breaker.state is not State.CLOSED or health is Health.HEALTHY:
        return breaker.cause
    if check is not None and not check.ok and not check.success_since:
        return check.error
    return f"{breaker.failures} of the last {breaker.outcomes} attempts failed"


def _pool_readings(pool: PoolStats) -> Iterator[Reading]:
    most = pool.size + pool.max_overflow
    yield Reading("pool.size", pool.size)
    yield Reading("pool.max_overflow", pool.max_overflow)
    yield Reading("pool.total", pool.total, limit=most)
    yield Reading("pool.active", pool.active, limit=most)
    yield Reading("pool.idle", pool.idle)
    yield Reading("pool.overflow", pool.overflow, limit=pool.max_overflow)
    yield Reading("pool.waiting", pool.waiting)
    yield Reading("pool.paused", int(pool.paused))
    if pool.holders:
        yield Reading("pool.oldest_checkout", max(holder.age for holder in pool.holders))


def _count_readings(pool: PoolStats) -> Iterator[Reading]:
    yield Reading("checkouts_total", pool.checkouts_total)
    yield Reading("checkouts_per_second", pool.checkouts_per_second)
    yield Reading("checkins_total", pool.checkins_total)
    yield Reading("checkins_per_second", pool.checkins_per_second)
    yield Reading("connections_created_total", pool.created_total)
    yield Reading("connections_closed_total", pool.closed_total)
    yield Reading("connections_invalidated_total", pool.invalidated_total)
    yield Reading("connections_recycled_total", pool.recycled_total)
    yield Reading("timeouts_total", pool.timeouts_total)
    yield Reading("refused_total", pool.refused_total)
    yield Reading("leaked_total", pool.leaked_total)
    yield Reading("nested_total", pool.nested_total)


def _outcome_readings(stats: DatabaseStats) -> Iterator[Reading]:
    if stats.failure_rate is not None:
        yield Reading("failure_rate", stats.failure_rate)
    for replica in stats.replicas:
        yield from _replica_readings(replica)
    for kind, number in stats.errors:
        yield Reading("errors_total", number, labels=(("kind", kind),))


def _replica_readings(replica: ReplicaStats) -> Iterator[Reading]:
    labels = (("replica", replica.name),)
    if replica.age is not None:
        yield Reading("replica_age", replica.age, labels=labels)
    yield Reading("replica_sessions_total", replica.sessions_total, labels=labels)
    yield Reading("replica_failures_total", replica.failures_total, labels=labels)
    for reading in (*_pool_readings(replica.pool), *_count_readings(replica.pool)):
        yield reading._replace(name=f"replica_{reading.name}", labels=labels)
