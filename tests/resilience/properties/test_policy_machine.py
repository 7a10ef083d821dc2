"""A policy, call by call beside an oracle that works each out beforehand.

Calls come in every form and inside another policy, wait in line, and lose their caller at any
moment. What is compared: how it ended and with whose error, when each attempt began, what the gate
was told, how long it waited, and every number that the policy and its retry budget show.
"""

import asyncio
from contextlib import aclosing
from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from koo.errors import DeadlineExceeded, KooError, Rejected
from koo.resilience import (
    Abandoned,
    Ask,
    Backoff,
    Deadline,
    Failure,
    LinedGate,
    Permit,
    Policy,
    RetryBudget,
    RetryBudgetConfig,
    RetryConfig,
    Success,
)
from koo.testing import VirtualTimeLoop

from .policy_oracle import FATES, TIMED_OUT, Circumstances, PolicyOracle

# No sum of these is another's, so no two things ever happen at one moment.
SECONDS = [0.0, 0.31, 1.13, 2.71, 5.37, 11.59]
scripts = st.lists(
    st.tuples(st.sampled_from(SECONDS), st.sampled_from(sorted(FATES))), min_size=1, max_size=4
)
LEAVES = [None, None, None, 0.0107, 0.5317, 3.1871, 9.8291]
FORMS = [
    *("run", "outcome", "decorator", "loop", "block"),
    *("stream", "late_stream", "decorated_stream", "nested"),
]
doors = st.one_of(st.just([True]), st.just([True]), st.lists(st.booleans(), min_size=1, max_size=4))


class Broken(Exception):
    """What an attempt raised."""


class Turnstile(LinedGate):
    """A gate that is opened and shut as a test says, and remembers what it was told.

    While it is busy, who has patience stands in line.
    """

    def __init__(self, clock):
        super().__init__("turnstile", clock)
        self.doors, self.told, self.held = [True], [], 0
        self.busy_until = 0.0

    def admit(self, ask):
        if (wait := self.busy_until - self._monotonic()) > 0:
            return self._may_wait(Rejected(self.name, wait, "busy"))
        is_open = self.doors.pop(0) if len(self.doors) > 1 else self.doors[0]
        if not is_open:
            return Rejected(self.name, None, "shut")
        self.held += 1
        return Permit(self, ask, 0.0, 0)

    def settled(self, permit, outcome):
        self.held -= 1
        self.told.append(outcome)

    def cancelled(self, permit):
        self.held -= 1


