"""At most so many at once."""

import gc

import pytest

from koo.errors import Saturated
from koo.resilience import ABANDONED, Ask, Bulkhead, BulkheadConfig, BulkheadStats

from ..tools import EVERY_OUTCOME, admitted, refused
from .waiters import Visitor, queue


@pytest.fixture
def gate():
    return Bulkhead("dep", BulkheadConfig(max_concurrent=2))


def test_it_admits_as_many_as_it_holds_and_no_more(gate):
    held = [admitted(gate), admitted(gate)]
    refusal = refused(gate)
    assert isinstance(refusal, Saturated)
    assert str(refusal) == (
        "dep: too many calls at once (2 in flight, 0 waiting); try again when a call ends"
    )
    del held


def test_a_permit_knows_whose_it_is_and_what_was_asked_for(gate):
    ask = Ask(tokens=3)
    permit = admitted(gate, ask)
    assert (permit.gate, permit.ask) == (gate, ask)


@pytest.mark.parametrize("outcome", EVERY_OUTCOME)
def test_however_a_call_ends_it_makes_room(gate, outcome):
    held = [admitted(gate), admitted(gate)]
    held[0].settle(outcome)
    held.append(admitted(gate))
    refused(gate)


def test_a_call_that_was_never_made_makes_room(gate):
    for _ in range(10):
        admitted(gate).cancel()
    assert gate.stats().in_flight == 0


def test_a_dropped_permit_makes_room(gate):
    held = [gate.admit(Ask()), gate.admit(Ask())]
    held.clear()
    gc.collect()
    assert gate.stats().in_flight == 0


def test_settling_twice_makes_room_once(gate):
    held = [admitted(gate), admitted(gate)]
    held[0].settle(ABANDONED)
    held[0].settle(ABANDONED)
    held[0].cancel()
    assert gate.stats().in_flight == 1
    assert gate.stats().double_settled_total == 2


def test_a_photograph_tells_all(gate):
    held = [admitted(gate), admitted(gate)]
    refused(gate)
    visitors = queue(gate, Ask(), Ask(), Ask())
    assert gate.stats() == BulkheadStats(
        name="dep",
        max_concurrent=2,
        in_flight=2,
        waiting=3,
        rejected_total=1,
        double_settled_total=0,
    )
    del held, visitors


def test_room_goes_to_the_line_before_any_newcomer(gate):
    held = [admitted(gate), admitted(gate)]
    (visitor,) = queue(gate, Ask())
    held[0].cancel()
    assert visitor.permit is not None
    refused(gate)


def test_a_newcomer_does_not_pass_who_could_not_yet_be_served(gate):
    held = [admitted(gate), admitted(gate)]
    first, second = queue(gate, Ask(), Ask())
    held[0].cancel()
    assert (first.permit is None, second.permit is None) == (False, True)
    first.permit.cancel()
    assert second.permit is not None
    held[1].cancel()
    admitted(gate)


def test_whoever_joins_when_there_is_room_is_served_at_once(gate):
    (visitor,) = queue(gate, Ask())
    assert visitor.permit is not None
    assert gate.stats().waiting == 0


def test_a_bulkhead_that_lets_nothing_through_is_refused_at_birth():
    with pytest.raises(ValueError, match="^BulkheadConfig: max_concurrent must be at least 1$"):
        BulkheadConfig(max_concurrent=0)


def test_a_full_line_of_the_departed_need_no_deep_stack(gate):
    held = [admitted(gate), admitted(gate)]
    for number in range(999):
        gate.join(Visitor(arrived=number, gone=True))
    last = Visitor(arrived=1e9)
    gate.join(last)
    held[0].cancel()
    assert last.permit is not None
    assert gate.stats().in_flight == 2
