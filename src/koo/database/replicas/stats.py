"""What replicas look like from outside."""

from __future__ import annotations

from dataclasses import dataclass

from ..pool import PoolStats

__all__ = ["ReplicaStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStats:
    """A photograph of one replica.

    *age*: it has everything that was committed so many seconds ago, None if that is not
    known. *sessions_total* began there. *failures_total* is how often a session there, or the
    attempt to begin one, ended in trouble with the server, or this stopped saying how far it is.
    *pool* are the connections to it.
    """

    name: str
    age: float | None
    sessions_total: int
    failures_total: int
    pool: PoolStats
