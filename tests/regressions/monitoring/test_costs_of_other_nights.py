"""What an outage cost was told with all that was ever refused."""

from koo.monitoring import Monitor
from koo.resilience import (
    ONE_REQUEST,
    SUCCESS,
    BreakerConfig,
    CircuitBreaker,
    Failure,
    Report,
    derive_health,
)
from koo.testing import FakeClock


class Database:
    name = "database"

    def __init__(self, clock):
        config = BreakerConfig(recovery_timeout=60, ramp_timeout=0)
        self.breaker = CircuitBreaker("database", config, clock=clock, random=lambda: 0)

    def break_down(self, *, refused):
        for permit in [self.breaker.admit(ONE_REQUEST) for _ in range(5)]:
            permit.settle(Failure(retryable=True, trips=True, cause="down"))
        for _ in range(refused):
            self.breaker.admit(ONE_REQUEST)

    def report(self):
        stats = self.breaker.stats()
        return Report(
            component="database", kind="database", state=derive_health(stats, None),
            since=stats.since, breaker=stats,
        )  # fmt: skip


def test_an_outage_costs_what_was_refused_since_it_began():
    clock = FakeClock()
    database = Database(clock)
    monitor = Monitor([database], clock=clock)
    database.break_down(refused=100_000)
    monitor.observe()
    assert monitor.dashboard().verdict.costs == "100,000 calls refused since it began"
    clock.advance(3600)
    database.breaker.reset()
    monitor.observe()
    clock.advance(3600)
    database.break_down(refused=3)
    monitor.observe()
    assert monitor.dashboard().verdict.costs == "3 calls refused since it began"


def test_an_outage_that_nobody_has_looked_at_yet_costs_all_that_was_refused():
    clock = FakeClock()
    database = Database(clock)
    database.break_down(refused=7)
    assert Monitor([database], clock=clock).dashboard().verdict.costs.startswith("7 calls")
    database.breaker.reset()
    database.breaker.admit(ONE_REQUEST).settle(SUCCESS)
    assert Monitor([database], clock=clock).dashboard().verdict.costs is None
