"""What a verdict says of an error, and what errors are counted by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ...errors import DeadlineExceeded
from ...resilience import Failure

__all__ = ["Kind", "RestTimedOut", "StatementTimedOut", "Verdict"]


class StatementTimedOut(DeadlineExceeded):
    """A statement, or an attempt, took longer than the configuration allows."""


class RestTimedOut(StatementTimedOut):
    """More of a stream was left unread than could be read in time: its reader's doing."""


class Kind(StrEnum):
    """What errors are counted by."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    POOL_EXHAUSTED = "pool_exhausted"
    CONFLICT = "conflict"
    INTEGRITY = "integrity"
    OVERLOADED = "overloaded"
    READ_ONLY = "read_only"
    CONFIGURATION = "configuration"
    QUERY = "query"
    INTERNAL = "internal"
    COMMIT_UNKNOWN = "commit_unknown"
    TAKEN_BACK = "taken_back"
    CALLER = "caller"

    @property
    def blames_database(self) -> bool:
        """Whether a call that ended so belongs into the failure rate."""
        return self not in {Kind.CALLER, Kind.INTEGRITY, Kind.QUERY, Kind.TAKEN_BACK}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kind of an error, and what a policy and a breaker make of it."""

    kind: Kind
    failure: Failure
