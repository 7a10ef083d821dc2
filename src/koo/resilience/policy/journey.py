"""The steps of a call's journey, which every form of a policy takes.

enter --> (work) --> succeed
             +-----> judge --> back_off --> enter again
                        +----> give_up
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

from ...errors import KooError, Rejected
from ..classifier import comes_from_a_cancellation, refusal_in
from ..events import CallRejected, GaveUp, RetryScheduled, ignore, tell
from ..gate import Permit, collected
from ..line import LINES
from ..marks import mark_given_up, mark_passed_on, note, was_given_up
from ..outcome import ABANDONED, SUCCESS, Abandoned, Failure, Outcome, Success
from .blame import (
    classify_safely,
    mark_if_of_a_failure_inside,
    may_have_been_left,
    unless_nobody_cancelled,
    was_left_by_its_caller,
    was_timed_out,
)
from .call import Call, admit_all
from .compose import Parts
from .line import wait_for_permits

__all__ = ["Journey", "goes_on"]

T = TypeVar("T")
_Verdict: TypeAlias = tuple[Exception, Failure] | tuple[BaseException, None]

_TIMED_OUT: Final = Failure(retryable=True, trips=True, cause="timeout")


class Journey(Parts):
    """The steps of a call between the parts of a policy."""

    __slots__ = ()

    def ask_gates(self, call: Call) -> None:
        """Take every permit, or keep the refusal; raise if there is no time for an attempt."""
        call.is_due = False
        if call.is_hurried and call.lacks_time(self.monotonic()):
            raise self.too_late(call)
        permits: list[Permit] = []
        call.permits = permits
        try:
            call.refusal = admit_all(self, call.ask, call.outer, permits)
        except Exception as mistake:
            if call.last_error is None:
                call.number -= 1
                self.memory.failures_total += 1
                raise
            self.memory.gate_errors_total += 1
            call.refusal = Rejected(self.name, None, f"a gate raised {type(mistake).__name__}")

    async def enter(self, call: Call) -> None:
        """Return with every permit in hand, after a wait in line if need be, or raise."""
        if (standing := call.refusal) is not None:
            if standing.line is not None:
                standing = await self._patiently(call, wait_for_permits(call))
            call.refusal = None
            if standing is not None:
                try:
                    raise self._refuse(call, standing, standing)
                finally:
                    del standing  # whose traceback holds this frame
            call.is_hurried = True
        now = self.monotonic()
        if not call.may_begin(now):
            raise self.too_late(call)
        call.began = now

    def succeed(self, call: Call, outcome: Outcome) -> None:
        """Settle an attempt that did not raise."""
        if (lane := call.lane) is None or lane.calls.pop(call, None) is None:
            call.stop_clock()
        monotonic = self.monotonic
        now = monotonic()
        took = now - call.began
        memory = self.memory
        memory.latency.record(took)
        if call.number > 1:
            memory.late_successes_total += 1
            call.last_error = None
        if now >= memory.chores_at:
            memory.do_chores(now, self.retry_budget)
        # memory.note(took), spelled out.
        if took < memory.quickest:  # noqa: PLR1730 - min() takes thrice as long
            memory.quickest = took
        if LINES:
            # Somebody waits, and is not to be called before every gate has heard.
            call.settle(outcome)
            return
        permits, call.permits = call.permits, ()
        for permit in permits:
            # permit.settle(outcome), spelled out.
            if permit.done:
                permit.settle(outcome)
                continue
            permit.done = True
            try:
                permit.gate.settled(permit, outcome)
            except Exception:  # noqa: BLE001 - the caller must get the value that was paid for
                memory.gate_errors_total += 1

    def conclude(self, call: Call, outcome: Outcome) -> None:
        """Settle an attempt whose owner has said how it ended."""
        if isinstance(outcome, Success):
            self.succeed(call, outcome)
            call.task = None
            return
        call.stop_clock()
        if isinstance(outcome, Abandoned):
            self.abandon(call, outcome)
            return
        self.memory.failures_total += 1
        self._settle_failure(call, outcome)
        self._give_up_silently(call)

    def appraise_safely(self, value: object) -> Outcome:
        """What *value* says of its cost; a bad appraiser costs the whole reservation."""
        try:
            outcome = self.appraise(value) if self.appraise else SUCCESS
        except Exception:  # noqa: BLE001 - the caller must get the value that was paid for
            outcome = None
        if isinstance(outcome, Success):
            return outcome
        self.memory.appraiser_errors_total += 1
        return SUCCESS

    async def back_off(self, call: Call, error: BaseException) -> BaseException | None:
        """Settle an attempt that raised; what to raise, or None when the next may begin."""
        verdict = self._judge(call, error)
        if verdict[1] is not None and await self._is_next(call, *verdict):
            return None
        return verdict[0]

    def end(self, call: Call, error: BaseException) -> BaseException:
        """Settle the only attempt, which raised; what the caller gets."""
        verdict = self._judge(call, error)
        if verdict[1] is not None:
            self._give_up(call, verdict[0])
        return verdict[0]

    async def back_off_from(self, call: Call, failure: Failure) -> None:
        """Settle an attempt that raised nothing but has failed, as its owner says.

        Return when the next may begin, or when there is none: what it had is the owner's.
        """
        call.stop_clock()
        self._settle_failure(call, failure)
        cause = failure.cause or "no cause was named"
        failed = KooError(f"{self.name}: the attempt was settled as failed ({cause})")
        mark_if_of_a_failure_inside(call, failed)
        if not await self._is_next(call, failed, failure):
            self._give_up_silently(call)

    async def _is_next(self, call: Call, failed: Exception, failure: Failure) -> bool:
        """Whether another attempt is to follow, and if so, not before it may begin."""
        call.is_hurried = True
        delay = self._next_delay(call, failed, failure)
        if delay is None:
            self._give_up(call, failed)
            return False
        tell(self._on_event, RetryScheduled(self.name, call.number, delay, failed))
        call.last_error = failed
        call.waited += delay
        await self._patiently(call, self.clock.sleep(delay))
        call.number += 1
        call.gave_up_inside = False
        call.is_due = True
        return True

    def _judge(self, call: Call, error: BaseException) -> _Verdict:
        """Settle an attempt that raised *error*; the error for the caller, and why it failed.

        None: what no retry can follow, as the caller's cancellation, an inherited
        deadline, a refusal inside.
        """
        call.disarm()
        if call.is_hurried and call.is_past(now := self.monotonic()):
            self.memory.ran_out(now - call.began, now)
        is_over = call.has_expired
        if was_timed_out(call, error):
            return self._judge_timeout(call, error)
        error = unless_nobody_cancelled(self.name, error)
        if isinstance(error, GeneratorExit):
            with collected():
                return self._abandon(call, error)
        if not isinstance(error, Exception):
            return self._abandon(call, error)
        if (refusal := refusal_in(error)) is not None:
            call.hand_back()
            return self._refuse(call, refusal, error), None
        if was_left_by_its_caller(call, error, self.monotonic()):
            return self._abandon(call, error)
        mark_if_of_a_failure_inside(call, error)
        failure = classify_safely(self.name, self._classify, error)
        if is_over and comes_from_a_cancellation(error):
            # Whatever it has made of that: we have cut it, since no answer came in time.
            failure = replace(failure, trips=True)
        return error, self._settle_failure(call, failure)

    def _give_up(self, call: Call, error: Exception) -> None:
        """Count a call that failed for good, and mark its error against retries further out."""
        self.memory.failures_total += 1
        call.last_error = None
        if self.retry is None and not was_given_up(error, call):
            mark_passed_on(error, call.outer)
            return
        mark_given_up(error, call.outer)
        if self.retry is None:
            return
        if call.number > 1:
            note(error, f"{self.name}: gave up after {call.number} attempts")
        tell(self._on_event, GaveUp(self.name, call.number, error))

    def _give_up_silently(self, call: Call) -> None:
        """Tell the call further out, as no error does, of what it may raise something now."""
        if self.retry is not None and call.outer is not None:
            call.outer.gave_up_inside = True

    def _judge_timeout(self, call: Call, error: BaseException) -> _Verdict:
        if isinstance(refusal := error.__cause__, Rejected):
            # Cut while it stood in a line inside: nothing was sent.
            error.__cause__ = None
            call.hand_back()
            return self._refuse(call, refusal, refusal), None
        late = call.deadline_error()
        late.__cause__ = error
        if not call.timeout_is_ours:
            late.deadline_at = call.deadline_at
            return self._abandon(call, late)
        return late, self._settle_failure(call, _TIMED_OUT)

    def _settle_failure(self, call: Call, failure: Failure) -> Failure:
        self.memory.record_failure(self.monotonic() - call.began)
        self.memory.lost_retries_total += call.number > 1
        call.settle(failure)
        return failure

    def _next_delay(self, call: Call, error: Exception, failure: Failure) -> float | None:
        retry = self.retry
        if retry is None or was_given_up(error, call):
            return None
        if may_have_been_left(call):
            note(error, f"{self.name}: no retry; the call may have been cancelled")
            return None
        if not retry.allows(failure, call.number):
            if failure.retry_after and failure.retry_after > retry.max_retry_after:
                note(error, f"{self.name}: not waiting {failure.retry_after:.0f} s; try then")
            return None
        delay = retry.backoff.delay(failure, call.number, self._random)
        if not call.may_try_again(delay):
            note(error, f"{self.name}: the next attempt in {delay:.1f} s is past the deadline")
            return None
        cost, now = failure.retry_class.cost, self.monotonic()
        if not self.memory.can_afford(self.retry_budget, cost, now):
            note(error, f"{self.name}: no retry; the retry budget is used up")
            return None
        return delay

    def abandon(self, call: Call, outcome: Abandoned = ABANDONED) -> None:
        """Settle an attempt that was given up before its end."""
        self.memory.abandoned_total += 1
        self.memory.cut_attempts_total += 1
        self.memory.lost_retries_total += call.number > 1
        call.last_error = None
        call.settle(outcome)

    def _abandon(self, call: Call, error: BaseException) -> tuple[BaseException, None]:
        self.abandon(call)
        return error, None

    async def _patiently(self, call: Call, wait: Awaitable[T]) -> T:
        """The end of *wait*; a caller that goes away meanwhile is counted."""
        try:
            return await wait
        except BaseException:
            self.memory.abandoned_total += 1
            call.last_error = None
            raise

    def too_late(self, call: Call) -> Exception:
        """What the caller gets when there is no time for an attempt: the last real error."""
        call.give_back()
        call.number -= 1
        error = call.last_error
        if error is None:
            self.memory.failures_total += 1
            return call.too_late_error()
        self._give_up(call, error)
        return error

    def count_refusal(self, refusal: Rejected) -> None:
        """Count a call that a gate refused, and tell of it."""
        self.memory.rejected_total += 1
        if self._on_event is not ignore:
            event = CallRejected(self.name, refusal.gate, refusal.what, refusal.retry_after)
            tell(self._on_event, event)

    def _refuse(self, call: Call, refusal: Rejected, raised: Exception) -> Exception:
        """What the caller gets when a gate says no: the last real error, else what was *raised*."""
        call.number -= 1
        error = call.last_error
        if error is None:
            self.count_refusal(refusal)
            return raised
        note(error, f"{self.name}: no further attempt; {refusal}")
        self._give_up(call, error)
        return error


def goes_on(failed: BaseException | None, error: BaseException) -> bool:
    """Whether the call does, as nothing has *failed*; False if that is *error*, to be raised again.

    Raises any other. A frame that keeps the name of what leaves it keeps it alive, and with it all
    that the operation had, until the collector comes: a traceback holds the frame.
    """
    if failed is None or failed is error:
        return failed is None
    try:
        raise failed
    finally:
        del failed
