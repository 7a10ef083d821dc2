"""One outage is one alert; what follows from it is counted and not listed."""

from dataclasses import replace

import pytest

from koo.monitoring import INHIBITIONS, RULES
from koo.resilience import Health


def burning(made, minutes, **more):
    """A watch of a service whose every call fails, and what it saw last."""
    watch = made.Watch()
    for minute in range(minutes + 1):
        report = made.service(**more)
        numbers = {"requests_total": minute * 100.0, "failures_total": minute * 100.0}
        readings = [one._replace(value=numbers.get(one.name, one.value)) for one in report.readings]
        judgement = watch.look(replace(report, readings=tuple(readings)), after=60)
        watch.see(replace(report, readings=tuple(readings)), after=60)
    return watch, judgement


def names(alerts):
    return [alert.id.rpartition(":")[2] for alert in alerts]


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (Health.CIRCUIT_OPEN, "circuit-open"),
        (Health.DEGRADED, "degraded"),
        (Health.MAINTENANCE, "out-of-service"),
    ],
)
def test_an_outage_is_shown_as_one_alert_and_the_burns_are_counted(made, state, shown):
    _, judgement = burning(made, 40, state=state)
    assert names(judgement.alerts) == [shown]
    assert names(judgement.inhibited) == ["budget-burn-fast", "budget-burn-slow"]


def test_a_burn_without_an_outage_is_shown(made):
    _, judgement = burning(made, 40)
    assert names(judgement.alerts) == ["budget-burn-fast"]
    assert names(judgement.inhibited) == ["budget-burn-slow"]


def test_what_burns_after_the_circuit_has_closed_is_shown_though_the_outage_is_not_over(made):
    """Told is the outage, which is quiet; shown is the truth of the moment."""
    watch, _ = burning(made, 40, state=Health.CIRCUIT_OPEN)
    closed = made.service(state=Health.UNHEALTHY)
    numbers = {"requests_total": 4100.0, "failures_total": 4100.0}
    readings = tuple(
        one._replace(value=numbers.get(one.name, one.value)) for one in closed.readings
    )
    judgement = watch.look(replace(closed, readings=readings), after=1)
    assert names(judgement.alerts) == ["budget-burn-fast"]
    assert "ai:claude:circuit-open" in judgement.memory.incidents


def test_a_grave_alert_that_is_pending_hides_nothing(made):
    """Tasks that wait in vain make the nearly full pool needless only once that fires."""
    watch = made.Watch()
    waiting = {"pool.active": 30, "pool.waiting": 4}
    watch.see(made.database(readings=waiting | {"timeouts_total": 6}))
    full = made.database(readings=waiting | {"timeouts_total": 9})
    watch.see(full, after=6)
    assert names(watch.look(full, after=5).alerts) == ["pool-near", "pool-exhausted"]
    watch.see(full, after=5)
    assert names(watch.look(full, after=10).alerts) == ["pool-exhausted"]
    assert names(watch.look(full, after=10).inhibited) == ["pool-near"]


def test_every_inhibition_is_between_rules_that_exist():
    known = {rule.name for rule in RULES}
    assert known >= INHIBITIONS.keys() | {name for less in INHIBITIONS.values() for name in less}
