"""One call on its way through a policy: its gates, its timer, its settlement.

Call --admit_all()--> all permits, or none and the refusal
     --arm()--------> the attempt's timer, cut to the deadline
     --disarm()-----> the timer is gone
     --settle()-----> each permit once; or give_back(): nothing was sent
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Handle, current_task, get_running_loop
from dataclasses import replace
from sys import exception, version_info
from threading import get_ident
from typing import Final

from ...errors import DeadlineExceeded, Rejected
from ..deadline import CURRENT, Progress, running_call
from ..gate import Issuer, Permit, check_refusal
from ..outcome import ABANDONED, Ask, Outcome
from ..timers import SLACK, AnyTask, Lane, times_cancelled
from .compose import Parts

__all__ = ["OURS", "Call", "admit_all", "begin", "current_permit", "goes_along"]

_named_call = CURRENT.get

#: What an operation hears that is ended because its time is over.
OURS: Final = "the time of the attempt is over"

#: Whether a TaskGroup that failed inside may leave its task counted as cancelled.
GROUPS_LEAVE_A_COUNT: Final = version_info < (3, 13)


class Call:
    """The state of one call. Its attempts are numbered from 1."""

    __slots__ = (
        "ask",
        "began",
        "cancelling",
        "deadline_at",
        "ends_with_deadline",
        "gave_up_inside",
        "has_expired",
        "is_due",
        "is_hurried",
        "is_ours",
        "lane",
        "last_error",
        "number",
        "outer",
        "permits",
        "policy",
        "refusal",
        "task",
        "timer",
        "told",
        "waited",
        "was_perhaps_left",
    )

    policy: Parts
    ask: Ask
    number: int
    permits: list[Permit] | tuple[()]
    refusal: Rejected | None
    last_error: Exception | None
    waited: float
    began: float
    deadline_at: float | None
    outer: Progress | None
    lane: Lane | None
    timer: Handle | None
    task: AnyTask | None
    cancelling: int
    has_expired: bool
    #: Whether another attempt was granted that nobody has begun; only a loop asks.
    is_due: bool
    #: Whether it may have less time than the policy gives, which has been time enough so far.
    is_hurried: bool
    is_ours: bool
    ends_with_deadline: bool
    gave_up_inside: bool
    #: What the owner of a block has said of how it ends; a call without a block has none.
    told: Outcome
    #: Whether its caller may have cancelled it, unheard; a call that has not expired has none.
    was_perhaps_left: bool

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1, counted through all policies around it."""
        return self.number if self.outer is None else self.outer.attempt + self.number - 1

    def obey(self, at: float) -> None:
        """End at the moment *at*, if that is sooner."""
        if self.deadline_at is None or at < self.deadline_at:
            self.deadline_at = at
            self.is_ours = False

    @property
    def has_ended(self) -> bool:
        """Whether its attempt is over: what was settled or given back holds no list of permits."""
        return not isinstance(self.permits, list)

    # -- time ----------------------------------------------------------------------

    def arm(self) -> None:
        """Start the attempt's clock: its own timeout, or what is left if that is less."""
        policy = self.policy
        timeout = policy.lane_timeout
        if timeout is None:
            if self.deadline_at is not None or exception() is not None:
                self._arm_if_bounded(self.deadline_at)
            return
        # The running loop costs a system call to ask for; a task of the lane's loop in this
        # thread says as much.
        lane = policy.memory.lane
        if lane is None or lane.thread != get_ident() or (task := current_task(lane.loop)) is None:
            lane = policy.open_lane(get_running_loop(), timeout)
            task = current_task(lane.loop)
        self.task: AnyTask | None = task
        self.cancelling = task.cancelling() if task else 0
        expires_at = self.began + timeout
        if expires_at != self.deadline_at and self._ends_apart(expires_at, lane.loop):
            return
        self.lane = lane
        lane.calls[self] = expires_at
        if not lane.is_armed:
            lane.arm()

    def _ends_apart(self, expires_at: float, loop: AbstractEventLoop) -> bool:
        at, limit = self.deadline_at, self.policy.attempt_timeout
        # Later than the lane's end, without a limit for attempts: the call brought its own timeout.
        if at is None or (at > expires_at and limit is not None):
            return False
        self._set_timer(loop, at)
        return True

    def arm_for_a_step(self, gap: float | None) -> None:
        """Start the clock for one step of an attempt that pauses between its steps.

        *gap* is the step's own time in seconds; None: what is left of the attempt's.
        """
        timeout, ends = self.policy.attempt_timeout, [self.deadline_at]
        if gap is not None:
            ends.append(self.policy.monotonic() + gap)
        elif timeout is not None:
            ends.append(self.began + timeout)
        known = [end for end in ends if end is not None]
        self._arm_if_bounded(min(known, default=None))

    def _arm_if_bounded(self, moment: float | None) -> None:
        if moment is not None:
            loop = get_running_loop()
            self.task = current_task(loop)
            self.cancelling = self.task.cancelling() if self.task else 0
            self._set_timer(loop, moment)
        elif exception() is not None:
            # Perhaps the cleanup of a task that was cancelled: that is not news of this call.
            self.cancelling = times_cancelled()

    def _set_timer(self, loop: AbstractEventLoop, moment: float) -> None:
        self.ends_with_deadline = moment == self.deadline_at
        for permit in self.permits:
            permit.extend_lease(moment)
        if not self._is_cut_with_outer(moment):
            left = max(0.0, moment - self.policy.monotonic())
            self.timer = loop.call_later(left + SLACK, self.expire)

    def _is_cut_with_outer(self, moment: float) -> bool:
        """Whether the call around it is cut at this *moment* in the same task, and it with that.

        A block is not: it may be left after what is around it.
        """
        outer = self.outer
        if self.is_ours or hasattr(self, "told") or not isinstance(outer, Call):
            return False
        return outer.is_cut_at(moment) and outer.task is self.task

    def is_cut_at(self, moment: float) -> bool:
        """Whether its clock is running, and until this *moment*."""
        if self.lane is not None:
            return self.lane.calls.get(self) == moment
        return self.timer is not None and self.ends_with_deadline and self.deadline_at == moment

    def lacks_time(self, now: float) -> bool:
        """Whether there is no time to begin *now*, or as little as others have run out of."""
        if self.deadline_at is None:
            return False
        left, memory = self.deadline_at - now, self.policy.memory
        if left <= 0 or not self.is_hurried or left > memory.too_few:
            return left <= 0
        return memory.is_too_short(left, now)

    def may_begin(self, now: float) -> bool:
        """Whether there is time for an attempt, which then is the one to look if a look is due."""
        if self.deadline_at is None:
            return True
        left, memory = self.deadline_at - now, self.policy.memory
        if left <= 0 or not self.is_hurried or left > memory.too_few:
            return left > 0
        return memory.lets_begin(left, now)

    def may_try_again(self, delay: float) -> bool:
        """Whether *delay* seconds from now an attempt could end in time, as far as is known.

        The error of the one before is worth more than that another was cut.
        """
        if self.deadline_at is None:
            return True
        now, memory = self.policy.monotonic(), self.policy.memory
        left = self.deadline_at - now - delay
        return left > SLACK and not memory.is_unheard_of(left, now)

    def is_past(self, now: float) -> bool:
        """Whether the time of the whole call is over."""
        return self.deadline_at is not None and now >= self.deadline_at

    def resume(self, paused_at: float, now: float) -> None:
        """Go on after a time that was the consumer's; a deadline it used up is not our failure."""
        self.began += now - paused_at
        if self.is_past(now):
            self.is_ours = False

    def answered(self, now: float) -> None:
        """The first item is there: how long it took is what can be compared with other calls."""
        self.policy.memory.note(now - self.began)
        for permit in self.permits:
            permit.answered()

    def expire(self) -> None:
        """The attempt's time is over: end it where it waits."""
        self._end_unless_cancelled(self.cancelling)

    def _end_unless_cancelled(self, known: int) -> None:
        """End it, unless it was cancelled more often than is *known*: then a turn must tell.

        A caller's cancellation is heard by then; what a TaskGroup that failed inside has left of
        one still stands there, and means nobody. So does one that the operation has swallowed,
        which looks the same: therefore no other attempt may follow.
        """
        task = self.task
        times = known if task is None else task.cancelling()
        if times > known and GROUPS_LEAVE_A_COUNT:
            self.lane = None
            self.timer = get_running_loop().call_soon(self._end_unless_cancelled, times)
            return
        times = min(times, known)
        self.was_perhaps_left = times > self.cancelling
        self.has_expired, self.cancelling = True, times
        if task is not None:
            task.cancel(OURS)

    def disarm(self) -> None:
        """Stop the attempt's clock."""
        if self.lane is not None:
            self.lane.calls.pop(self, None)
            self.lane = None
        elif self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def stop_clock(self) -> None:
        """The operation has ended by itself."""
        self.disarm()
        self.forgive_if_expired()

    def forgive_if_expired(self) -> None:
        """The operation ended in the instant that its time was over: take the cancellation back."""
        if self.has_expired and self.task is not None:
            self.task.uncancel()
        self.has_expired = False

    @property
    def timeout_is_ours(self) -> bool:
        """Whether the limit that ends this attempt is our own setting, not a caller's."""
        return self.is_ours or not self.ends_with_deadline

    def too_late_error(self) -> DeadlineExceeded:
        """What the caller gets when there is too little time even to begin."""
        name, now = self.policy.name, self.policy.monotonic()
        left = max(0.0, (self.deadline_at or 0.0) - now)
        error = DeadlineExceeded(
            f"{name}: {left:.3f} s are too little time to begin; allow more, or ask earlier"
        )
        error.deadline_at = self.deadline_at
        error.refused_by = name
        return error

    # -- settlement -----------------------------------------------------------------

    def settle(self, outcome: Outcome) -> None:
        """Settle every permit; what its owner has told of its cost counts, however it ended."""
        told = getattr(self, "told", outcome)
        spent, advice = outcome.spent or told.spent, outcome.advice or told.advice
        if (spent, advice) != (outcome.spent, outcome.advice):
            outcome = replace(outcome, spent=spent, advice=advice)
        self.policy.memory.settle(self._let_go(), outcome)

    def hand_back(self) -> None:
        """A gate inside has refused: nothing was sent, unless the owner has told what it spent."""
        if getattr(self, "told", ABANDONED).spent is None:
            self.give_back()
        else:
            self.settle(ABANDONED)

    def give_back(self) -> None:
        """Cancel every permit: nothing was sent."""
        self.policy.memory.give_back(self._let_go())

    def _let_go(self) -> list[Permit] | tuple[()]:
        """Its permits; it keeps nothing that keeps it: a task keeps the error that ends it."""
        permits, self.permits, self.task = self.permits, (), None
        return permits

    def deadline_error(self) -> DeadlineExceeded:
        """What the caller gets when the time is over."""
        taken, name = self.policy.monotonic() - self.began, self.policy.name
        return DeadlineExceeded(
            f"{name}: no answer after {taken:.2f} s; try again, or allow more time"
        )


