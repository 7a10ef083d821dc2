"""A call's way: admitted by all gates or none, settled once, counted once."""

import asyncio
import gc

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded, Rejected, Saturated
from koo.resilience import (
    Advice,
    Ask,
    Bulkhead,
    BulkheadConfig,
    CallRejected,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Failure,
    Limit,
    Permit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    Spent,
    State,
    Success,
)
from koo.testing import running_clock

from ..tools import trip
from .actors import QUICK, Dependency, policy, started


class Recorder:
    """A gate that remembers every word said to it."""

    def __init__(self, name, log, refusal=None):
        self.name, self.log, self.refusal = name, log, refusal
        self.double_settled_total = 0

    def admit(self, ask):
        self.log.append(f"{self.name} asked")
        return self.refusal or Permit(self, ask, 0.0, 0)

    def settled(self, permit, outcome):
        self.log.append(f"{self.name} settled {type(outcome).__name__}")

    def cancelled(self, permit):
        self.log.append(f"{self.name} cancelled")


async def test_a_call_returns_what_its_operation_returns():
    dependency = Dependency("fine")
    assert await policy().run(dependency) == "fine"


async def test_gates_are_asked_in_order_and_all_are_settled():
    log = []
    await policy(gates=[Recorder("a", log), Recorder("b", log)]).run(Dependency())
    assert log[:2] == ["a asked", "b asked"]
    assert sorted(log[2:]) == ["a settled Success", "b settled Success"]


async def test_one_refusal_hands_back_what_the_others_gave():
    log = []
    gates = [Recorder("a", log), Recorder("b", log), Recorder("c", log, Rejected("c"))]
    dependency = Dependency()
    with pytest.raises(Rejected):
        await policy(gates=[*gates, Recorder("d", log)]).run(dependency)
    assert log == ["a asked", "b asked", "c asked", "b cancelled", "a cancelled"]
    assert not dependency.calls


