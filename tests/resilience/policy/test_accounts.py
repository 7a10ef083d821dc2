"""What a policy counts, notes and tells beside the value or the error."""

import asyncio

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded
from koo.resilience import (
    Abandoned,
    Ask,
    Backoff,
    Bulkhead,
    BulkheadConfig,
    CallRejected,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Deadline,
    Failure,
    Policy,
    RetryConfig,
    Spent,
)
from koo.testing import FakeClock, running_clock

from ..tools import FAILED, trip
from .actors import QUICK, Dependency, policy

ONCE = RetryConfig(max_retries=1, backoff=Backoff(base_delay=1))


async def test_every_kind_of_end_is_counted_each_time():
    def unreadable(_value):
        raise LookupError

    through = policy(timeout=5, appraise=unreadable)
    for _ in range(2):
        await through.run(Dependency())
        await through.outcome(Dependency(), timeout=0)
        for outcome in (FAILED, Abandoned()):
            async with through.permit() as block:
                block.settle(outcome)
    stats = through.stats()
    assert stats.name == "dep"
    assert (stats.successes_total, stats.failures_total, stats.abandoned_total) == (2, 4, 2)
    assert (stats.calls_total, stats.attempts_total, stats.appraiser_errors_total) == (8, 6, 2)


async def test_a_block_that_was_given_up_may_know_what_it_spent():
    money = DailyBudget("money", DailyBudgetConfig(100), clock=running_clock())
    async with policy(gates=[money]).permit(Ask(nanousd=10)) as block:
        block.settle(Abandoned(spent=Spent(nanousd=3)))
    assert money.stats().spent_nanousd == 3


async def test_a_timeout_shows_where_the_operation_stood():
    with pytest.raises(DeadlineExceeded) as caught:
        await policy(timeout=1).run(Dependency(9.0))
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


async def test_what_a_broken_classifier_was_asked_about_says_nothing_of_health():
    def broken(_error):
        raise LookupError

    told = []

    class Listening(Bulkhead):
        def settled(self, permit, outcome):
            told.append(outcome)
            super().settled(permit, outcome)

    gate = Listening("room", BulkheadConfig(1), clock=running_clock())
    with pytest.raises(OSError, match="real"):
        await policy(gates=[gate], classify=broken).run(Dependency(OSError("real")))
    assert told == [Failure(retryable=False, trips=False, cause="classifier")]


async def test_a_call_that_was_retried_once_says_so():
    with pytest.raises(OSError, match="real") as caught:
        await policy(retry=ONCE).run(Dependency(OSError("real")))
    assert caught.value.__notes__ == ["dep: gave up after 2 attempts"]


async def test_a_wait_that_would_be_waited_for_is_not_noted_as_too_long():
    def longest(_error):
        return Failure(retryable=True, trips=True, retry_after=120.0)

    with pytest.raises(OSError, match="real") as caught:
        await policy(retry=RetryConfig(max_retries=0), classify=longest).run(
            Dependency(OSError("real"))
        )
    assert not hasattr(caught.value, "__notes__")
    await policy(retry=ONCE, classify=longest).run(Dependency(OSError("real"), "fine"))
    assert running_clock().monotonic() == pytest.approx(132)


async def test_a_refusal_is_told_whatever_the_form():
    told = []
    gate = CircuitBreaker("breaker", clock=running_clock())
    trip(gate)
    with pytest.raises(CircuitOpen):
        await policy(gates=[gate], on_event=told.append).run(Dependency())
    assert told == [CallRejected("dep", "breaker", "circuit open", pytest.approx(60, rel=0.1))]


async def test_a_call_that_half_of_the_past_calls_would_have_finished_in_time_is_begun():
    through = policy()
    for seconds in [1.0, 10.0] * 60:
        await through.run(Dependency(seconds))
    soon = Deadline(running_clock().monotonic() + 2)
    assert await through.run(Dependency(1.0), Ask(deadline=soon)) == "late"


async def test_an_error_that_many_raise_gathers_eight_notes_and_no_more():
    shared = OSError("one for all")
    for number in range(12):
        await policy(f"dep-{number}", retry=ONCE).outcome(Dependency(shared))
    assert [note.split(":")[0] for note in shared.__notes__] == [f"dep-{n}" for n in range(8)]


async def test_errors_that_are_each_others_cause_are_followed_to_no_end():
    first, second = OSError("first"), OSError("second")
    first.__cause__, second.__cause__ = second, first
    with pytest.raises(OSError, match="first"):
        await policy(retry=ONCE).run(Dependency(first))


class Overslept:
    """The running clock; its second sleep takes five seconds more than it should."""

    def __init__(self):
        self.clock, self.sleeps = running_clock(), 0
        self.monotonic, self.time = self.clock.monotonic, self.clock.time

    async def sleep(self, seconds):
        self.sleeps += 1
        await self.clock.sleep(seconds + 5 * (self.sleeps == 2))


async def test_who_is_too_late_for_a_third_attempt_has_made_two():
    through = Policy("dep", clock=Overslept(), random=lambda: 1.0, timeout=6, retry=QUICK)
    ended = await through.outcome(Dependency(OSError("real")))
    assert (str(ended.error), ended.attempts) == ("real", 2)
    assert ended.error.__notes__ == ["dep: gave up after 2 attempts"]


@pytest.mark.parametrize("seconds", [1.0, 1.5])
async def test_a_block_is_not_entered_when_its_gates_took_all_the_time(seconds):
    clock = FakeClock()

    class Slow(Bulkhead):
        __slots__ = ()

        def admit(self, ask):
            clock.advance(seconds)
            return super().admit(ask)

    gate = Slow("slow", BulkheadConfig(1), clock=clock)
    with pytest.raises(DeadlineExceeded, match="too little time to begin"):
        async with Policy("dep", gates=[gate], clock=clock).permit(timeout=1.0):
            pytest.fail("entered")
    assert gate.stats().in_flight == 0
