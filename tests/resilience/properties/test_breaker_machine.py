"""The circuit breaker, step by step beside an oracle that was written from its description.

A twin gets the same calls and is never looked at; looking changes nothing if both stay alike.
"""

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

from koo.errors import CircuitOpen
from koo.resilience import (
    ONE_REQUEST,
    Ask,
    BreakerConfig,
    CircuitBreaker,
    Deadline,
    Failure,
    Mode,
    Permit,
    RetryClass,
    State,
    StateRenewed,
    WindowConfig,
)
from koo.testing import FakeClock

from ..tools import EVERY_OUTCOME, FAILED
from .breaker_oracle import BreakerOracle

HINTED = Failure(retryable=True, trips=True, retry_after=200.0, cause="busy")
THROTTLED_FOR_A_WHILE = Failure(True, False, retry_after=8.0, retry_class=RetryClass.THROTTLED)
THROTTLED_AND_TRIPS = Failure(retryable=True, trips=True, retry_class=RetryClass.THROTTLED)

thresholds = st.integers(1, 6)
windows = st.sampled_from(
    [
        WindowConfig(),
        WindowConfig(size=4),
        WindowConfig(size=10, span=5.0, age=20.0),
        WindowConfig(size=0, span=3.0, age=30.0),
        WindowConfig(size=8, span=0.0, age=15.0),
    ]
)
configs = st.builds(
    BreakerConfig,
    failure_threshold=thresholds,
    recovery_timeout=st.sampled_from([0.5, 10.0, 60.0]),
    success_threshold=st.integers(1, 3),
    failure_rate=st.sampled_from([0.1, 0.5, 1.0]),
    streak_span=st.sampled_from([0.0, 1.0]),
    slow_threshold=st.sampled_from([None, None, 0.5, 5.0]),
    slow_rate=st.sampled_from([0.3, 0.5, 1.0]),
    max_probes=st.sampled_from([1, 1, 2]),
    ramp_start=st.integers(1, 3),
    ramp_timeout=st.sampled_from([0.0, 2.0, 20.0]),
    window=windows,
)
BY_HAND = (
    *("reset", "half_open", "open_until", "isolate", "force_close", "disable"),
    *("release", "release", "shadow", "shadow"),
)
steps = st.sampled_from([0.001, 0.1, 0.4, 0.7, 1.0, 3.0, 11.0, 66.0, 400.0])
outcomes = st.sampled_from(
    [*EVERY_OUTCOME, FAILED, FAILED, HINTED, THROTTLED_AND_TRIPS, THROTTLED_FOR_A_WHILE]
)