@pytest.mark.parametrize(
    ("error", "settled"),
    [
        (OSError(), "Failure"),
        (ValueError(), "Failure"),
        (KeyboardInterrupt(), "Abandoned"),
        (SystemExit(), "Abandoned"),
        (GeneratorExit(), "Abandoned"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_whatever_the_operation_raises_every_permit_is_settled(error, settled):
    log = []
    with pytest.raises(type(error)):
        _raise(policy(gates=[Recorder("a", log)]), error)
    assert log == ["a asked", f"a settled {settled}"]


def _raise(through, error):
    """Step by hand: some of these must not reach the loop."""

    async def operation():
        raise error

    call = through.run(operation)
    try:
        call.send(None)
    finally:
        call.close()


async def test_an_operation_that_is_not_even_async_is_settled_too():
    log = []

    def broken():
        raise OSError("before it was awaited")

    with pytest.raises(OSError, match="before it was awaited"):
        await policy(gates=[Recorder("a", log)]).run(broken)
    assert log == ["a asked", "a settled Failure"]


async def test_a_refusal_inside_hands_the_permits_back():
    """An inner gate's refusal says nothing about the dependency."""
    log = []
    with pytest.raises(Saturated):
        await policy(gates=[Recorder("a", log)]).run(Dependency(Saturated("inner")))
    assert log == ["a asked", "a cancelled"]


async def test_every_attempt_passes_the_gates_anew():
    log = []
    dependency = Dependency(OSError(), OSError(), "fine")
    assert await policy(gates=[Recorder("a", log)], retry=QUICK).run(dependency) == "fine"
    assert log == ["a asked", "a settled Failure"] * 2 + ["a asked", "a settled Success"]


async def test_nobody_holds_a_permit_while_backing_off():
    clock = running_clock()
    gate = Bulkhead("dep", BulkheadConfig(1), clock=clock)
    through = policy(gates=[gate], retry=QUICK)
    waiting = await started(through.run(Dependency(OSError(), "fine")))
    assert gate.stats().in_flight == 0
    assert await policy("other", gates=[gate]).run(Dependency("between")) == "between"
    assert await waiting == "fine"


async def test_an_open_breaker_is_never_waited_for():
    gate = CircuitBreaker("dep", clock=running_clock())
    trip(gate)
    dependency = Dependency()
    with pytest.raises(CircuitOpen):
        await policy(gates=[gate], timeout=100, retry=QUICK).run(dependency)
    assert running_clock().monotonic() == 0
    assert not dependency.calls


async def test_the_appraiser_says_what_a_value_cost():
    clock = running_clock()
    budget = DailyBudget("dep", DailyBudgetConfig(1000), clock=clock)
    through = policy(
        gates=[budget], appraise=lambda value: Success(spent=Spent(nanousd=len(value)))
    )
    await through.run(Dependency("seven!!"), Ask(nanousd=100))
    assert budget.stats().spent_nanousd == 7


async def test_an_appraiser_that_raises_costs_the_reservation_and_not_the_answer():
    budget = DailyBudget("dep", DailyBudgetConfig(1000), clock=running_clock())
    through = policy(gates=[budget], appraise=lambda value: value.cost)
    assert await through.run(Dependency("fine"), Ask(nanousd=100)) == "fine"
    assert budget.stats().spent_nanousd == 100
    assert through.stats().appraiser_errors_total == 1


async def test_the_advice_of_an_answer_reaches_the_limiter():
    limiter = RateLimiter("dep", RateLimiterConfig((Limit(9, 60),)), clock=running_clock())
    advice = Success(advice=Advice(remaining_requests=0, reset_after=30))
    await policy(gates=[limiter], appraise=lambda _: advice).run(Dependency())
    assert limiter.stats().paused_for == 30


async def test_the_classifiers_word_on_what_a_failure_spent_is_debited():
    budget = DailyBudget("dep", DailyBudgetConfig(1000), clock=running_clock())
    spent = Failure(retryable=False, trips=True, spent=Spent(nanousd=3))
    through = policy(gates=[budget], classify=lambda _: spent)
    with pytest.raises(OSError):
        await through.run(Dependency(OSError()), Ask(nanousd=100))
    assert budget.stats().spent_nanousd == 3


async def test_a_classifier_that_raises_costs_the_caller_nothing_but_a_note():
    def broken(error):
        raise LookupError("its own trouble")

    with pytest.raises(OSError, match="the real one") as caught:
        await policy(classify=broken, retry=QUICK).run(Dependency(OSError("the real one")))
    assert caught.value.__notes__ == ["dep: the classifier raised LookupError; mend it"]


async def test_every_call_is_counted_once_however_it_ends():
    clock = running_clock()
    gate = Bulkhead("dep", BulkheadConfig(1), clock=clock)
    through = policy(gates=[gate], retry=QUICK, patience=5)
    await through.run(Dependency())
    await through.outcome(Dependency(ValueError()))
    await through.outcome(Dependency(OSError(), OSError(), "fine"))
    await through.outcome(Dependency(OSError()))
    await through.outcome(Dependency(Saturated("inner")))
    await _cancelled(through.run(Dependency(9.0)))
    await _cancelled(through.run(Dependency(OSError())))
    held = gate.admit(Ask())
    await _cancelled(through.run(Dependency()))
    assert (await through.outcome(Dependency())).error.gate == "dep"
    held.cancel()
    async with through.permit():
        pass
    stats = through.stats()
    assert stats.calls_total == 10
    assert (stats.successes_total, stats.failures_total) == (3, 2)
    assert (stats.rejected_total, stats.abandoned_total) == (2, 3)
    assert stats.attempts_total == 1 + 1 + 3 + 3 + 0 + 1 + 1 + 0 + 0 + 1
    assert stats.retries_total == 2 + 2


async def _cancelled(coroutine):
    task = await started(coroutine)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_latency_is_that_of_the_attempts():
    through = policy(retry=QUICK)
    await through.run(Dependency(2.0))
    await through.run(Dependency(OSError(), "fine"))
    latency = through.stats().latency
    assert (latency.count, latency.total) == (3, pytest.approx(2.0))


async def test_a_refusal_is_told():
    told = []
    gate = CircuitBreaker("breaker", clock=running_clock())
    gate.open_until(30, "busy")
    await policy(gates=[gate], on_event=told.append).outcome(Dependency())
    assert told == [CallRejected("dep", "breaker", "circuit open", 30)]


async def test_the_breaker_learns_from_the_calls():
    gate = CircuitBreaker("dep", clock=running_clock())
    through = policy(gates=[gate])
    for _ in range(5):
        await through.outcome(Dependency(OSError()))
    assert gate.stats().state is State.OPEN


async def test_a_call_that_is_never_awaited_asks_nobody():
    log = []
    call = policy(gates=[Recorder("a", log)]).run(Dependency())
    call.close()
    gc.collect()
    assert not log


async def test_a_policy_needs_nothing_but_a_name():
    assert await Policy("plain").run(Dependency()) == "fine"
    assert (await Policy("plain").outcome(Dependency(ValueError()))).ok is False


async def test_a_spent_deadline_asks_the_gates_for_nothing_they_keep():
    log = []
    with pytest.raises(DeadlineExceeded):
        await policy("outer", timeout=1).run(lambda: _late(log))
    assert log.count("a asked") == log.count("a cancelled")


async def _late(log):
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        await policy("inner", gates=[Recorder("a", log)]).run(Dependency())