class PolicyMachine(RuleBasedStateMachine):
    """One policy on one loop, one oracle."""

    @initialize(
        max_retries=st.integers(0, 3),
        base=st.sampled_from([0.7, 1.9]),
        timeout=st.sampled_from([None, 4.01, 10.03, 60.07]),
        attempt_timeout=st.sampled_from([None, 2.0]),
        floor=st.sampled_from([1.0, 3.0, 50.0]),
    )
    def begin(self, max_retries, base, timeout, attempt_timeout, floor):
        self.loop = VirtualTimeLoop()
        self.gate = Turnstile(self.loop.clock)
        self.budget = RetryBudget(RetryBudgetConfig(floor=floor))
        self.policy = Policy(
            "dep",
            gates=[self.gate],
            classify=lambda error: getattr(error, "verdict", TIMED_OUT),
            retry=RetryConfig(max_retries=max_retries, backoff=Backoff(base_delay=base)),
            retry_budget=self.budget,
            timeout=timeout,
            attempt_timeout=attempt_timeout,
            clock=self.loop.clock,
            random=lambda: 1.0,
        )
        self.outer = Policy(
            "outer",
            classify=lambda error: Failure(not isinstance(error, DeadlineExceeded), trips=True),
            retry=RetryConfig(max_retries=2),
            clock=self.loop.clock,
        )
        self.oracle = PolicyOracle(max_retries, base, 30.0, timeout, attempt_timeout, floor)

    @rule(
        script=scripts,
        doors=doors,
        form=st.sampled_from(FORMS),
        timeout=st.sampled_from([None, None, 0.0, 1.01, 25.03]),
        deadline=st.sampled_from([None, None, -1.0, 0.97, 7.07]),
        busy=st.sampled_from([0.0, 0.0, 0.0, 0.43, 3.67]),
        leaves=st.sampled_from(LEAVES),
    )
    def call(self, script, doors, form, timeout, deadline, busy, leaves):
        # So seldom that recent traffic never raises the retry budget above its floor.
        self.wait(2.57)
        now = self.loop.time()
        at = None if deadline is None else now + deadline
        goes_at = inf if leaves is None else now + leaves
        here = Circumstances(form, doors, timeout, at, busy, goes_at)
        expected = self.oracle.call(script, now, here)
        self.gate.doors, self.gate.told, self.gate.busy_until = list(doors), [], now + busy
        self.raised, self.began, self.script = [], [], list(script)
        ask = Ask() if at is None else Ask(deadline=Deadline(at))
        answer = self.loop.run_until_complete(self.until(leaves, form, ask, timeout))
        self.it_ended_as(expected, answer)

    async def until(self, leaves, form, ask, timeout):
        """What the call gives, or "leaving" if its caller goes away before."""
        caller = asyncio.create_task(getattr(self, f"as_{form}")(ask, timeout))
        if leaves is not None:
            self.loop.call_later(leaves, caller.cancel)
        await asyncio.wait([caller])
        return "leaving" if caller.cancelled() else caller.result()

    # -- forms -------------------------------------------------------------------------------

    async def as_run(self, ask, timeout):
        try:
            return await self.policy.run(self.visit, ask, timeout=timeout)
        except (Broken, KooError) as error:
            return error

    async def as_outcome(self, ask, timeout):
        self.ended = await self.policy.outcome(self.visit, ask, timeout=timeout)
        return self.ended.value if self.ended.ok else self.ended.error

    async def as_decorator(self, ask, timeout):
        try:
            return await self.policy.asking(ask, timeout=timeout)(self.visit)()
        except (Broken, KooError) as error:
            return error

    async def as_loop(self, ask, timeout):
        try:
            async for attempt in self.policy.asking(ask, timeout=timeout):
                async with attempt:
                    answer = await self.visit()
        except (Broken, KooError) as error:
            return error
        return answer

    async def as_stream(self, ask, timeout):
        async def items():
            yield await self.visit()

        return await _last(self.policy.stream(items, ask, timeout=timeout))

    async def as_late_stream(self, ask, timeout):
        """What was sent can't be unsent: there is one attempt."""

        async def items():
            yield "first"
            yield await self.visit()

        return await _last(self.policy.stream(items, ask, timeout=timeout))

    async def as_decorated_stream(self, ask, timeout):
        @self.policy.asking(ask, timeout=timeout)
        async def items():
            yield await self.visit()

        return await _last(items())

    async def as_nested(self, ask, timeout):
        """An outer policy that would try again makes one attempt, whatever the inner one met."""
        before = self.outer.stats().retries_total
        ended = await self.outer.outcome(lambda: self.policy.run(self.visit, ask, timeout=timeout))
        assert self.outer.stats().retries_total == before
        return ended.value if ended.ok else ended.error

    async def as_block(self, ask, timeout):
        try:
            async with self.policy.permit(ask, timeout=timeout):
                return await self.visit()
        except (Broken, KooError) as error:
            return error

    async def visit(self):
        self.began.append(self.loop.time())
        seconds, fate = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        await asyncio.sleep(seconds)
        if FATES[fate] is None:
            return "answer"
        error = Broken(fate)
        error.verdict = FATES[fate]
        self.raised.append(error)
        raise error

    # -- what must hold ----------------------------------------------------------------------

    def it_ended_as(self, expected, answer):
        assert self.began == pytest.approx(expected.began, abs=1e-4)
        assert self.loop.time() == pytest.approx(expected.at, abs=1e-4)
        match expected.by:
            case "answer":
                assert answer == "answer"
            case "leaving":
                assert answer == "leaving"
            case "refusal":
                assert isinstance(answer, Rejected)
            case "timeout" | "too late":
                assert isinstance(answer, DeadlineExceeded)
            case "error" if expected.settled[-1] == "times out":
                assert isinstance(answer, DeadlineExceeded)
            case "error":
                assert answer is self.raised[-1]
        self.gate_was_told(expected.settled)
        if hasattr(self, "ended"):
            assert self.ended.attempts == expected.attempts
            assert self.ended.waited == pytest.approx(expected.waited, abs=1e-4)
            del self.ended

    def gate_was_told(self, fates):
        assert (self.gate.held, self.gate.waiting) == (0, 0)
        assert self.gate.double_settled_total == 0
        assert len(self.gate.told) == len(fates)
        for outcome, fate in zip(self.gate.told, fates, strict=True):
            match fate:
                case "answers":
                    assert isinstance(outcome, Success)
                case "abandoned":
                    assert isinstance(outcome, Abandoned)
                case "times out":
                    assert (outcome.retryable, outcome.trips) == (True, True)
                case _:
                    assert outcome == FATES[fate]

    def wait(self, seconds):
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @invariant()
    def the_numbers_are_right(self):
        stats, oracle = self.policy.stats(), self.oracle
        assert stats.calls_total == oracle.calls
        assert stats.successes_total == oracle.successes
        assert stats.failures_total == oracle.failures
        assert stats.rejected_total == oracle.rejected
        assert stats.abandoned_total == oracle.abandoned
        assert stats.attempts_total == oracle.attempts
        assert stats.retries_total == oracle.retries
        worth = self.budget.stats(self.loop.time())
        assert (worth.balance, worth.capacity) == (pytest.approx(oracle.balance), oracle.floor)

    def teardown(self):
        if hasattr(self, "loop"):
            self.loop.close()


async def _last(items):
    try:
        async with aclosing(items):
            async for item in items:
                last = item
    except (Broken, KooError) as error:
        return error
    return last


@pytest.mark.properties
@pytest.mark.timeout(0)
def test_a_policy_does_what_its_description_says():
    run_state_machine_as_test(PolicyMachine, settings=settings(settings(), stateful_step_count=30))
