"""Waiting in line, as a policy does it."""

import asyncio
from contextvars import ContextVar

import pytest

from koo.errors import BudgetExhausted, RateLimited, Rejected, Saturated
from koo.resilience import (
    SUCCESS,
    Ask,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Limit,
    Permit,
    State,
)
from koo.resilience.line import hold_lines
from koo.resilience.policy.line import LoopHome
from koo.testing import running_clock

from ..tools import trip
from .actors import QUICK, Dependency, bulkhead, limiter, policy, started


async def test_the_waits_in_two_lines_add_up():
    first, second, loop = (
        bulkhead(name="first"),
        bulkhead(name="second"),
        asyncio.get_running_loop(),
    )
    await asyncio.sleep(50)
    loop.call_later(3, first.admit(Ask()).cancel)
    loop.call_later(7, second.admit(Ask()).cancel)
    ended = await policy(gates=[first, second], timeout=100).outcome(Dependency(1.0))
    assert (ended.value, ended.waited) == ("late", pytest.approx(7))


async def test_callers_are_served_in_order_of_arrival():
    gate, order = bulkhead(), []
    through = policy(gates=[gate], timeout=100)

    async def visit(number):
        await asyncio.sleep(number / 100)
        await through.run(Dependency(1.0))
        order.append(number)

    await asyncio.gather(*(visit(number) for number in range(20)))
    assert order == list(range(20))
    assert running_clock().monotonic() == pytest.approx(20, abs=0.01)


async def test_the_wait_is_part_of_the_outcome_and_not_of_the_latency():
    gate = bulkhead()
    held = gate.admit(Ask())
    asyncio.get_running_loop().call_later(3, held.cancel)
    through = policy(gates=[gate], timeout=10)
    ended = await through.outcome(Dependency(1.0))
    assert ended.waited == pytest.approx(3)
    assert through.stats().latency.total == pytest.approx(1)


async def test_an_attempt_that_waited_has_its_own_time_in_full():
    gate = bulkhead()
    held = gate.admit(Ask())
    asyncio.get_running_loop().call_later(3, held.cancel)
    through = policy(gates=[gate], timeout=10, attempt_timeout=2)
    assert await through.run(Dependency(1.9)) == "late"


async def test_who_waits_holds_no_permit_of_another_gate():
    first, second = bulkhead(5), limiter(Limit(1, 60))
    through = policy(gates=[first, second], timeout=100)
    await through.run(Dependency())
    waiting = await started(through.run(Dependency()))
    assert (first.stats().in_flight, second.stats().waiting) == (0, 1)
    await waiting
    assert first.stats().in_flight == 0


async def test_the_one_called_asks_the_other_gates_again():
    first, breaker = bulkhead(), CircuitBreaker("breaker", clock=running_clock())
    through = policy(gates=[breaker, first], timeout=100)
    held = first.admit(Ask())
    waiting = await started(through.run(Dependency()))
    trip(breaker)
    held.cancel()
    with pytest.raises(Rejected, match="circuit open"):
        await waiting
    assert first.stats().in_flight == 0


async def test_refused_by_another_gate_it_takes_its_place_there_by_its_arrival():
    clock, order = running_clock(), []
    limit, room = limiter(Limit(1, 60)), bulkhead()
    await policy("warm", gates=[limit]).run(Dependency())
    held = room.admit(Ask())
    both = policy("both", gates=[limit, room], timeout=200)
    alone = policy("alone", gates=[room], timeout=200)

    async def visit(through, name):
        await through.run(Dependency())
        order.append(name)

    early = await started(visit(both, "early"))
    await clock.sleep(1)
    late = await started(visit(alone, "late"))
    await clock.sleep(70)
    assert (limit.stats().waiting, room.stats().waiting) == (0, 2)
    held.cancel()
    await asyncio.gather(early, late)
    assert order == ["early", "late"]


