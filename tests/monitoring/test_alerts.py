"""Alerts: which report makes which, how long it lasts, and what it says."""

from dataclasses import replace

import pytest

from koo.monitoring import RULES, RUNBOOKS, AlertState, Notice, Severity, find_alerts
from koo.resilience import Health, Mode, Reading

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING


def table(made):
    """Every rule, with a report that it finds something in."""
    spent = replace(made.service(state=Health.RATE_LIMITED), cause="budget")
    full = tuple(
        replace(reading, value=0) if reading.name == "budget.remaining" else reading
        for reading in spent.readings
    )
    return {
        "database:circuit-open": (CRITICAL, made.database(Health.CIRCUIT_OPEN)),
        "database:out-of-service": (
            CRITICAL,
            made.database(Health.CIRCUIT_OPEN, breaker=made.breaker(mode=Mode.ISOLATED)),
        ),
        "database:unavailable": (
            CRITICAL,
            made.database(Health.UNHEALTHY, check=made.FAILED_CHECK),
        ),
        "database:degraded": (WARNING, made.database(Health.DEGRADED)),
        "database:unhealthy": (WARNING, made.database(Health.UNHEALTHY)),
        "database:pool-near": (WARNING, made.database(readings={"pool.active": 24})),
        "ai:claude:circuit-open": (CRITICAL, made.service(state=Health.CIRCUIT_OPEN)),
        "ai:claude:unavailable": (
            CRITICAL,
            made.service(state=Health.UNHEALTHY, check=made.FAILED_CHECK),
        ),
        "ai:claude:degraded": (WARNING, made.service(state=Health.DEGRADED)),
        "ai:claude:unhealthy": (WARNING, made.service(state=Health.UNHEALTHY)),
        "ai:claude:out-of-service": (CRITICAL, made.service(state=Health.MAINTENANCE)),
        "ai:claude:limit-reached": (WARNING, made.service(state=Health.RATE_LIMITED)),
        "ai:claude:limit-near": (WARNING, made.service(used=(48, 10, 10))),
        "ai:claude:budget-spent": (WARNING, replace(spent, readings=full)),
        "ai:claude:budget-near": (WARNING, made.service(spent=8_000_000_000)),
    }


def test_the_table_has_every_rule(made):
    kinds = {"database": "database", "ai": "ai:claude"}
    assert set(table(made)) == {f"{kinds[rule.kind]}:{rule.name}" for rule in RULES}


def test_each_report_makes_exactly_its_alert(made):
    for identity, (severity, report) in table(made).items():
        [alert] = find_alerts([report], (), made.NOW)
        assert (alert.id, alert.severity) == (identity, severity)


def test_a_healthy_system_is_silent(made):
    assert find_alerts([made.database(), made.service()], (), made.NOW) == ()


def test_a_service_without_a_key_is_silent(made):
    assert find_alerts([made.without_key()], (), made.NOW) == ()


def test_a_message_says_what_since_when_and_what_to_do(made):
    report = made.database(Health.CIRCUIT_OPEN, since=made.NOW - 95, cause="5 of 5 calls failed")
    [alert] = find_alerts([report], (), made.NOW)
    assert alert.message == (
        "database: circuit open, calls refused at once since 22:11:45 UTC; see that the server "
        "runs and answers; koo probes by itself and closes when it does"
    )
    assert alert.cause == "5 of 5 calls failed"
    assert alert.since == made.NOW - 95


def test_yesterdays_trouble_says_its_date(made):
    report = made.database(Health.CIRCUIT_OPEN, since=made.NOW - 86_400)
    [alert] = find_alerts([report], (), made.NOW)
    assert "since 2023-11-13 22:13:20 UTC" in alert.message


def test_every_rule_names_a_runbook_that_is_listed(made):
    assert {rule.runbook for rule in RULES} <= set(RUNBOOKS.values())
    used = {rule.runbook for rule in RULES} | {
        RUNBOOKS["recovered"],
        RUNBOOKS["configuration-changed"],
    }
    assert used == set(RUNBOOKS.values())


def test_an_alert_keeps_its_beginning_while_it_lasts(made):
    report = made.database(Health.UNHEALTHY)
    first = find_alerts([report], (), made.NOW)
    later = find_alerts([report], first, made.NOW + 60)
    assert [alert.since for alert in later] == [made.NOW]


def test_a_nearly_exhausted_pool_is_pending_until_it_has_lasted(made):
    report = made.database(readings={"pool.waiting": 1})
    first = find_alerts([report], (), made.NOW)
    assert first[0].state is AlertState.PENDING
    later = find_alerts([report], first, made.NOW + 5)
    assert later[0].state is AlertState.FIRING


def test_a_pending_alert_that_goes_leaves_nothing(made):
    first = find_alerts([made.database(readings={"pool.waiting": 1})], (), made.NOW)
    assert find_alerts([made.database()], first, made.NOW + 1) == ()


@pytest.mark.parametrize(("used", "rings"), [(47, False), (48, True)])
def test_a_rate_limit_is_near_from_four_fifths(made, used, rings):
    assert bool(find_alerts([made.service(used=(used, 0, 0))], (), made.NOW)) is rings


