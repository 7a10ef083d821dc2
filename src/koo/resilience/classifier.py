"""What an error means to a policy whose owner has not said otherwise.

group of --+-- refusals of gates inside, no more ---> handed back: nothing was sent
           +-- a failure among them ----------------> that failure, the worst of several
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator
from traceback import walk_tb
from typing import Final

from ..errors import (
    DeadlineExceeded,
    ExternalServiceError,
    KooError,
    RateLimitError,
    Rejected,
    ServiceRejected,
    ServiceTimeoutError,
)
from .checking import is_finite
from .outcome import Failure, RetryClass

__all__ = [
    "cancellations_behind",
    "classify_by_type",
    "comes_from_a_cancellation",
    "leaves_of",
    "refusal_in",
]

_LINKS: Final = 16


def classify_by_type(error: Exception) -> Failure:
    """The verdict that an error's own type gives.

    Errors of AI services carry theirs; what the operating system and the clock
    raise is worth a retry and trips; that something was cancelled which nobody
    else had cancelled trips; anything else is the caller's own and says
    nothing about the dependency. A group is retryable only if all of it is; it
    trips if any of it does, and that is its cause.
    """
    match error:
        case RateLimitError():
            return _named(error, RetryClass.THROTTLED)
        case ExternalServiceError():
            return _named(error, RetryClass.TRANSIENT)
        case DeadlineExceeded(refused_by=str()):
            pass
        case DeadlineExceeded() | OSError():
            return Failure(retryable=True, trips=True, cause=type(error).__name__)
        case KooError(__cause__=CancelledError()):
            # What it had done by then, nobody knows.
            return Failure(retryable=False, trips=True, cause="cancelled")
        case ExceptionGroup():
            return _of_group(error)
    return Failure(retryable=False, trips=False, cause=type(error).__name__)


def leaves_of(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group, those of groups in it too; *error* alone if it is no group."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for part in error.exceptions:
        yield from leaves_of(part)


def refusal_in(error: BaseException) -> Rejected | None:
    """The refusal that *error* is; of a group that holds nothing else, the longest.

    A call inside that had too little time to begin was refused, too.
    """
    refusals = [_as_refusal(leaf) for leaf in leaves_of(error)]
    known = [refusal for refusal in refusals if refusal is not None]
    return max(known, key=_wait) if len(known) == len(refusals) else None


def comes_from_a_cancellation(error: BaseException) -> bool:
    """Whether *error*, or all of a group, is what an operation made of being cancelled.

    A limit of its own inside, which has cut it and then said so, has cancelled nobody.
    """
    return all(map(_follows_a_cancellation, leaves_of(error))) or _follows_a_cancellation(error)


def cancellations_behind(
    error: BaseException, known: tuple[BaseException, ...] = ()
) -> Iterator[CancelledError]:
    """Those that *error* was raised from or while handling, the latest first.

    Not those by which a limit or a group inside has ended its own block; groups that are *known*
    are not looked into.
    """
    for _ in range(_LINKS):
        before = error.__context__
        if before is None:
            return
        if isinstance(before, CancelledError) and not _is_of_its_own(error, before, known):
            yield before
        error = before


def _follows_a_cancellation(error: BaseException, known: tuple[BaseException, ...] = ()) -> bool:
    return any(True for _ in cancellations_behind(error, known))


def _is_of_its_own(
    error: BaseException, cut: CancelledError, known: tuple[BaseException, ...]
) -> bool:
    """Whether whoever raised *error* has cut its own block by *cut*, and no caller has."""
    if not isinstance(error, BaseExceptionGroup):
        return _is_of_a_limit(error, cut)
    if any(error is each for each in known) or not _ended_a_block_that_was_cut(error):
        return False
    # A task that failed by itself ends the block of its group; one that is cut does not.
    known = (*known, error)
    return not all(_follows_a_cancellation(leaf, known) for leaf in leaves_of(error))


def _ended_a_block_that_was_cut(group: BaseException) -> bool:
    """Whether *group* was raised at the end of a block, of which a cancellation had come.

    Whoever ends a block is told what kind of error it ends with.
    """
    frames = [frame for frame, _ in walk_tb(group.__traceback__)]
    return any(told is CancelledError for end in frames[-1:] for told in end.f_locals.values())


def _is_of_a_limit(error: BaseException, cut: CancelledError) -> bool:
    """Whether *error* is what asyncio, anyio or a policy has made of its own timer's *cut*.

    All do so only after they have ruled out that somebody else has cancelled.
    """
    is_bare = type(error) is TimeoutError and not error.args
    if error.__cause__ is cut:
        return is_bare or isinstance(error, DeadlineExceeded)
    # That of anyio was raised from nothing, but what it has cut with bears its name.
    return is_bare and error.__cause__ is None and "cancel scope" in str(cut)


def _as_refusal(error: BaseException) -> Rejected | None:
    match error:
        case Rejected():
            return error
        case ServiceRejected(__cause__=Rejected() as refusal):
            return refusal
        case ServiceRejected():
            return Rejected(error.service, error.retry_after, error.detail)
        case DeadlineExceeded(refused_by=str() as policy):
            return Rejected(policy, None, "too little time to begin")
        case ServiceTimeoutError(__cause__=DeadlineExceeded() as late):
            return _as_refusal(late)
    return None


def _wait(refusal: Rejected) -> float:
    wait = refusal.retry_after
    return wait if wait is not None and is_finite(wait) else float("inf")


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
    worst = next((verdict for verdict in verdicts if verdict.trips), verdicts[0])
    classes = [verdict.retry_class for verdict in verdicts]
    waits = [verdict.retry_after for verdict in verdicts if verdict.retry_after is not None]
    return Failure(
        retryable=all(verdict.retryable for verdict in verdicts),
        trips=any(verdict.trips for verdict in verdicts),
        retry_after=max(waits, default=None),
        retry_class=RetryClass.THROTTLED if RetryClass.THROTTLED in classes else classes[0],
        cause=worst.cause,
    )