async def test_a_cancelled_waiter_leaves_the_line():
    gate = bulkhead()
    held = gate.admit(Ask())
    through = policy(gates=[gate], timeout=100)
    first = await started(through.run(Dependency()))
    second = await started(through.run(Dependency()))
    first.cancel()
    await asyncio.sleep(0)
    assert gate.stats().waiting == 1
    held.cancel()
    assert await second == "fine"


async def test_a_waiter_cancelled_in_the_instant_of_its_grant_hands_it_on():
    gate = bulkhead()
    held = gate.admit(Ask())
    through = policy(gates=[gate], timeout=100)
    first, second = [await started(through.run(Dependency())) for _ in range(2)]
    held.cancel()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second == "fine"
    assert gate.stats().in_flight == 0


async def test_a_waiter_cancelled_in_the_instant_of_its_refusal_is_cancelled():
    gate = DailyBudget("budget", DailyBudgetConfig(100), clock=running_clock())
    held = gate.admit(Ask(nanousd=100))
    through = policy(gates=[gate], timeout=100)
    waiter = await started(through.run(Dependency(), Ask(nanousd=50)))
    held.settle(SUCCESS)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_a_grant_handed_on_is_cancelled_and_not_debited():
    gate = limiter(Limit(10, 60, "tokens"))
    held = gate.admit(Ask(tokens=10))
    through = policy(gates=[gate], timeout=100)
    waiter = await started(through.run(Dependency(), Ask(tokens=10)))
    held.cancel()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert gate.stats().windows[0].used == 0


async def test_a_full_line_refuses_at_once():
    gate = bulkhead()
    held = gate.admit(Ask())
    through = policy(gates=[gate], timeout=100)
    waiting = [await started(through.run(Dependency())) for _ in range(1000)]
    with pytest.raises(Saturated, match="1000 calls are waiting"):
        await through.run(Dependency())
    held.cancel()
    assert len(await asyncio.gather(*waiting)) == 1000


async def test_a_waiter_whose_call_is_closed_leaves_the_line():
    """As a framework does that steps its coroutines by hand."""
    gate = bulkhead()
    held = gate.admit(Ask())
    call = policy(gates=[gate], timeout=100).run(Dependency())
    call.send(None)
    assert gate.stats().waiting == 1
    call.close()
    await asyncio.sleep(0)
    assert gate.stats().waiting == 0
    held.cancel()
    assert gate.stats().in_flight == 0


async def test_a_waiter_hears_at_once_that_waiting_has_become_useless():
    gate = DailyBudget("budget", DailyBudgetConfig(100), clock=running_clock())
    held = gate.admit(Ask(nanousd=100))
    waiting = await started(policy(gates=[gate], timeout=100).run(Dependency(), Ask(nanousd=50)))
    held.settle(SUCCESS)
    with pytest.raises(BudgetExhausted, match="what is left of the day is too little"):
        await waiting
    assert running_clock().monotonic() == 0


async def test_an_ask_larger_than_the_limit_is_refused_at_once():
    gate = limiter(Limit(10, 60, "tokens"))
    with pytest.raises(RateLimited, match="larger than the limit"):
        await policy(gates=[gate], timeout=100).run(Dependency(), Ask(tokens=11))
    assert running_clock().monotonic() == 0


async def test_a_spent_day_is_not_waited_for():
    gate = DailyBudget("budget", DailyBudgetConfig(0), clock=running_clock())
    with pytest.raises(BudgetExhausted):
        await policy(gates=[gate], timeout=1e6).run(Dependency(), Ask(nanousd=1))
    assert running_clock().monotonic() == 0


async def test_a_probing_breaker_is_not_waited_for():
    breaker = CircuitBreaker("breaker", clock=running_clock())
    trip(breaker)
    breaker.half_open()
    through = policy(gates=[breaker], timeout=100)
    probe = await started(through.run(Dependency(5.0)))
    with pytest.raises(Rejected, match="probing"):
        await through.run(Dependency())
    assert running_clock().monotonic() == 0
    await probe
    assert breaker.stats().state is State.HALF_OPEN