class BreakerMachine(RuleBasedStateMachine):
    """Two breakers, one log."""

    @initialize(config=configs, luck=st.sampled_from([0.0, 0.5, 0.99]))
    def begin(self, config, luck):
        self.clock = FakeClock(now=1000.0)
        self.oracle = BreakerOracle(config, luck)
        self.told = [], []
        self.open_calls = []
        self.seen, self.twin = (
            CircuitBreaker(
                "dep", config, clock=self.clock, random=lambda: luck, on_event=heard.append
            )
            for heard in self.told
        )

    @property
    def now(self):
        return self.clock.monotonic()

    # -- calls -------------------------------------------------------------------------------

    @rule()
    def ask(self):
        self.begin_call(ONE_REQUEST)

    @rule(left=st.sampled_from([0.05, 2.0, 1000.0]))
    def ask_with_a_deadline(self, left):
        self.begin_call(Ask(deadline=Deadline(self.now + left)))

    @rule(number=st.integers(2, 12), outcome=outcomes)
    def ask_in_a_row(self, number, outcome):
        for _ in range(number):
            if self.begin_call(ONE_REQUEST):
                self.end_call(-1, outcome)

    @rule(number=st.integers(2, 12))
    def hang(self, number):
        for _ in range(number):
            self.begin_call(ONE_REQUEST)

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000), outcome=outcomes)
    def settle(self, index, outcome):
        self.end_call(index % len(self.open_calls), outcome)

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000))
    def cancel(self, index):
        permit, twins, ticket = self.open_calls.pop(index % len(self.open_calls))
        permit.cancel()
        twins.cancel()
        self.oracle.cancel(ticket)

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000))
    def be_answered(self, index):
        """The first item of a stream is there."""
        permit, twins, ticket = self.open_calls[index % len(self.open_calls)]
        permit.answered()
        twins.answered()
        self.oracle.answer(ticket, self.now)

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000), seconds=st.sampled_from([1.0, 30.0]))
    def take_longer(self, index, seconds):
        permit, twins, ticket = self.open_calls[index % len(self.open_calls)]
        permit.extend_lease(self.now + seconds)
        twins.extend_lease(self.now + seconds)
        self.oracle.extend(ticket, self.now, self.now + seconds)

    @rule(seconds=st.sampled_from([3.0, 20.0]))
    def hear_of_attempts(self, seconds):
        self.both("lease_for", seconds)
        self.oracle.may_take(seconds)

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000))
    def forget(self, index):
        """The caller drops its permit without a word."""
        ticket = self.open_calls.pop(index % len(self.open_calls))[2]
        self.oracle.cancel(ticket)

    @precondition(lambda self: self.open_calls)
    @rule(index=st.integers(0, 1000), first=outcomes, second=outcomes)
    def settle_twice(self, index, first, second):
        permit, twins, _ = self.open_calls[index % len(self.open_calls)]
        self.end_call(index % len(self.open_calls), first)
        permit.settle(second)
        permit.cancel()
        twins.settle(second)
        twins.cancel()
        self.oracle.twice += 2

    def begin_call(self, ask):
        before = self.oracle.state
        permit, twins = self.seen.admit(ask), self.twin.admit(ask)
        assert type(permit) is type(twins)
        stats = self.seen.stats()
        refused = isinstance(permit, CircuitOpen)
        if stats.mode is Mode.SHADOW:
            assert not refused
            refused = stats.would_reject_total > self.oracle.would_reject
        opened = before is State.CLOSED and stats.state is State.OPEN
        deadline_at = None if ask.deadline is None else ask.deadline.at
        ticket = self.oracle.admit(self.now, not refused, opened=opened, deadline_at=deadline_at)
        if isinstance(permit, Permit):
            self.open_calls.append((permit, twins, ticket))
            return True
        assert permit.retry_after == twins.retry_after
        self.check_promise(permit)
        return False

    def check_promise(self, refusal):
        if self.oracle.state is State.CLOSED:
            assert refusal.retry_after == pytest.approx(self.oracle.ramp_widens_at - self.now)
        else:
            assert refusal.retry_after == approx(self.oracle.retry_after(self.now))

    def end_call(self, index, outcome):
        permit, twins, ticket = self.open_calls.pop(index)
        before = self.oracle.state
        permit.settle(outcome)
        twins.settle(outcome)
        opened = before is State.CLOSED and self.seen.stats().state is State.OPEN
        self.oracle.settle(ticket, outcome, self.now, opened)

    # -- time --------------------------------------------------------------------------------

    @rule(seconds=steps)
    def wait(self, seconds):
        self.clock.advance(seconds)

    @precondition(lambda self: self.oracle.state is not State.CLOSED)
    @rule(early=st.sampled_from([0.0, 0.01]))
    def wait_until_it_may_probe(self, early):
        self.clock.advance(max(0.0, (self.oracle.retry_after(self.now) or 0.0) - early) + 1e-6)

    @rule(seconds=st.sampled_from([-3600.0, 3600.0, 86_400.0]))
    def step_the_wall_clock(self, seconds):
        self.clock.step_wall(seconds)

    # -- by hand -----------------------------------------------------------------------------

    @rule(action=st.sampled_from(BY_HAND), seconds=st.sampled_from([0.0, 5.0, 100.0]))
    def intervene(self, action, seconds):
        getattr(self, action)(seconds)

    def reset(self, _):
        self.both("reset")
        self.oracle.reset(self.now)

    def half_open(self, _):
        self.both("half_open")
        self.oracle.half_open(self.now)

    def open_until(self, seconds):
        self.both("open_until", seconds, "asked for")
        self.oracle.open_until(seconds, self.now)

    def isolate(self, _):
        self.both("isolate", "by hand")
        self.oracle.isolate(self.now)

    def release(self, _):
        self.both("release")
        self.oracle.release(self.now)

    def force_close(self, _):
        self.both("force_close")
        self.oracle.take_over(Mode.FORCED_CLOSED, self.now)

    def disable(self, _):
        self.both("disable")
        self.oracle.take_over(Mode.DISABLED, self.now)

    def shadow(self, _):
        self.both("shadow")
        self.oracle.shadow()

    def both(self, action, *args):
        for breaker in (self.seen, self.twin):
            getattr(breaker, action)(*args)

    # -- what always holds -------------------------------------------------------------------

    @invariant()
    def the_photograph_is_true(self):
        stats, oracle, now = self.seen.stats(), self.oracle, self.now
        assert (stats.state, stats.mode) == (oracle.state, oracle.mode)
        assert stats.successes == oracle.good_probes
        assert stats.rejected_total == oracle.rejected
        assert stats.would_reject_total == oracle.would_reject
        assert stats.double_settled_total == oracle.twice
        assert stats.opened_total == oracle.openings
        is_shadow = oracle.mode is Mode.SHADOW
        assert stats.retry_after == (0.0 if is_shadow else approx(oracle.retry_after(now)))
        probing = oracle.state is State.HALF_OPEN
        assert stats.probes == (len(oracle.live_probes(now)) if probing else 0)
        assert (stats.outcomes, stats.failures, stats.slow) in [
            (len(window), sum(e.failed for e in window), sum(e.slow for e in window))
            for window in oracle.windows(now)
        ]

    @invariant()
    def every_move_is_told_once(self):
        for heard in self.told:
            assert [_move(event) for event in heard] == self.oracle.moves

    @invariant()
    def looking_changes_nothing(self):
        assert self.seen.stats() == self.seen.stats()

    def teardown(self):
        if hasattr(self, "seen"):
            assert self.seen.stats() == self.twin.stats()


def _move(event):
    match event:
        case StateRenewed(_, state, _):
            return state, state
    return event.before, event.after


def approx(value):
    return None if value is None else pytest.approx(value, abs=1e-6)


@pytest.mark.properties
@pytest.mark.timeout(0)
def test_a_breaker_moves_as_its_description_says():
    run_state_machine_as_test(
        BreakerMachine,
        settings=settings(max_examples=settings().max_examples * 5, stateful_step_count=60),
    )
