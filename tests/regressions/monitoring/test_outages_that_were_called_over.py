"""An outage was told to be over because nobody could say that it was not.

A report that raised for a minute ended the alerts about its component; and a wall clock that was
set forward made every check overdue, one that was set back hid that checks had stopped.
"""

import pytest

from koo.monitoring import AlertState, Monitor
from koo.resilience import CheckStats, Health, Reading, Report
from koo.testing import FakeClock


class Component:
    name = "database"

    def __init__(self):
        self.state = Health.CIRCUIT_OPEN
        self.check_stats = None
        self.readings = ()
        self.broken = False

    def report(self):
        if self.broken:
            raise TypeError
        return Report(
            component=self.name,
            kind="database",
            state=self.state,
            check=self.check_stats,
            readings=self.readings,
        )


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def component():
    return Component()


@pytest.fixture
def watched(clock, component):
    """A monitor that looks once a second, and what it told."""
    told = []
    monitor = Monitor([component], clock=clock, on_alert=told.append)

    def look(seconds):
        for _ in range(seconds):
            monitor.observe()
            clock.advance(1)
        return [(event.alert.id.partition(":")[2], event.alert.state) for event in told]

    return look


def test_what_cannot_be_seen_is_not_over(component, watched):
    watched(5)
    component.broken = True
    before = watched(300)
    assert ("circuit-open", AlertState.RESOLVED) not in before
    component.broken, component.state = False, Health.HEALTHY
    assert watched(70)[len(before) :] == [
        ("circuit-open", AlertState.RESOLVED),
        ("unhealthy", AlertState.RESOLVED),
    ]


def test_what_was_quiet_when_it_could_no_longer_be_seen_is_not_over_either(component, watched):
    watched(5)
    component.state = Health.HEALTHY
    watched(30)
    component.broken = True
    assert ("circuit-open", AlertState.RESOLVED) not in watched(300)


def test_what_only_pends_does_not_fire_unseen(component, watched):
    component.state = Health.HEALTHY
    component.readings = (Reading("pool.size", 10), Reading("pool.active", 9))
    assert watched(3) == [("pool-near", AlertState.PENDING)]
    component.broken = True
    assert ("pool-near", AlertState.FIRING) not in watched(60)


def stale(told):
    return [state for rule, state in told if rule == "check-stale"]


def checked(component, clock):
    component.state = Health.HEALTHY
    component.check_stats = CheckStats(True, clock.time(), 0.01, interval=30.0)


def test_a_wall_clock_that_is_set_forward_makes_no_check_overdue(clock, component, watched):
    checked(component, clock)
    watched(5)
    clock.step_wall(7200)
    assert stale(watched(20)) == []


def test_a_wall_clock_that_is_set_back_hides_no_check_that_has_stopped(clock, component, watched):
    checked(component, clock)
    watched(5)
    clock.step_wall(-7200)
    assert stale(watched(80)) == []
    assert stale(watched(10)) == [AlertState.FIRING]


def test_a_check_that_was_made_between_two_looks_was_made_just_now(clock, component, watched):
    checked(component, clock)
    watched(80)
    checked(component, clock)
    assert stale(watched(60)) == []


def test_checks_after_a_wall_clock_was_set_back_are_heard_although_the_last_success_was_later(
    clock, component, watched
):
    checked(component, clock)
    component.readings = (Reading("last_success_at", clock.time() + 1),)
    watched(5)
    clock.step_wall(-7200)
    for _ in range(10):
        checked(component, clock)
        told = watched(30)
    assert stale(told) == []
