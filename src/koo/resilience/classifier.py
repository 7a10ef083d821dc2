"""What an error means to a policy whose owner has not said otherwise."""

from __future__ import annotations

from ..errors import DeadlineExceeded, ExternalServiceError, RateLimitError
from .outcome import Failure, RetryClass

__all__ = ["classify_by_type"]


def classify_by_type(error: Exception) -> Failure:
    """The verdict that an error's own type gives.

    Errors of AI services carry theirs; what the operating system and the clock
    raise is worth a retry and trips; anything else is the caller's own and says
    nothing about the dependency. A group is retryable only if all of it is, and
    trips if any of it does.
    """
    match error:
        case RateLimitError():
            return _named(error, RetryClass.THROTTLED)
        case ExternalServiceError():
            return _named(error, RetryClass.TRANSIENT)
        case DeadlineExceeded() | OSError():
            return Failure(retryable=True, trips=True, cause=type(error).__name__)
        case ExceptionGroup():
            return _of_group(error)
    return Failure(retryable=False, trips=False, cause=type(error).__name__)


def _named(error: ExternalServiceError, retry_class: RetryClass) -> Failure:
    return Failure(
        retryable=error.retryable,
        trips=error.trips,
        retry_after=error.retry_after,
        retry_class=retry_class,
        cause=error.kind,
    )


def _of_group(group: ExceptionGroup[Exception]) -> Failure:
    verdicts = [classify_by_type(error) for error in group.exceptions]
    classes = [verdict.retry_class for verdict in verdicts]
    waits = [verdict.retry_after for verdict in verdicts if verdict.retry_after is not None]
    return Failure(
        retryable=all(verdict.retryable for verdict in verdicts),
        trips=any(verdict.trips for verdict in verdicts),
        retry_after=max(waits, default=None),
        retry_class=RetryClass.THROTTLED if RetryClass.THROTTLED in classes else classes[0],
        cause=verdicts[0].cause,
    )
