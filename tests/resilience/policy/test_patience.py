"""How long a call waits in line, and what happens in the instant that its patience ends."""

import asyncio

import pytest

from koo.errors import BudgetExhausted, RateLimited, Saturated
from koo.resilience import (
    SUCCESS,
    Ask,
    DailyBudget,
    DailyBudgetConfig,
    Limit,
    Policy,
)
from koo.testing import running_clock

from .actors import Dependency, bulkhead, limiter, policy, started


async def test_without_a_deadline_nobody_waits():
    gate = bulkhead()
    held = gate.admit(Ask())
    with pytest.raises(Saturated):
        await policy(gates=[gate]).run(Dependency())
    assert running_clock().monotonic() == 0
    held.cancel()


async def test_by_default_patience_is_what_is_left_of_the_deadline():
    gate = bulkhead()
    held = gate.admit(Ask())
    with pytest.raises(Saturated):
        await policy(gates=[gate], timeout=7).run(Dependency())
    assert running_clock().monotonic() == pytest.approx(7)
    assert gate.stats().waiting == 0
    held.cancel()


async def test_patience_ends_the_wait_before_the_deadline():
    gate = bulkhead()
    held = gate.admit(Ask())
    with pytest.raises(Saturated):
        await policy(gates=[gate], timeout=7, patience=2).run(Dependency())
    assert running_clock().monotonic() == pytest.approx(2)
    held.cancel()


async def test_patience_is_counted_from_the_callers_arrival():
    gate = bulkhead()
    held = gate.admit(Ask())
    await asyncio.sleep(50)
    ended = await policy(gates=[gate], patience=2).outcome(Dependency())
    assert ended.error.gate == "bulkhead"
    assert running_clock().monotonic() == pytest.approx(52)
    assert ended.waited == pytest.approx(2)
    held.cancel()


async def test_patience_works_without_a_deadline():
    gate = bulkhead()
    held = gate.admit(Ask())
    asyncio.get_running_loop().call_later(1, held.cancel)
    assert await policy(gates=[gate], patience=2).run(Dependency()) == "fine"


async def test_who_waits_for_a_place_that_is_held_around_it_waits_until_its_patience_ends():
    room, dependency = bulkhead(1), Dependency()
    inner = policy("inner", gates=[room], patience=2)
    outcome = await policy("outer", gates=[room], timeout=60).outcome(lambda: inner.run(dependency))
    assert (outcome.error.gate, dependency.calls) == ("bulkhead", [])
    assert running_clock().monotonic() == pytest.approx(2, abs=1e-4)
    assert (room.stats().in_flight, room.stats().waiting) == (0, 0)


async def test_a_due_time_beyond_the_patience_is_refused_at_once():
    gate = limiter(Limit(1, 60))
    through = policy(gates=[gate], timeout=30)
    await through.run(Dependency())
    with pytest.raises(RateLimited) as caught:
        await through.run(Dependency())
    assert running_clock().monotonic() == 0
    assert caught.value.retry_after == pytest.approx(60, rel=1 / 60)


async def test_a_due_time_at_the_end_of_the_patience_is_refused_at_once():
    """A grant in that instant comes too late; nobody waits for it in vain."""
    gate = limiter(Limit(1, 60))
    await policy("warm", gates=[gate]).run(Dependency())
    due = gate.admit(Ask()).retry_after
    with pytest.raises(RateLimited):
        await policy(gates=[gate], patience=due).run(Dependency())
    assert running_clock().monotonic() == 0


async def test_a_due_time_within_the_patience_is_waited_for():
    gate = limiter(Limit(1, 60))
    through = policy(gates=[gate], timeout=100)
    await through.run(Dependency())
    await through.run(Dependency())
    assert running_clock().monotonic() == pytest.approx(61, abs=0.1)


async def test_a_grant_in_the_instant_that_patience_ends_goes_to_the_next():
    gate, loop = bulkhead(), asyncio.get_running_loop()
    held = gate.admit(Ask())
    hasty = await started(policy(gates=[gate], patience=3).run(Dependency()))
    patient = await started(policy(gates=[gate], patience=9).run(Dependency()))
    loop.call_at(3, held.cancel)
    with pytest.raises(Saturated):
        await hasty
    assert await patient == "fine"
    assert gate.stats().in_flight == 0


