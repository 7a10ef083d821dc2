"""The page has buttons for the database and for AI services; of others it names none as safe.

The verdict offered to half-open the circuit of a program's own component, as if it were a
service; pressing it threw in the page, and nothing happened.
"""

import pytest

from koo.monitoring import Monitor
from koo.resilience import CheckStats, Health, Report
from koo.testing import FakeClock


def shown(name, state):
    """The verdict on a component whose check has just been answered."""
    clock = FakeClock()

    class Own:
        def report(self):
            check = CheckStats(True, clock.time())
            return Report(component=name, kind="own", state=state, check=check, cause="5 of 5")

    Own.name = name
    monitor = Monitor([Own()], clock=clock)
    for _ in range(100):
        monitor.observe()
        clock.advance(1)
    return monitor.dashboard().verdict


@pytest.mark.parametrize("state", [*Health])
def test_no_button_is_named_for_a_component_of_ones_own(state):
    assert shown("queue", state).safe_action is None


def test_an_open_circuit_of_ones_own_is_waited_for():
    view = shown("queue", Health.CIRCUIT_OPEN)
    assert view.component == "queue"
    assert view.advice == "Wait: the circuit probes by itself. This page has no button for it."


def test_that_of_a_service_has_its_button():
    assert shown("ai:claude", Health.CIRCUIT_OPEN).safe_action == "half_open_service"