@pytest.mark.parametrize(("used", "rings"), [(42, True), (41, False)])
def test_a_limit_that_was_near_stays_so_down_to_seven_tenths(made, used, rings):
    before = find_alerts([made.service(used=(50, 0, 0))], (), made.NOW)
    after = find_alerts([made.service(used=(used, 0, 0))], before, made.NOW + 1)
    assert ("ai:claude:limit-near" in {alert.id for alert in after}) is rings


def test_every_window_that_is_near_is_named(made):
    [alert] = find_alerts([made.service(used=(59, 900, 0))], (), made.NOW)
    assert alert.cause == "59 of 60 requests per minute, 900 of 1000 requests per hour"


def test_what_recovered_is_news_for_five_minutes(made):
    broken = find_alerts([made.database(Health.CIRCUIT_OPEN)], (), made.NOW - 12)
    [news] = find_alerts([made.database()], broken, made.NOW)
    assert (news.id, news.severity) == ("database:recovered", Severity.INFO)
    assert news.state is AlertState.RESOLVED
    assert news.cause == "It was: database circuit open, since 22:13:08 UTC"
    assert find_alerts([made.database()], [news], made.NOW + 299) == (news,)
    assert find_alerts([made.database()], [news], made.NOW + 300) == ()


def test_recovering_is_not_yet_recovered(made):
    broken = find_alerts([made.database(Health.CIRCUIT_OPEN)], (), made.NOW)
    after = find_alerts([made.database(Health.DEGRADED)], broken, made.NOW + 1)
    assert [alert.id for alert in after] == ["database:degraded"]


def test_a_queue_at_the_moment_of_recovery_does_not_hide_it(made):
    """When a database comes back everybody wants a connection at once."""
    broken = find_alerts([made.database(Health.CIRCUIT_OPEN)], (), made.NOW)
    crowded = made.database(readings={"pool.waiting": 9})
    after = find_alerts([crowded], broken, made.NOW + 1)
    assert [alert.id for alert in after] == ["database:recovered", "database:pool-near"]


def test_new_trouble_ends_the_news_of_recovery(made):
    broken = find_alerts([made.database(Health.CIRCUIT_OPEN)], (), made.NOW)
    news = find_alerts([made.database()], broken, made.NOW + 1)
    again = find_alerts([made.database(Health.CIRCUIT_OPEN)], news, made.NOW + 2)
    assert [alert.id for alert in again] == ["database:circuit-open"]


def test_recovery_names_the_worst_that_was(made):
    report = made.database(Health.CIRCUIT_OPEN, readings={"pool.waiting": 3})
    first = find_alerts([report], (), made.NOW)
    both = find_alerts([report], first, made.NOW + 10)
    assert len(both) == 2
    [news] = find_alerts([made.database()], both, made.NOW + 20)
    assert "database circuit open" in news.cause


def test_changed_settings_are_named_for_an_hour(made):
    notice = Notice("system", ("DB_MAX_RETRIES", "AI_MAX_RETRIES"), made.NOW)
    [alert] = find_alerts([], (), made.NOW + 3599, [notice])
    assert (alert.id, alert.severity) == ("system:configuration-changed", Severity.INFO)
    assert alert.cause == "DB_MAX_RETRIES, AI_MAX_RETRIES"
    assert find_alerts([], [alert], made.NOW + 3600, [notice]) == ()


def test_the_most_urgent_come_first_and_the_database_before_services(made):
    reports = [
        made.service("a", Health.DEGRADED),
        made.service("b", Health.CIRCUIT_OPEN, since=made.NOW),
        made.database(Health.CIRCUIT_OPEN, since=made.NOW - 9, readings={"pool.waiting": 1}),
    ]
    alerts = find_alerts(reports, (), made.NOW)
    assert [alert.id for alert in alerts] == [
        "database:circuit-open", "ai:b:circuit-open", "ai:a:degraded", "database:pool-near",
    ]  # fmt: skip


def test_a_budget_of_nothing_is_never_near(made):
    readings = (Reading("budget.spent", 0, limit=0),)
    assert find_alerts([replace(made.service(), readings=readings)], (), made.NOW) == ()


def test_a_service_without_a_budget_has_no_budget_alert(made):
    report = replace(made.service(state=Health.RATE_LIMITED), readings=())
    [alert] = find_alerts([report], (), made.NOW)
    assert alert.id == "ai:claude:limit-reached"


def test_a_day_that_is_spent_to_the_last_dollar_is_spent_whatever_else_is_known(made):
    readings = (Reading("budget.spent", 10_000_000_000, limit=10_000_000_000),)
    report = replace(made.service(state=Health.RATE_LIMITED), readings=readings)
    [alert] = find_alerts([report], (), made.NOW)
    assert alert.id == "ai:claude:budget-spent"


def test_a_dead_key_needs_a_person_and_says_so(made):
    """Its circuit is open, but nothing probes: waiting would be the wrong advice."""
    report = made.service(
        state=Health.CIRCUIT_OPEN, breaker=made.breaker(mode=Mode.ISOLATED), cause="key refused"
    )
    [alert] = find_alerts([report], (), made.NOW)
    assert (alert.id, alert.cause) == ("ai:claude:out-of-service", "key refused")
    assert "does not heal by itself" in alert.message


def test_a_check_that_failed_before_the_last_success_is_old_news(made):
    check = replace(made.FAILED_CHECK, success_since=True)
    [alert] = find_alerts([made.database(Health.UNHEALTHY, check=check)], (), made.NOW)
    assert alert.id == "database:unhealthy"
