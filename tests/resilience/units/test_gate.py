"""Permits, as every gate issues them; and the one clock that is not owned by a test."""

import gc
import time

import pytest

from koo.resilience import ABANDONED, ONE_REQUEST, RANDOM, SUCCESS, SYSTEM_CLOCK, Permit
from koo.resilience.gate import HeldPermit, issue


class Recorder:
    """A gate that writes down what its permits tell it."""

    def __init__(self):
        self.double_settled_total = 0
        self.told = []

    def settled(self, permit, outcome):
        self.told.append(outcome)

    def cancelled(self, permit):
        self.told.append("cancelled")


@pytest.fixture
def gate():
    return Recorder()


def permit_of(gate, kind=HeldPermit):
    return kind(gate, ONE_REQUEST, 0.0, 0)


def test_a_permit_is_settled_once(gate):
    permit = permit_of(gate)
    for _ in range(3):
        permit.settle(SUCCESS)
    permit.cancel()
    assert gate.told == [SUCCESS]
    assert gate.double_settled_total == 3


def test_a_permit_is_cancelled_once(gate):
    permit = permit_of(gate)
    permit.cancel()
    permit.cancel()
    permit.settle(SUCCESS)
    assert gate.told == ["cancelled"]
    assert gate.double_settled_total == 2


def test_a_permit_that_holds_something_and_is_dropped_settles_itself_as_abandoned(gate):
    permit_of(gate)
    gc.collect()
    assert gate.told == [ABANDONED]
    assert gate.double_settled_total == 0


def test_a_permit_that_holds_nothing_has_nothing_to_give_back(gate):
    permit_of(gate, Permit)
    gc.collect()
    assert not gate.told


def test_a_permit_that_was_settled_and_is_dropped_stays_as_it_was(gate):
    permit_of(gate).settle(SUCCESS)
    permit_of(gate).cancel()
    gc.collect()
    assert gate.told == [SUCCESS, "cancelled"]


def test_a_permit_lost_in_a_cycle_settles_itself_too(gate):
    knot = [permit_of(gate)]
    knot.append(knot)
    del knot
    gc.collect()
    assert gate.told == [ABANDONED]


def test_a_permit_that_has_settled_itself_can_not_be_settled_again():
    kept = []

    class Keeper(Recorder):
        def settled(self, permit, outcome):
            kept.append(permit)
            super().settled(permit, outcome)

    gate = Keeper()
    permit_of(gate)
    gc.collect()
    kept[0].settle(SUCCESS)
    assert gate.told == [ABANDONED]
    assert gate.double_settled_total == 1


def test_one_that_is_issued_quickly_is_called_as_any_other(gate):
    permit = issue(gate, ONE_REQUEST, 0.0, 0)
    assert repr(permit).startswith("<koo.resilience.gate.Permit object")
    assert permit.done is False


def test_the_systems_clock_is_the_machines_own():
    assert abs(SYSTEM_CLOCK.time() - time.time()) < 5
    assert SYSTEM_CLOCK.monotonic() <= SYSTEM_CLOCK.monotonic()
    assert repr(SYSTEM_CLOCK) == "SYSTEM_CLOCK"


async def test_the_systems_clock_sleeps_on_the_loop():
    await SYSTEM_CLOCK.sleep(3600)


def test_chance_is_a_share():
    assert all(0 <= RANDOM() < 1 for _ in range(100))
