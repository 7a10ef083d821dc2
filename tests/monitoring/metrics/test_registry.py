"""The registry names everything that reports hold, and as many series as are configured."""

import dataclasses

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read

from koo.monitoring import EventCounts, Monitor
from koo.monitoring.metrics import OPEN_METRICS, Kind
from koo.resilience import (
    CallRejected,
    ConfigurationChanged,
    Distribution,
    GaveUp,
    Health,
    HealthChecked,
    Histogram,
    OperatorAction,
    Reading,
    Report,
    RetryScheduled,
    StateChanged,
)
from koo.testing import FakeClock


class Component:
    def __init__(self, report):
        self.name, self._report = report.component, report

    def report(self):
        return self._report


def monitor(*reports, counts=None):
    return Monitor(map(Component, reports), counts=counts, clock=FakeClock())


def values(watch, name):
    """The points of a family by the values of their labels."""
    [family] = [one for one in watch.metrics() if one.name == name]
    return {tuple(value for _, value in point.labels): point.value for point in family.points}


def test_the_pool_goes_out_under_its_names(made):
    watch = monitor(made.database())
    assert values(watch, "koo_db_pool_connections") == {
        ("database", "used"): 3, ("database", "idle"): 1,
    }  # fmt: skip
    assert values(watch, "koo_db_pool_pending_requests") == {("database",): 0}
    assert values(watch, "koo_db_pool_timeouts_total") == {("database",): 6}
    assert values(watch, "koo_db_errors_total") == {
        ("database", "connection"): 1, ("database", "timeout"): 2,
    }  # fmt: skip


def test_money_goes_out_in_dollars_and_limits_beside_what_they_limit(made):
    watch = monitor(made.service("claude"))
    assert values(watch, "koo_ai_budget_spent_usd") == {("claude",): pytest.approx(2.5)}
    assert values(watch, "koo_ai_budget_usd") == {("claude",): pytest.approx(10)}
    assert values(watch, "koo_ai_rate_limit") == {
        ("claude", "minute"): 60, ("claude", "hour"): 1000, ("claude", "day"): 10_000,
    }  # fmt: skip


def test_how_calls_ended_is_one_family(made):
    calls = values(monitor(made.service("claude")), "koo_ai_calls_total")
    assert calls == {("claude", "success"): 8, ("claude", "failure"): 2}


def test_exactly_one_state_of_each_component_is_1(made):
    watch = monitor(made.database(made.Health.CIRCUIT_OPEN), made.service())
    for family, states in (("koo_health", 6), ("koo_circuit", 3)):
        points = values(watch, family)
        for name in ("database", "ai:claude"):
            mine = [value for (component, _), value in points.items() if component == name]
            assert sorted(mine) == [0] * (states - 1) + [1]
    assert values(watch, "koo_circuit")["database", "open"] == 1


def test_a_service_without_a_key_is_left_out(made):
    assert not [
        family
        for family in monitor(made.without_key()).metrics()
        if any(("service", "gemini") in point.labels for point in family.points)
    ]


def test_a_component_without_breaker_and_check_has_its_state_only(made):
    report = dataclasses.replace(made.database(), breaker=None, check=None)
    names = {family.name for family in monitor(report).metrics()}
    assert "koo_health" in names
    assert not names & {"koo_circuit", "koo_check_ok"}


def test_a_reading_that_nobody_named_goes_out_under_its_own_name():
    spread = Histogram()
    spread.record(0.5)
    report = Report(
        component="outbox", kind="mail-box", state=Health.HEALTHY,
        readings=(Reading("letters.kept", 4), Reading("sent_total", 7, limit=9)),
        distributions=(Distribution("delay", spread.stats()),),
    )  # fmt: skip
    families = {family.name: family for family in monitor(report).metrics()}
    assert families["koo_mail_box_letters_kept"].kind is Kind.GAUGE
    assert families["koo_mail_box_sent_total"].kind is Kind.COUNTER
    assert families["koo_mail_box_delay_seconds"].spreads[0].stats.count == 1


