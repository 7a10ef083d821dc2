"""The pool: who gets a connection when, and what becomes of it."""

from .watched import (
    HOLDING,
    PoolCounts,
    PoolExhausted,
    PoolStats,
    Roster,
    WatchedPool,
    calling_line,
)

__all__ = [
    "HOLDING",
    "PoolCounts",
    "PoolExhausted",
    "PoolStats",
    "Roster",
    "WatchedPool",
    "calling_line",
]
