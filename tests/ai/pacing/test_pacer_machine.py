"""The pacer, step by step before a vendor whose books are known.

What is right, where requests do not overtake one another: after the first answer a vendor that
tells the truth refuses nobody; who waits as long as a refusal says is let in, or is told
again; and a vendor that lies can neither break the gate nor close it for more than an hour.
"""

import math

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

from koo.ai import PacedAsk, PacedSpent, Pacer, Told, WindowTold
from koo.errors import Rejected
from koo.resilience import ABANDONED, Failure, Permit, RetryClass, Success
from koo.testing import Bucket, FakeClock, Meter

#: A hair more than an hour and a minute, for the rounding of floats.
HOUR = 3600.0 + 1e-6
SPAN = 60.0 + 1e-6

steps = st.one_of(st.sampled_from([0.0, 0.01, 1.0, 3.0, 30.0, 60.0, 200.0]), st.floats(0.0, 90.0))


class HonestVendor(RuleBasedStateMachine):
    """One pacer before one vendor; a call reaches the vendor as soon as it is let in."""

    @initialize(limit=st.sampled_from([1, 3, 20, 600]), meter=st.sampled_from([Bucket, Meter]))
    def begin(self, limit, meter):
        self.clock = FakeClock()
        self.limit = limit
        self.meter = meter(limit, 10**9)
        self.pacer = Pacer("ai:lab", clock=self.clock)
        self.on_their_way = []
        self.ask_and_answer()

    def told(self):
        limits = self.meter.limits(self.clock.now, 0.0).requests
        window = WindowTold(
            "requests", "requests", limits.most, limits.remaining, limits.reset_after
        )
        return Told(at=self.clock.now, windows=(window,))

    def let_in(self):
        """A permit whose request the vendor has admitted, with what it tells; or the refusal."""
        answer = self.pacer.admit(PacedAsk(model="m"))
        if isinstance(answer, Permit):
            assert self.meter.admits(self.clock.now), "the vendor had to refuse"
            return answer, self.told()
        return answer, None

    @rule()
    def ask_and_answer(self):
        answer, told = self.let_in()
        if told is not None:
            answer.settle(Success(PacedSpent(1), told))

    @rule(number=st.integers(1, 30))
    def ask_many(self, number):
        for _ in range(number):
            answer, told = self.let_in()
            if told is None:
                break
            self.on_their_way.append((answer, told))

    @precondition(lambda self: self.on_their_way)
    @rule(data=st.data(), fate=st.sampled_from(["answered", "answered", "given up"]))
    def one_comes_back(self, data, fate):
        place = data.draw(st.integers(0, len(self.on_their_way) - 1))
        permit, told = self.on_their_way.pop(place)
        heard = Told(at=self.clock.now, windows=told.windows)
        permit.settle(Success(PacedSpent(1), heard) if fate == "answered" else ABANDONED)

    @rule()
    def one_is_never_sent(self):
        answer = self.pacer.admit(PacedAsk(model="m"))
        if isinstance(answer, Permit):
            answer.cancel()

    @rule(seconds=steps)
    def time_passes(self, seconds):
        if not self.on_their_way:
            self.clock.advance(seconds)

    @rule()
    def who_waits_as_told_gets_in_within_a_minute(self):
        for permit, told in self.on_their_way:
            permit.settle(Success(PacedSpent(1), told))
        self.on_their_way = []
        began = self.clock.now
        while not isinstance(refusal := self.let_in()[0], Permit):
            assert refusal.retry_after > 0
            self.clock.advance(refusal.retry_after)
            assert self.clock.now <= began + SPAN
        refusal.settle(Success(PacedSpent(1), self.told()))

    @invariant()
    def looking_changes_nothing(self):
        if hasattr(self, "pacer"):
            assert self.pacer.stats() == self.pacer.stats()


counts = st.integers(0, 10**6)
windows = st.builds(
    WindowTold,
    name=st.sampled_from(["a", "b", "c"]),
    kind=st.sampled_from(["requests", "tokens", "input tokens", "output tokens"]),
    limit=st.one_of(st.none(), st.integers(10**6, 10**7)),
    remaining=counts,
    reset_after=st.floats(0.0, 86_401.0),
)
tales = st.lists(windows, max_size=3).map(tuple)


class LyingVendor(RuleBasedStateMachine):
    """One pacer before a vendor that tells anything and refuses at random."""

    @initialize()
    def begin(self):
        self.clock = FakeClock()
        self.pacer = Pacer("ai:lab", clock=self.clock)
        self.open = []

    @rule(tokens=counts, output=counts)
    def ask(self, tokens, output):
        ask = PacedAsk(tokens=tokens + output, output_tokens=output, model="m")
        answer = self.pacer.admit(ask)
        if isinstance(answer, Permit):
            self.open.append(answer)
        else:
            assert isinstance(answer, Rejected)
            assert 0.0 <= answer.retry_after <= HOUR

    @precondition(lambda self: self.open)
    @rule(windows=tales, refused=st.booleans(), spent=counts, data=st.data())
    def one_comes_back(self, windows, refused, spent, data):
        permit = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        told = Told(at=self.clock.now, windows=windows)
        if refused:
            throttled = RetryClass.THROTTLED
            outcome = Failure(retryable=True, trips=False, retry_class=throttled, advice=told)
        else:
            outcome = Success(PacedSpent(1, spent), told)
        permit.settle(outcome)

    @rule(seconds=steps)
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def after_an_hour_and_a_minute_somebody_is_let_in(self):
        self.clock.advance(HOUR + 60.0)
        answer = self.pacer.admit(PacedAsk(model="m"))
        assert isinstance(answer, Permit)
        self.open.append(answer)

    @invariant()
    def every_figure_is_one(self):
        if hasattr(self, "pacer"):
            for window in self.pacer.stats().windows:
                assert window.remaining >= 0
                assert 0 <= window.reset_after <= HOUR
                assert math.isfinite(window.refill)


@pytest.mark.properties
@pytest.mark.timeout(0)
@pytest.mark.parametrize("machine", [HonestVendor, LyingVendor])
def test_the_pacer_is_right_before_every_vendor(machine):
    fewer = max(5, settings().max_examples // 4)
    run_state_machine_as_test(
        machine, settings=settings(max_examples=fewer, stateful_step_count=40)
    )