async def test_a_gate_without_a_line_refuses_at_once():
    class Stranger:
        name = "stranger"

        def admit(self, ask):
            return Rejected(self.name, 1.0)

    with pytest.raises(Rejected):
        await policy(gates=[Stranger()], timeout=100).run(Dependency())
    assert running_clock().monotonic() == 0


async def test_a_line_of_a_stranger_is_not_joined():
    class Stranger:
        name = "stranger"

        def admit(self, ask):
            refusal = Rejected(self.name, 1.0)
            refusal.line = self
            return refusal

    with pytest.raises(Rejected):
        await policy(gates=[Stranger()], timeout=100).run(Dependency())


async def test_midnight_serves_the_line_of_a_budget():
    clock = running_clock()
    gate = DailyBudget("budget", DailyBudgetConfig(100), clock=clock)
    hung = gate.admit(Ask(nanousd=100))
    until_midnight = gate.stats().resets_at - clock.time()
    waiting = policy(gates=[gate], patience=1e6).run(Dependency(), Ask(nanousd=50))
    assert await waiting == "fine"
    assert clock.monotonic() == pytest.approx(until_midnight, abs=0.01)
    del hung


async def test_a_line_drains_at_the_rate_of_its_limit():
    clock, ends = running_clock(), []
    through = policy(gates=[limiter(Limit(10, 10))], patience=1000)

    async def visit():
        await through.run(Dependency())
        ends.append(clock.monotonic())

    await asyncio.gather(*(visit() for _ in range(100)))
    assert len(ends) == 100
    assert ends == sorted(ends)
    for first, eleventh in zip(ends, ends[10:], strict=False):
        assert eleventh - first >= 10 - 1e-6
    assert clock.monotonic() <= 90 * (1 + 1 / 32) + 1


async def test_the_permit_that_was_waited_for_is_settled_with_the_rest():
    gate, other = bulkhead(), bulkhead(9, "other")
    held = gate.admit(Ask())
    waiting = await started(policy(gates=[other, gate], timeout=9).run(Dependency(1.0)))
    held.cancel()
    await asyncio.sleep(0.5)
    assert (gate.stats().in_flight, other.stats().in_flight) == (1, 1)
    await waiting
    assert (gate.stats().in_flight, other.stats().in_flight) == (0, 0)
    assert isinstance(gate.admit(Ask()), Permit)


async def test_who_is_called_passes_a_full_line_of_those_who_came_later(monkeypatch):
    monkeypatch.setattr("koo.resilience.line.CAPACITY", 1)
    first, second = bulkhead(name="first"), bulkhead(name="second")
    held = first.admit(Ask()), second.admit(Ask())
    early = await started(policy(gates=[first, second], timeout=100).run(Dependency()))
    late = await started(policy(gates=[second], timeout=100).run(Dependency()))
    with hold_lines():
        for permit in held:
            permit.cancel()
    assert [await early, await late] == ["fine", "fine"]


async def test_a_waiter_that_was_cancelled_before_its_grant_takes_nothing():
    gate = limiter(Limit(1, 60))
    held = gate.admit(Ask())
    through = policy(gates=[gate], timeout=1000)
    first, second = [await started(through.run(Dependency())) for _ in range(2)]
    first.cancel()
    held.cancel()
    assert await second == "fine"
    assert running_clock().monotonic() == 0
    assert first.cancelled()


async def test_the_wait_in_line_is_beside_that_of_the_backoff():
    gate, loop = bulkhead(), asyncio.get_running_loop()
    loop.call_later(0.5, lambda: loop.call_later(3.5, gate.admit(Ask()).cancel))
    through = policy(gates=[gate], retry=QUICK, timeout=100)
    ended = await through.outcome(Dependency(OSError(), "fine"))
    assert (ended.value, ended.waited) == ("fine", pytest.approx(4))


async def test_a_line_moves_in_the_context_of_no_caller():
    whose, seen = ContextVar("whose", default="nobody's"), []
    whose.set("a caller's")
    LoopHome(asyncio.get_running_loop()).call(lambda: seen.append(whose.get()))
    await asyncio.sleep(0)
    assert seen == ["nobody's"]
