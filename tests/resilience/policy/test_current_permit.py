"""Whoever is called may know what let its call in."""

from koo.resilience import (
    SUCCESS,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Policy,
    current_permit,
)

GATE = Bulkhead("gate", BulkheadConfig(2))
OTHER = CircuitBreaker("other")


async def test_the_running_call_knows_its_permit_of_each_gate():
    found = []

    async def operation():
        found.append((current_permit(GATE), current_permit(OTHER)))

    await Policy("both", gates=(GATE, OTHER)).run(operation)
    [(permit, other)] = found
    assert (permit.gate, other.gate) == (GATE, OTHER)
    assert permit.done


async def test_of_a_gate_that_it_did_not_pass_it_has_none():
    async def operation():
        return current_permit(OTHER)

    assert await Policy("one", gates=(GATE,)).run(operation) is None


def test_outside_of_a_call_there_is_none():
    assert current_permit(GATE) is None


async def test_an_inner_call_does_not_show_what_let_the_outer_one_in():
    async def inner():
        return current_permit(GATE)

    async def outer():
        return await Policy("inner").run(inner), current_permit(GATE)

    seen, own = await Policy("outer", gates=(GATE,)).run(outer)
    assert seen is None
    assert own.gate is GATE


async def test_who_settles_one_permit_himself_leaves_the_others_to_the_policy():
    first, second = Bulkhead("first", BulkheadConfig(1)), CircuitBreaker("second")

    async def operation():
        current_permit(first).settle(SUCCESS)

    await Policy("dep", gates=(first, second)).run(operation)
    assert (first.stats().double_settled_total, second.stats().outcomes) == (1, 1)
