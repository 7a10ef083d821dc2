"""A gate that returned None let the call through, past all others; one that raised cost its ask.

The call for which it was asked was in no count; of one that had failed before, the error was lost.
"""

import asyncio
from types import SimpleNamespace

import pytest

from koo.resilience import Ask, DailyBudget, DailyBudgetConfig, Limit, Permit
from koo.testing import running_clock

from ...resilience.policy.actors import QUICK, Dependency, bulkhead, limiter, policy, started

ASK = Ask(nanousd=5)
A_PERMIT_BY_LIKENESS = SimpleNamespace(settle=None, cancel=None)


class Faulty:
    """A gate that answers with what it was given, or raises it."""

    name = "mine"

    def __init__(self, answer):
        self.answer = answer

    def admit(self, ask):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


async def by_run(through, operation):
    await through.run(operation, ASK)


async def by_block(through, operation):
    async with through.permit(ASK):
        await operation()


async def by_loop(through, operation):
    async for attempt in through.asking(ASK):
        async with attempt:
            await operation()


async def by_stream(through, operation):
    async def items():
        yield await operation()

    await anext(through.stream(items, ASK))


async def by_outcome(through, operation):
    outcome = await through.outcome(operation, ASK)
    raise outcome.error


async def by_hurried_outcome(through, operation):
    outcome = await through.outcome(operation, ASK, timeout=9)
    raise outcome.error


FORMS = pytest.mark.parametrize(
    "form", [by_run, by_block, by_loop, by_stream, by_outcome, by_hurried_outcome]
)


def budget():
    return DailyBudget("money", DailyBudgetConfig(10), clock=running_clock())


@FORMS
@pytest.mark.parametrize("answer", [None, True, A_PERMIT_BY_LIKENESS])
@pytest.mark.parametrize("place", [0, 1, 3])
async def test_what_is_no_answer_lets_nobody_in_and_is_said(form, answer, place):
    gates = [bulkhead(), budget(), limiter(Limit(9, 60))]
    gates.insert(place, Faulty(answer))
    operation = Dependency()
    with pytest.raises(TypeError, match="mine: admit returned .*; return a Permit or a Rejected"):
        await form(policy(gates=gates), operation)
    assert not operation.calls


@FORMS
@pytest.mark.parametrize("answer", [None, ValueError("broken")])
async def test_what_the_gates_before_it_granted_is_given_back(form, answer):
    places, money, lim = bulkhead(), budget(), limiter(Limit(9, 60))
    with pytest.raises((TypeError, ValueError)):
        await form(policy(gates=[places, money, lim, Faulty(answer)]), Dependency())
    assert (places.stats().in_flight, lim.stats().windows[0].used) == (0, 0)
    assert (money.stats().spent_nanousd, money.stats().reserved_nanousd) == (0, 0)


async def test_nor_does_it_let_in_who_has_waited_in_line():
    """The other gates are asked anew when a waiter's turn comes."""
    places, money, mine = bulkhead(), budget(), Faulty(None)
    holder = places.admit(ASK)
    task = await started(policy(gates=[money, places, mine], timeout=9).run(Dependency(), ASK))
    assert places.stats().waiting == 1
    holder.cancel()
    with pytest.raises(TypeError, match="mine: admit returned None"):
        await task
    await asyncio.sleep(0)
    assert (places.stats().in_flight, places.stats().waiting) == (0, 0)
    assert (money.stats().spent_nanousd, money.stats().reserved_nanousd) == (0, 0)


class Tired(Faulty):
    """A gate that admits the first that asks, and raises for all others."""

    double_settled_total = 0

    def __init__(self):
        super().__init__(Permit(self, ASK, 0.0, 0))

    def admit(self, ask):
        answer = super().admit(ask)
        self.answer = RuntimeError("broken")
        return answer

    def settled(self, permit, outcome):
        """Hear nothing."""


@FORMS
async def test_a_call_that_no_gate_answers_has_failed(form):
    through = policy(gates=[Faulty(RuntimeError("broken"))], retry=QUICK)
    with pytest.raises(RuntimeError, match="broken"):
        await form(through, Dependency())
    stats = through.stats()
    assert (stats.calls_total, stats.failures_total, stats.attempts_total) == (1, 1, 0)
    with pytest.raises(RuntimeError, match="broken"):
        await form(through, Dependency())
    assert through.stats().failures_total == 2


@pytest.mark.parametrize("form", [by_run, by_loop, by_stream, by_outcome, by_hurried_outcome])
async def test_what_has_failed_before_a_gate_raises_is_what_counts(form):
    through = policy(gates=[Tired()], retry=QUICK)
    with pytest.raises(ConnectionResetError) as caught:
        await form(through, Dependency(ConnectionResetError("real")))
    assert "dep: refused (a gate raised RuntimeError)" in caught.value.__notes__[0]
    stats = through.stats()
    assert (stats.calls_total, stats.failures_total, stats.attempts_total) == (1, 1, 1)
    assert (stats.retries_total, stats.gate_errors_total) == (0, 1)


@pytest.mark.parametrize("parts", [{}, {"timeout": 9}])
async def test_an_outcome_counts_only_attempts_that_were_made(parts):
    for gate, attempts in ((Faulty(RuntimeError()), 0), (Tired(), 1)):
        through = policy(gates=[gate], retry=QUICK)
        outcome = await through.outcome(Dependency(ConnectionResetError()), **parts)
        assert (outcome.attempts, outcome.waited) == (attempts, attempts)


async def test_each_gate_that_raises_when_it_is_asked_again_is_counted():
    gate = Tired()
    through = policy(gates=[gate], retry=QUICK)
    for number in (1, 2):
        gate.answer = Permit(gate, ASK, 0.0, 0)
        with pytest.raises(ConnectionResetError):
            await through.run(Dependency(ConnectionResetError()))
        assert through.stats().gate_errors_total == number


async def test_what_was_waited_for_goes_back_once_when_another_gate_raises():
    gate, faulty = bulkhead(), Faulty(RuntimeError("broken"))
    held = gate.admit(ASK)
    task = await started(policy(gates=[gate, faulty], timeout=9).run(Dependency()))
    held.cancel()
    with pytest.raises(RuntimeError, match="broken"):
        await task
    assert (gate.stats().in_flight, gate.stats().double_settled_total) == (0, 0)