async def test_patience_that_ends_in_the_instant_of_a_grant_has_ended():
    """Whichever of the two timers fires first."""
    gate, loop = bulkhead(), asyncio.get_running_loop()
    held = gate.admit(Ask())
    loop.call_at(3, held.cancel)
    waiting = await started(policy(gates=[gate], patience=3).run(Dependency()))
    with pytest.raises(Saturated):
        await waiting
    assert gate.stats().in_flight == 0


async def test_a_refusal_in_the_instant_that_patience_ends_is_no_trouble():
    gate, loop = bulkhead(), asyncio.get_running_loop()
    budget = DailyBudget("budget", DailyBudgetConfig(100), clock=running_clock())
    held = budget.admit(Ask(nanousd=100))
    hasty = await started(
        policy(gates=[gate, budget], patience=3).run(Dependency(), Ask(nanousd=50))
    )
    loop.call_at(3, held.settle, SUCCESS)
    with pytest.raises(BudgetExhausted):
        await hasty
    assert gate.stats().in_flight == 0


async def test_a_grant_that_the_loop_delivers_too_late_is_handed_on():
    """The loop was busy between the grant and the waiter's next step."""
    clock, skew = running_clock(), [0.0]

    class Skewed:
        time, sleep = staticmethod(clock.time), staticmethod(clock.sleep)

        @staticmethod
        def monotonic():
            return clock.monotonic() + skew[0]

    gate = bulkhead()
    held = gate.admit(Ask())
    through = Policy("late", gates=[gate], timeout=3, clock=Skewed())
    dependency = Dependency()
    waiting = await started(through.run(dependency))
    held.cancel()
    skew[0] = 5.0
    with pytest.raises(Saturated):
        await waiting
    assert not dependency.calls
    assert gate.stats().in_flight == 0


async def test_a_grant_in_the_instant_that_patience_ends_is_not_debited():
    gate = DailyBudget("money", DailyBudgetConfig(100), clock=running_clock())
    loop = asyncio.get_running_loop()
    held = gate.admit(Ask(nanousd=100))
    hasty = await started(policy(gates=[gate], patience=3).run(Dependency(), Ask(nanousd=50)))
    loop.call_at(3, held.cancel)
    with pytest.raises(BudgetExhausted):
        await hasty
    assert (gate.stats().spent_nanousd, gate.stats().reserved_nanousd) == (0, 0)


async def test_who_stands_behind_others_is_refused_at_once_if_his_turn_comes_too_late():
    gate = limiter(Limit(1, 60))
    through = policy(gates=[gate], timeout=500)
    await through.run(Dependency())
    first = await started(through.run(Dependency()))
    with pytest.raises(RateLimited):
        await policy(gates=[gate], patience=30).run(Dependency())
    assert running_clock().monotonic() == 0
    await first


async def test_who_comes_before_others_waits_if_his_own_turn_comes_in_time():
    gate = limiter(Limit(1, 60))
    through = policy(gates=[gate], timeout=500)
    await through.run(Dependency())
    first = await started(through.run(Dependency()))
    urgent = policy(gates=[gate], patience=90)
    assert await urgent.run(Dependency(), Ask(priority=-1)) == "fine"
    assert running_clock().monotonic() == pytest.approx(61, abs=0.1)
    await first


async def test_a_patience_that_ends_by_a_clock_that_is_behind_the_loops_has_ended():
    clock, gate, dependency = running_clock(), bulkhead(), Dependency()

    class Behind:
        time, sleep = staticmethod(clock.time), staticmethod(clock.sleep)

        @staticmethod
        def monotonic():
            return clock.monotonic() * (1 - 1e-9)

    held = gate.admit(Ask())
    with pytest.raises(Saturated):
        await Policy("dep", gates=[gate], patience=3, clock=Behind()).run(dependency)
    assert dependency.calls == []
    held.cancel()
