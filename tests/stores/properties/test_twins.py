"""Gates in a file beside gates in memory: the same calls get the same answers.

The file is shared by three stores, as by three processes; each call goes to one of them, and now
and then one of them ends and starts again. A store makes the two apart, or together. In memory
there is one gate of each kind, which knows of no processes; what a process held when it ended
counts there as given up.
"""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone
from pathlib import Path

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
    Advice,
    Ask,
    DailyBudgetConfig,
    Failure,
    Limit,
    MemoryStore,
    Permit,
    RateLimiterConfig,
    RetryClass,
    Spent,
    Success,
)
from koo.stores import SQLiteStore
from koo.testing import FakeClock

PROCESSES = 3

limits = st.builds(
    Limit,
    limit=st.sampled_from([1, 3, 5, 10, 60]),
    per=st.sampled_from([1.0, 7.0, 60.0, 3600.0]),
    weight=st.sampled_from(["requests", "requests", "tokens", "nanousd"]),
)
documented = (Limit(60, 60.0), Limit(1_000, 3_600.0), Limit(10_000, 86_400.0))
amounts = st.integers(0, 12)
asks = st.builds(Ask, requests=st.sampled_from([1, 1, 1, 0, 2]), tokens=amounts, nanousd=amounts)
spents = st.builds(Spent, requests=st.integers(0, 2), tokens=amounts, nanousd=amounts)
outcomes = st.one_of(
    st.sampled_from([SUCCESS, ABANDONED, Success(advice=Advice(0, None, 3.0))]),
    st.builds(Success, spents),
    st.builds(
        Failure,
        retryable=st.just(True),
        trips=st.just(False),
        retry_after=st.sampled_from([None, 0.5, 20.0]),
        retry_class=st.just(RetryClass.THROTTLED),
        spent=st.one_of(st.none(), spents),
    ),
)
steps = st.one_of(
    st.sampled_from([0.001, 1 / 64, 0.1, 0.9375, 1.0, 7.0, 56.25, 60.0, 3600.0, 40_000.0]),
    st.floats(0.0, 70.0),
)
orders = st.sampled_from([list, reversed])
processes = st.integers(0, PROCESSES - 1)


@dataclass
class Call:
    """The permits of one call, in memory and in the file."""

    process: int
    twins: list[tuple[Permit, Permit]]


class Twins(RuleBasedStateMachine):
    """Two worlds, one clock."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="koo-twins-", dir=_quick_folder()))
        self.stores = []

    @initialize(
        limits=st.one_of(st.lists(limits, min_size=1, max_size=4).map(tuple), st.just(documented)),
        money=st.integers(0, 60),
        zone=st.sampled_from([UTC, timezone(timedelta(hours=-11, minutes=-30))]),
        start=st.floats(0.0, 1e6),
        together=st.booleans(),
    )
    def begin(self, limits, money, zone, start, together):
        # Both clocks the same: what is a bucket's edge in one world is one in the other.
        self.clock = FakeClock(now=start, epoch=0.0)
        self.configs = RateLimiterConfig(limits, 500.0), DailyBudgetConfig(money, zone)
        self.together = together
        self.memory = self.gates(MemoryStore(clock=self.clock))
        self.stores = [self.open() for _ in range(PROCESSES)]
        self.shared = [self.gates(store) for store in self.stores]
        self.calls = []

    def open(self):
        return SQLiteStore(self.folder / "state.db", clock=self.clock, boot="one")

    def gates(self, store):
        limiter, budget = self.configs
        if self.together:
            return store.limiter_and_budget("dep", limiter, budget)
        return store.limiter("dep", limiter), store.budget("dep", budget)

    # -- calls -------------------------------------------------------------------------------

    @rule(process=processes, ask=asks)
    def ask(self, process, ask):
        self.ask_both(process, ask)

    @rule(process=processes, ask=asks, number=st.integers(2, 70))
    def ask_in_turn_until_refused(self, process, ask, number):
        for step in range(number):
            if not self.ask_both((process + step) % PROCESSES, ask):
                break

    def ask_both(self, process, ask):
        call = Call(process, [])
        for memory, shared in zip(self.memory, self.shared[process], strict=True):
            one, other = memory.admit(ask), shared.admit(ask)
            if isinstance(one, Permit):
                assert isinstance(other, Permit), f"{one} but {other}"
                call.twins.append((one, other))
                continue
            assert type(one) is type(other), f"{one} but {other}"
            assert (one.retry_after, one.cause) == (other.retry_after, other.cause)
            assert (one.line is memory) == (other.line is shared)
            for twin in call.twins:
                for permit in reversed(twin):
                    permit.cancel()
            return False
        self.calls.append(call)
        return True

    @precondition(lambda self: self.calls)
    @rule(index=st.integers(0, 1000), outcome=outcomes, order=orders)
    def settle(self, index, outcome, order):
        for twin in order(self.calls.pop(index % len(self.calls)).twins):
            for permit in twin:
                permit.settle(outcome)

    @precondition(lambda self: self.calls)
    @rule(index=st.integers(0, 1000), order=orders)
    def cancel(self, index, order):
        for twin in order(self.calls.pop(index % len(self.calls)).twins):
            for permit in twin:
                permit.cancel()

    @rule(process=processes, seconds=st.sampled_from([0.0, 2.0, 30.0, 1e9]))
    def pause(self, process, seconds):
        self.memory[0].pause(seconds)
        self.shared[process][0].pause(seconds)

    # -- ends and starts ---------------------------------------------------------------------

    @rule(process=processes)
    def start_again(self, process):
        for call in [call for call in self.calls if call.process == process]:
            self.calls.remove(call)
            for memory, shared in call.twins:
                memory.settle(ABANDONED)
                shared.done = True
        self.stores[process].close()
        self.stores[process] = self.open()
        self.shared[process] = self.gates(self.stores[process])
        # A store opens with the first call, and looks for the dead then.
        self.shared[process][1].stats()

    # -- time --------------------------------------------------------------------------------

    @rule(seconds=steps)
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-3600.0, 3600.0, 90_000.0]))
    def step_the_wall_clock(self, seconds):
        self.clock.step_wall(seconds)

    # -- what always holds -------------------------------------------------------------------

    @invariant()
    def every_photograph_is_the_same(self):
        limits, money = (gate.stats() for gate in self.memory)
        for limiter, budget in self.shared:
            seen = limiter.stats()
            assert (seen.windows, seen.paused_for) == (limits.windows, limits.paused_for)
            seen = budget.stats()
            assert (seen.spent_nanousd, seen.reserved_nanousd) == (
                money.spent_nanousd,
                money.reserved_nanousd,
            )

    def teardown(self):
        for call in getattr(self, "calls", ()):
            for twin in call.twins:
                for permit in twin:
                    permit.done = True
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)


def _quick_folder():
    """Memory if the machine has a folder there: what a disk does is the business of others."""
    return next((path for path in ("/dev/shm",) if Path(path).is_dir()), None)


@pytest.mark.properties
@pytest.mark.timeout(0)
def test_a_gate_in_a_file_admits_what_a_gate_in_memory_admits():
    run_state_machine_as_test(
        Twins, settings=settings(max_examples=settings().max_examples, stateful_step_count=40)
    )
