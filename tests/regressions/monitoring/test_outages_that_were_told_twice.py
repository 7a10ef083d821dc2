"""An outage was told twice: that its circuit was half-open was an alert beside it.

And an alert of an outage that had begun later was over later than the one that had muted it, so
people were told that a service recovers when it had been well for a minute.
"""

import pytest

from koo.monitoring import Monitor, Now
from koo.monitoring.notify import Book, Mutes, RoutingConfig, decide
from koo.resilience import Health, Report
from koo.testing import FakeClock

OPEN, HALF_OPEN, CLOSED = Health.CIRCUIT_OPEN, Health.DEGRADED, Health.HEALTHY
STEP = 5


class Component:
    name = "ai:claude"
    state = CLOSED

    def report(self):
        return Report(component=self.name, kind="ai", state=self.state)


def told(*stretches):
    """What people are told of states that last so many seconds each, and of half an hour after."""
    clock, component, book, told = FakeClock(), Component(), Book(), []
    monitor = Monitor([component], clock=clock)
    for state, seconds in (*stretches, (CLOSED, 1800)):
        component.state = state
        for _ in range(0, seconds, STEP):
            monitor.observe()
            standing, now = monitor.standing(), Now.of(clock)
            book, messages = decide(RoutingConfig(), standing, Mutes(), book, now=now)
            told += [in_short(message) for message in messages]
            clock.advance(STEP)
    return told


def in_short(message):
    marks = [f"+{one.id}" for one in message.firing] + [f"-{one.id}" for one in message.resolved]
    return " ".join([message.group, *marks])


@pytest.mark.parametrize(
    "outage",
    [
        [(OPEN, 60), (HALF_OPEN, 30), (OPEN, 120)],
        [(OPEN, 60), (HALF_OPEN, 30)],
        [(OPEN, 60), (HALF_OPEN, 300)],
        [(OPEN, 20), (HALF_OPEN, 20)] * 4,
    ],
    ids=["probes fail", "probes succeed", "probes take their time", "it flaps"],
)
def test_an_outage_is_told_once_and_its_end_once(outage):
    assert told(*outage) == [
        "ai:critical +ai:claude:circuit-open",
        "ai:critical -ai:claude:circuit-open",
    ]


def test_who_has_not_been_told_of_the_outage_is_told_that_the_circuit_is_half_open():
    assert told((HALF_OPEN, 60)) == [
        "ai:warning +ai:claude:degraded",
        "ai:warning -ai:claude:degraded",
    ]
