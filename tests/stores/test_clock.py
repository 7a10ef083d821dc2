"""The store's time: one for all processes, never back, unmoved by corrections of the wall clock."""

import pytest

from koo.resilience import Ask, Limit
from koo.stores.schema import boot_of_machine
from koo.testing import FakeClock

from .conftest import NOON
from .tools import HOUR, MINUTE, admitted, limiter, refused, rows, used

ONE = Ask()
BOOTED = 5.0


def clock_of(place):
    ((boot, ahead),) = rows(place, "SELECT * FROM clock")
    return boot, ahead


@pytest.fixture
def gate_of():
    """The limiter of a store: one call in a minute, two in an hour."""
    return lambda store: limiter(store, Limit(1, MINUTE), Limit(2, HOUR))


def test_it_begins_with_the_wall_clock(open_store, gate_of, place):
    admitted(gate_of(open_store()), ONE)
    assert rows(place)[0][1] == NOON


@pytest.mark.parametrize("step", [-7200, 7200])
def test_a_step_of_the_wall_clock_moves_no_window(open_store, gate_of, clock, step):
    """Neither for who runs on nor for who starts after it."""
    running = gate_of(open_store())
    admitted(running, ONE)
    clock.step_wall(step)
    clock.advance(30)
    starting = gate_of(open_store())
    for gate in (running, starting):
        assert refused(gate, ONE).retry_after == pytest.approx(30, abs=1)
        assert used(gate) == [1, 1]


def test_processes_that_start_around_a_step_of_the_wall_clock_have_one_time(
    open_store, gate_of, clock
):
    gates = [gate_of(open_store())]
    admitted(gates[0], ONE).cancel()
    clock.step_wall(100_000)
    gates.append(gate_of(open_store()))
    admitted(gates[1], ONE)
    refused(gates[0], ONE)


def rebooted(open_store, wall):
    """The store after the machine has booted: its monotonic time began anew."""
    return open_store(boot="second", clock=FakeClock(now=BOOTED, epoch=wall - BOOTED))


def test_after_a_boot_it_goes_on_from_the_wall_clock(open_store, gate_of, place):
    store = open_store()
    admitted(gate_of(store), ONE)
    store.close()
    again = gate_of(rebooted(open_store, NOON + 90))
    assert used(again) == [0, 1]
    admitted(again, ONE)
    assert clock_of(place) == ("second", NOON + 90 - BOOTED)


def test_after_a_boot_with_a_late_wall_clock_it_goes_on_from_what_was_written(
    open_store, gate_of, place
):
    store = open_store()
    admitted(gate_of(store), ONE)
    store.close()
    again = gate_of(rebooted(open_store, NOON - 7200))
    assert refused(again, ONE).retry_after == pytest.approx(MINUTE, abs=1)
    assert clock_of(place) == ("second", NOON - BOOTED)


def test_where_nobody_names_the_boot_time_that_ran_back_betrays_it(open_store, gate_of, place):
    store = open_store(boot="")
    admitted(gate_of(store), ONE)
    store.close()
    again = open_store(boot="", clock=FakeClock(now=BOOTED, epoch=NOON + 90 - BOOTED))
    assert used(gate_of(again)) == [0, 1]
    assert clock_of(place) == ("", NOON + 90 - BOOTED)


def test_the_machine_names_its_boot_or_does_not(tmp_path):
    file = tmp_path / "boot_id"
    assert boot_of_machine(file) == ""
    file.write_text("1b2c\n")
    assert boot_of_machine(file) == "1b2c"