def begin(policy: Parts, ask: Ask, timeout: float | None, permits: list[Permit]) -> Call:
    """A call at its beginning, with the *permits* that it has or will get."""
    call = Call()
    call.policy = policy
    call.ask = ask
    call.number = 1
    call.waited = 0.0
    call.refusal = call.last_error = call.lane = call.timer = None
    call.permits = permits
    call.has_expired = call.ends_with_deadline = call.gave_up_inside = False
    call.is_ours = True
    # Bound first: the interpreter is slow to call a function that it finds on an instance.
    monotonic = policy.monotonic
    call.began = began = monotonic()
    limit = policy.timeout if timeout is None else timeout
    call.deadline_at = None if limit is None else began + limit
    call.outer = outer = _named_call()
    if outer is not None:
        if outer.has_ended:
            call.outer = outer = running_call()
        if outer is not None and outer.deadline_at is not None:
            call.obey(outer.deadline_at)
    if ask.deadline is not None:
        call.obey(ask.deadline.at)
    call.is_hurried = timeout is not None or not call.is_ours
    return call


def current_permit(gate: Issuer) -> Permit | None:
    """The permit of *gate* that the running call holds; None if it holds none."""
    call = running_call()
    held = call.permits if isinstance(call, Call) else ()
    return next((permit for permit in held if permit.gate is gate), None)


def admit_all(
    policy: Parts, ask: Ask, outer: Progress | None, permits: list[Permit]
) -> Rejected | None:
    """Add every gate's permit for a call inside *outer* to *permits*, or none: the refusal."""
    try:
        for gate in policy.gates:
            answer = gate.admit(ask)
            if isinstance(answer, Permit):
                permits.append(answer)
                continue
            check_refusal(gate, answer)
            if outer is None or not goes_along(gate, outer):
                if permits:
                    policy.memory.give_back(permits)
                    permits.clear()
                return answer
    except BaseException:
        policy.memory.give_back(permits)
        permits.clear()
        raise
    return None


def goes_along(gate: object, around: Progress | None) -> bool:
    """Whether what *gate* has just refused is part of the call *around* it, or of one around that.

    The end of that one will tell the gate how this one has ended, so this one needs no permit.
    """
    while isinstance(around, Call):
        if any(permit.gate is gate and permit.takes_along() for permit in around.permits):
            return True
        around = around.outer
    return False