def test_alerts_that_fire_are_told_by_name(made):
    watch = monitor(made.database(made.Health.CIRCUIT_OPEN))
    watch.observe()
    assert values(watch, "koo_alerts") == {("circuit-open", "database", "critical"): 1}


def test_the_families_are_sorted_and_every_one_can_be_read(made):
    watch = monitor(made.database(), made.service("claude"), made.service("openai"))
    families = watch.metrics()
    names = [family.name for family in families]
    assert names == sorted(set(names))
    parsed = list(read(OPEN_METRICS.write(families)))
    assert len(parsed) == len(families)


def test_every_family_says_what_it_is_and_ends_as_its_kind_does(made):
    for family in monitor(made.database(), made.service()).metrics():
        assert family.help.endswith("."), family.name
        assert family.name.endswith("_total") is (family.kind is Kind.COUNTER), family.name
        if family.unit:
            assert family.name.removesuffix("_total").endswith(f"_{family.unit}"), family.name


def test_looking_changes_no_number(made):
    watch = monitor(made.database())
    first, second = watch.metrics(), watch.metrics()
    assert first == second


EVENTS = (
    CallRejected("database", "database", "circuit open", 1.0),
    RetryScheduled("database", 1, 0.5, OSError()),
    GaveUp("database", 3, OSError()),
    StateChanged("database", "closed", "open", "5 of 5"),
    HealthChecked("database", True, None, 0.1),
    HealthChecked("database", False, "refused", 0.1),
    OperatorAction("database", "circuit reset", None, "page"),
    ConfigurationChanged("system", ("A",)),
)


def test_what_happens_is_counted_by_what_it_is(made):
    counts = EventCounts()
    for event in (*EVENTS, *EVENTS):
        counts.record(event)
    watch = monitor(made.database(), counts=counts)
    assert values(watch, "koo_refusals_total") == {("database", "circuit_open"): 2}
    assert values(watch, "koo_retries_total") == {("database",): 2}
    assert values(watch, "koo_give_ups_total") == {("database",): 2}
    assert values(watch, "koo_circuit_transitions_total") == {("database", "closed", "open"): 2}
    assert values(watch, "koo_operator_actions_total") == {("database", "circuit reset"): 2}
    checks = values(watch, "koo_checks_total")
    assert checks == {("database", "answered"): 2, ("database", "failed"): 2}


def test_what_never_happened_has_its_family_too():
    assert values(monitor(), "koo_retries_total") == {}


def test_a_hundred_thousand_names_are_no_more_series_than_a_thousand():
    counts = EventCounts(most=50)
    for number in range(100_000):
        counts.record(RetryScheduled(f"made-up-{number}", 1, 0.5, OSError()))
    retries = values(monitor(counts=counts), "koo_retries_total")
    assert len(retries) == 51
    assert retries["other",] == 99_950


def test_labels_that_are_made_up_are_not_remembered_for_ever(monkeypatch):
    monkeypatch.setattr("koo.monitoring.metrics.registry._MOST_PLANS", 10)
    names = iter(range(10**6))

    class Endless:
        name = "endless"

        def report(self):
            labels = (("name", f"made-up-{next(names)}"),)
            readings = (Reading("seen_total", 1, limit=5, labels=labels),)
            return Report(component="endless", kind="x", state=Health.HEALTHY, readings=readings)

    watch = Monitor([Endless()], clock=FakeClock())
    for _ in range(100):
        watch.metrics()
    assert len(watch._registry._plans) <= 10
    assert values(watch, "koo_x_seen_total") == {("endless", "made-up-100"): 1}


def test_a_service_whose_keys_are_not_counted_has_no_limit_of_them(made):
    report = dataclasses.replace(made.service(), readings=(Reading("keys.living", 2),))
    names = {family.name for family in monitor(report).metrics()}
    assert "koo_ai_keys_living" in names
    assert "koo_ai_keys" not in names
