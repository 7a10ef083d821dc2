"""A policy as its description reads: the whole of one call worked out beforehand, on paper."""

from dataclasses import dataclass, field
from math import inf

from koo.resilience import Failure, RetryClass

SLACK = 1e-6

#: What an attempt may meet: the verdict on it, None for an answer.
FATES = {
    "answers": None,
    "fails": Failure(retryable=True, trips=True),
    "conflicts": Failure(retryable=True, trips=False, retry_class=RetryClass.CONFLICT),
    "is throttled": Failure(retryable=True, trips=False, retry_class=RetryClass.THROTTLED),
    "names a wait": Failure(retryable=True, trips=True, retry_after=3.0),
    "names a day": Failure(retryable=True, trips=True, retry_after=86_400.0),
    "is wrong": Failure(retryable=False, trips=False),
}
TIMED_OUT = Failure(retryable=True, trips=True)
BASE_SCALE = {"conflicts": 0.05, "is throttled": 5.0}
CAP_SCALE = {"conflicts": 0.05, "is throttled": 2.0}
COST = {"conflicts": 0.0, "is throttled": 0.35}


@dataclass
class Circumstances:
    """What a call meets.

    *is_open*: whether the gate admits, each time. For *busy* seconds it lets nobody in, but has a
    line. The caller goes away at *leaves*.
    """

    form: str
    is_open: list[bool]
    timeout: float | None
    deadline: float | None
    busy: float
    leaves: float


@dataclass
class Ending:
    """How a call ends.

    *by* an answer, an error, a timeout, a refusal, having come too late, or its caller leaving.
    """

    by: str = ""
    at: float = 0.0
    attempts: int = 0
    waited: float = 0.0
    began: list[float] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)


@dataclass
class PolicyOracle:
    """One policy whose every jitter is drawn as 1, and what it must have counted."""

    max_retries: int
    base: float
    cap: float
    timeout: float | None
    attempt_timeout: float | None
    floor: float
    balance: float = 0.0
    calls: int = 0
    successes: int = 0
    failures: int = 0
    rejected: int = 0
    abandoned: int = 0
    attempts: int = 0
    retries: int = 0

    def __post_init__(self):
        self.balance = self.floor

    def call(self, script, now, circumstances):
        """The end of a call that begins *now*."""
        self.calls += 1
        ending, here = Ending(at=now), circumstances
        end, is_ours = self.end_of_time(now, here.timeout, here.deadline)
        if (by := self.not_begun(end, now, here)) is not None:
            return self.ended(ending, by)
        if self.waits(here.busy, ending, here.leaves):
            self.attempts_of(script, ending, here, end, is_ours)
        return ending

    def not_begun(self, end, now, here):
        """Why a call ends at once, if it does."""
        if end is not None and end <= now:
            self.failures += 1
            return "too late"
        if here.busy and (end is None or now + here.busy >= end):
            self.rejected += 1
            return "refusal"
        return None

    def attempts_of(self, script, ending, here, end, is_ours):
        retries = here.form not in {"block", "late_stream"}
        while True:
            if not here.is_open[min(ending.attempts, len(here.is_open) - 1)]:
                return self.shut_out(ending)
            fate = self.attempt(script, ending, end, is_ours, here.leaves)
            if fate is None:
                return ending
            delay = self.delay(fate, ending.attempts)
            if not retries or not self.may_retry(fate, ending, delay, end):
                self.failures += 1
                return self.ended(ending, "timeout" if fate == "times out" else "error")
            if not self.waits(delay, ending, here.leaves):
                return ending

    def shut_out(self, ending):
        """A gate refuses: who has made an attempt has failed, with its error."""
        if ending.attempts:
            self.failures += 1
            return self.ended(ending, "error")
        self.rejected += 1
        return self.ended(ending, "refusal")

    def waits(self, seconds, ending, leaves):
        """Whether the caller is still there after a wait."""
        if ending.at + seconds > leaves:
            self.gone(ending, leaves)
            return False
        ending.waited += seconds
        ending.at += seconds
        return True

    def gone(self, ending, leaves):
        self.abandoned += 1
        ending.at = leaves
        self.ended(ending, "leaving")

    def end_of_time(self, now, timeout, deadline):
        limit = self.timeout if timeout is None else timeout
        own = None if limit is None else now + limit
        if deadline is not None and (own is None or deadline < own):
            return deadline, False
        return own, True

    def attempt(self, script, ending, end, is_ours, leaves):
        """Make one attempt; its fate if it failed, None if the call has ended with it."""
        seconds, fate = script[min(ending.attempts, len(script) - 1)]
        self.retries += ending.attempts > 0
        ending.attempts += 1
        self.attempts += 1
        ending.began.append(ending.at)
        cut = self.cut(ending.at, end)
        if min(ending.at + seconds, inf if cut is None else cut) > leaves:
            ending.settled.append("abandoned")
            self.gone(ending, leaves)
            return None
        if cut is not None and ending.at + seconds > cut:
            ending.at = cut + SLACK
            if cut == end and not is_ours:
                self.abandoned += 1
                ending.settled.append("abandoned")
                self.ended(ending, "timeout")
                return None
            ending.settled.append("times out")
            return "times out"
        ending.at += seconds
        ending.settled.append(fate)
        if fate != "answers":
            return fate
        self.successes += 1
        if ending.attempts == 1:
            self.balance = min(self.floor, self.balance + 0.2)
        self.ended(ending, "answer")
        return None

    def cut(self, now, end):
        ends = [end, None if self.attempt_timeout is None else now + self.attempt_timeout]
        return min((each for each in ends if each is not None), default=None)

    def delay(self, fate, retry):
        if fate == "names a wait":
            return 3.0 + 0.3
        grown = self.base * BASE_SCALE.get(fate, 1.0) * 2 ** (retry - 1)
        return min(self.cap * CAP_SCALE.get(fate, 1.0), grown)

    def may_retry(self, fate, ending, delay, end):
        if fate in {"is wrong", "names a day"} or ending.attempts > self.max_retries:
            return False
        if end is not None and ending.at + delay >= end:
            return False
        cost = COST.get(fate, 1.0)
        if cost > self.balance:
            return False
        self.balance -= cost
        return True

    def ended(self, ending, by):
        ending.by = by
        return ending
