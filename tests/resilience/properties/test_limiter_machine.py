"""The rate limiter, step by step beside an exact log of what was admitted and when.

What is right: no window of that length, wherever it begins, ever holds more than its limit; and
nobody is refused for what is older than the window and one bucket of 1/64.
"""

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from koo.resilience import (
    ABANDONED,
    SUCCESS,
    Abandoned,
    Advice,
    Ask,
    Failure,
    Limit,
    Permit,
    RateLimiter,
    RateLimiterConfig,
    RetryClass,
    Spent,
    Success,
)
from koo.testing import FakeClock

BUCKET = 1 / 64
EPSILON = 1e-4
PAUSE_CAP = 500.0

limits = st.builds(
    Limit,
    limit=st.sampled_from([1, 3, 5, 10, 60]),
    per=st.sampled_from([1.0, 7.0, 60.0, 100.0, 3600.0]),
    weight=st.sampled_from(["requests", "requests", "tokens", "nanousd"]),
)
documented = (Limit(60, 60.0), Limit(1_000, 3_600.0), Limit(10_000, 86_400.0))
amounts = st.integers(0, 12)
asks = st.builds(Ask, requests=st.sampled_from([1, 1, 1, 0, 2]), tokens=amounts, nanousd=amounts)
spents = st.builds(Spent, requests=st.integers(0, 2), tokens=amounts, nanousd=amounts)
steps = st.one_of(
    st.sampled_from([0.001, 1 / 64, 0.1, 0.9375, 1.0, 7.0, 56.25, 60.0, 61.0, 3600.0, 100_000.0]),
    st.floats(0.0, 70.0),
)


@dataclass(eq=False)
class Entry:
    """What one call, or one correction, took of every weight."""

    stamp: float
    took: dict[str, int]


