"""What a policy says of itself, and how one call through it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from ...errors import Rejected
from ..measure import HistogramStats

__all__ = ["CallOutcome", "PolicyStats"]

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
