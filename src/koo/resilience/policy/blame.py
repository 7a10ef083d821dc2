"""Whose doing it was that an attempt ended, when all there is is an error.

error --+-- of our own timer, and of no other cancellation -----------------> we have cut it
        +-- a cancellation, though nobody has cancelled the task ---------------> of what it called
        +-- of the caller's cancellation, whatever the cleanup made of it --> nobody's
        +-- of the caller's deadline, whatever a driver made of it ---------> nobody's
        +-- any other ------------------------------------------------------> to be classified
"""

from __future__ import annotations

from asyncio import CancelledError

from ...errors import DeadlineExceeded, KooError
from ..classifier import (
    cancellations_behind,
    comes_from_a_cancellation,
    leaves_of,
    refusal_in,
)
from ..marks import mark_unless_judged, note
from ..outcome import Classifier, Failure
from ..timers import SLACK, times_cancelled
from .call import GROUPS_LEAVE_A_COUNT, OURS, Call

__all__ = [
    "classify_safely",
    "mark_if_of_a_failure_inside",
    "may_have_been_left",
    "unless_nobody_cancelled",
    "was_left_by_its_caller",
    "was_timed_out",
]


def was_timed_out(call: Call, error: BaseException) -> bool:
    """Whether *error* is our own timer's doing and not the caller's cancellation."""
    if not call.has_expired or call.task is None:
        return False
    call.has_expired = False
    left = call.task.uncancel()
    if not isinstance(error, CancelledError):
        return False
    if left <= call.cancelling and _is_ours_alone(error, left):
        return True
    _repeat_the_callers_words(error)
    return False


def _is_ours_alone(error: CancelledError, left: int) -> bool:
    # Where others are left, a TaskGroup may have held one back: then it is not ours that came.
    return not left or (error.args == (OURS,) and not comes_from_a_cancellation(error))


def _repeat_the_callers_words(error: CancelledError) -> None:
    """Say what the caller said when it cancelled, not what our own timer said after it."""
    if error.args == (OURS,):
        theirs = (cut.args for cut in cancellations_behind(error) if cut.args != (OURS,))
        error.args = next(theirs, error.args)


def unless_nobody_cancelled(policy: str, error: BaseException) -> BaseException:
    """*error*; an error to judge, if it is the cancellation of something the operation awaited.

    As a CancelledError it would end a task that nobody has cancelled, without a word.
    """
    if not isinstance(error, CancelledError) or times_cancelled(outside=1):
        return error
    what = "something that the operation waited for was cancelled, and not by its caller"
    failure = KooError(f"{policy}: {what}; ask who cancels it")
    failure.__cause__ = error
    return failure


def may_have_been_left(call: Call) -> bool:
    """Whether its caller has cancelled, as far as one can tell, and the operation has swallowed it.

    Where groups leave a count, only its own timer asks: else each that failed would forbid retries.
    """
    if GROUPS_LEAVE_A_COUNT:
        return getattr(call, "was_perhaps_left", False)
    times = times_cancelled()
    return times > getattr(call, "cancelling", times)


def was_left_by_its_caller(call: Call, error: Exception, now: float) -> bool:
    """Whether *error* says no more than that the caller has gone, or its deadline has come."""
    return _was_cancelled_before(call, error) or _was_ended_by_its_caller(call, error, now)


def _was_cancelled_before(call: Call, error: Exception) -> bool:
    """Whether the caller has cancelled, and *error* is what the cleanup made of it."""
    times = times_cancelled()
    if times > getattr(call, "cancelling", 0):
        return comes_from_a_cancellation(error)
    return times > 0 and _was_cut_while_it_cleaned_up(call, error)


def _was_cut_while_it_cleaned_up(call: Call, error: Exception) -> bool:
    """Whether our own cancellation has come after another's.

    An error that leaves a coroutine forgets what was thrown into it for what its awaiter handles:
    where the task was cancelled before ours came, the other's is enough.
    """
    leaves = leaves_of(error)
    are_ours = [cut.args == (OURS,) for leaf in leaves for cut in cancellations_behind(leaf)]
    was_there = getattr(call, "was_perhaps_left", False)
    return (was_there or any(are_ours)) and not all(are_ours)


def _was_ended_by_its_caller(call: Call, error: Exception, now: float) -> bool:
    """Whether *error* says no more than that an inherited deadline has come."""
    if call.is_ours or call.deadline_at is None:
        return False
    late = all(_is_lateness(call, leaf, now) for leaf in leaves_of(error))
    return late or _was_made_of_the_deadline(call, error, now)


def _is_lateness(call: Call, error: BaseException, now: float) -> bool:
    if not isinstance(error, TimeoutError):
        return refusal_in(error) is not None or _was_made_of_the_deadline(call, error, now)
    inherited = isinstance(error, DeadlineExceeded) and error.deadline_at == call.deadline_at
    return inherited or call.is_past(now + SLACK)


def _was_made_of_the_deadline(call: Call, error: BaseException, now: float) -> bool:
    """Whether *error* is what a driver has made of being cut when the deadline came."""
    is_due = call.ends_with_deadline and call.is_past(now + SLACK)
    return is_due and comes_from_a_cancellation(error)


def classify_safely(policy: str, classify: Classifier, error: Exception) -> Failure:
    """The verdict on *error*; a bad classifier makes it final and blames nobody."""
    try:
        failure: object = classify(error)
    except Exception as mistake:  # noqa: BLE001 - the caller must get the error that counts
        failure = mistake
    if isinstance(failure, Failure):
        return failure
    verb = "raised" if isinstance(failure, Exception) else "returned"
    note(error, f"{policy}: the classifier {verb} {type(failure).__name__}; mend it")
    return Failure(retryable=False, trips=False, cause="classifier")


def mark_if_of_a_failure_inside(call: Call, error: Exception) -> None:
    """Mark *error* as given up on if a call inside has given up and raised nothing."""
    if call.gave_up_inside:
        mark_unless_judged(error, call)