class LimiterMachine(RuleBasedStateMachine):
    """One limiter, one log."""

    @initialize(
        limits=st.one_of(st.lists(limits, min_size=1, max_size=4).map(tuple), st.just(documented)),
        start=st.floats(0.0, 1e6),
    )
    def begin(self, limits, start):
        self.limits = limits
        self.clock = FakeClock(now=start)
        self.limiter = RateLimiter("dep", RateLimiterConfig(limits, PAUSE_CAP), clock=self.clock)
        self.log: list[Entry] = []
        self.open_calls: list[tuple[Permit, Entry]] = []
        self.paused_until = 0.0
        self.refused = 0

    @property
    def now(self):
        return self.clock.monotonic()

    # -- asking ------------------------------------------------------------------------------

    @rule(ask=asks)
    def ask(self, ask):
        self.answer_is_right(ask)

    @rule(ask=asks, number=st.integers(2, 80))
    def ask_until_refused(self, ask, number):
        for _ in range(number):
            if not self.answer_is_right(ask):
                break

    @rule(ask=asks)
    def come_back_when_told(self, ask):
        """Who waits as long as the refusal says is admitted, and not a bucket too late."""
        refusal = self.limiter.admit(ask)
        if isinstance(refusal, Permit):
            refusal.cancel()
            return
        self.refused += 1
        if self.is_too_large(ask):
            assert refusal.retry_after is None
            return
        due = self.now + refusal.retry_after
        self.it_is_not_told_to_wait_too_long(ask, due)
        self.clock.advance(refusal.retry_after)
        assert self.answer_is_right(ask)

    def it_is_not_told_to_wait_too_long(self, ask, due):
        if due <= self.paused_until + EPSILON:
            return
        slack = max(limit.per for limit in self.limits) * BUCKET
        earlier = due - slack * (1 + 1e-9) - EPSILON
        assert earlier <= self.now or not self.fits(ask, earlier, slack=0.0)

    def answer_is_right(self, ask):
        before = self.limiter.stats()
        answer = self.limiter.admit(ask)
        if isinstance(answer, Permit):
            assert self.now >= self.paused_until
            assert self.fits(ask, self.now, slack=0.0), "more than the limit in one window"
            entry = Entry(self.now, {name: getattr(ask, name) for name in WEIGHTS})
            self.log.append(entry)
            self.open_calls.append((answer, entry))
            return True
        self.refused += 1
        if self.now >= self.paused_until:
            assert not self.fits(ask, self.now, slack=BUCKET), "refused without need"
        assert (answer.retry_after is None) == self.is_too_large(ask)
        assert self.limiter.stats().windows == before.windows, "a refusal counted something"
        return False

    def is_too_large(self, ask):
        return any(getattr(ask, limit.weight) > limit.limit for limit in self.limits)

    def fits(self, ask, moment, slack):
        return all(
            not (amount := getattr(ask, limit.weight))
            or self.used(limit, moment, slack) + amount <= limit.limit
            for limit in self.limits
        )

    def used(self, limit, moment, slack):
        """What the window before *moment* holds, if it is longer by a share of *slack*."""
        oldest = moment - limit.per * (1 + slack) - (EPSILON if slack else 0.0)
        return sum(entry.took[limit.weight] for entry in self.log if entry.stamp > oldest)

    # -- settling ----------------------------------------------------------------------------

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000))
    def cancel(self, index):
        permit, entry = self.open_calls.pop(index % len(self.open_calls))
        permit.cancel()
        self.log.remove(entry)

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000), outcome=st.sampled_from([SUCCESS, ABANDONED]))
    def settle_unknown(self, index, outcome):
        self.open_calls.pop(index % len(self.open_calls))[0].settle(outcome)

    @precondition(lambda self: self.open_calls)
    @rule(
        index=st.integers(0, 1000), spent=spents, form=st.sampled_from([Success, Abandoned, None])
    )
    def settle_known(self, index, spent, form):
        permit, entry = self.open_calls.pop(index % len(self.open_calls))
        permit.settle(
            Failure(retryable=True, trips=True, spent=spent) if form is None else form(spent=spent)
        )
        excess = Entry(self.now, {})
        for name in WEIGHTS:
            difference = getattr(spent, name) - entry.took[name]
            entry.took[name] += min(0, difference)
            excess.took[name] = max(0, difference)
        self.log.append(excess)

    # -- pausing and time --------------------------------------------------------------------

    @precondition(lambda self: self.open_calls)
    @rule(seconds=st.sampled_from([None, 0.0, 0.5, 20.0, 1e9]))
    def throttled(self, seconds):
        self.open_calls.pop()[0].settle(
            Failure(
                retryable=True,
                trips=False,
                retry_after=seconds,
                retry_class=RetryClass.THROTTLED,
            )
        )
        self.note_pause(seconds or 0.0)

    @precondition(lambda self: self.open_calls)
    @rule(remaining=st.sampled_from([None, 0, 1]), seconds=st.sampled_from([None, 3.0, 30.0]))
    def advised(self, remaining, seconds):
        advice = Advice(remaining_requests=remaining, reset_after=seconds)
        self.open_calls.pop()[0].settle(Success(advice=advice))
        if remaining == 0:
            self.note_pause(seconds or 0.0)

    @rule(seconds=st.sampled_from([0.0, 2.0, 30.0]))
    def pause(self, seconds):
        self.limiter.pause(seconds)
        self.note_pause(seconds)

    def note_pause(self, seconds):
        if seconds:
            self.paused_until = max(self.paused_until, self.now + min(seconds, PAUSE_CAP))

    @rule(seconds=steps)
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-3600.0, 86_400.0]))
    def step_the_wall_clock(self, seconds):
        self.clock.step_wall(seconds)

    # -- what always holds -------------------------------------------------------------------

    @invariant()
    def the_photograph_is_true(self):
        stats = self.limiter.stats()
        assert stats.rejected_total == self.refused
        assert stats.paused_for == pytest.approx(max(0.0, self.paused_until - self.now))
        shown = sorted(stats.windows, key=lambda one: (one.weight, one.per, one.limit))
        known = sorted(self.limits, key=lambda one: (one.weight, one.per, one.limit))
        for window, limit in zip(shown, known, strict=True):
            assert (window.limit, window.per, window.weight) == (
                limit.limit,
                limit.per,
                limit.weight,
            )
            exact, lenient = (self.used(limit, self.now, slack) for slack in (0.0, BUCKET))
            assert exact <= window.used <= lenient
            assert window.remaining == max(0, limit.limit - window.used)
            assert 0 <= window.reset_after <= limit.per * (1 + BUCKET) + EPSILON


WEIGHTS = ("requests", "tokens", "nanousd")


@pytest.mark.properties
@pytest.mark.timeout(0)
def test_no_window_wherever_it_begins_holds_more_than_its_limit():
    run_state_machine_as_test(
        LimiterMachine,
        settings=settings(max_examples=settings().max_examples * 4, stateful_step_count=40),
    )
