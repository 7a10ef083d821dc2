"""An alert about an open circuit said that the outage began with the last failed probe."""

from koo.monitoring import Monitor
from koo.resilience import (
    SUCCESS,
    Ask,
    BreakerConfig,
    CircuitBreaker,
    Failure,
    Report,
    derive_health,
)
from koo.testing import FakeClock

REFUSED = Failure(retryable=True, trips=True, cause="refused")


class Database:
    """A component with a real breaker, and nothing behind it."""

    name = "database"

    def __init__(self, clock):
        self.breaker = CircuitBreaker(
            self.name, BreakerConfig(recovery_timeout=10), clock=clock, random=lambda: 0.0
        )

    def call(self, outcome):
        self.breaker.admit(Ask()).settle(outcome)

    def report(self):
        stats = self.breaker.stats()
        return Report(
            component=self.name,
            kind="database",
            state=derive_health(stats),
            since=stats.since,
            cause=stats.cause,
            breaker=stats,
        )


def test_an_outage_begins_once_however_many_probes_fail():
    clock = FakeClock()
    database = Database(clock)
    monitor = Monitor([database], clock=clock)
    for _ in range(5):
        database.call(REFUSED)
    began = clock.time()
    seen = set()
    for _ in range(3):
        seen |= {(alert.title, alert.since) for alert in monitor.observe()}
        clock.advance(60)
        permit = database.breaker.admit(Ask())
        seen |= {(alert.title, alert.since) for alert in monitor.observe()}
        permit.settle(REFUSED)
    assert seen == {("Database circuit open", began), ("Database recovering", began)}


def test_the_outage_after_a_recovery_begins_anew():
    clock = FakeClock()
    database = Database(clock)
    monitor = Monitor([database], clock=clock)
    for _ in range(5):
        database.call(REFUSED)
    monitor.observe()
    clock.advance(60)
    database.call(SUCCESS)
    database.call(SUCCESS)
    monitor.observe()
    clock.advance(61)
    monitor.observe()
    database.breaker.open_until(5, "by the other side")
    [alert] = monitor.observe()
    assert alert.since == clock.time()
