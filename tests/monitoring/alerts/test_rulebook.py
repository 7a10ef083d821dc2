"""The rules that koo comes with: which report makes which alert, and what it says."""

from dataclasses import replace

import pytest

from koo.monitoring import RULES, RUNBOOKS, AlertState, Notice, Severity
from koo.resilience import CheckStats, Health, Mode, Reading, Report, State

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


def table(made):
    """Every rule that needs no past, with a report that it finds something in."""
    spent = replace(made.service(state=Health.RATE_LIMITED), cause="budget")
    full = tuple(
        reading._replace(value=0) if reading.name == "budget.remaining" else reading
        for reading in spent.readings
    )
    return {
        "database:circuit-open": (CRITICAL, made.database(Health.CIRCUIT_OPEN)),
        "database:out-of-service": (
            CRITICAL,
            made.database(
                Health.CIRCUIT_OPEN, breaker=made.breaker(State.OPEN, mode=Mode.ISOLATED)
            ),
        ),
        "database:unavailable": (
            CRITICAL,
            made.database(Health.UNHEALTHY, check=made.FAILED_CHECK),
        ),
        "database:degraded": (WARNING, made.database(Health.DEGRADED)),
        "database:unhealthy": (WARNING, made.database(Health.UNHEALTHY)),
        "database:pool-near": (WARNING, made.database(readings={"pool.active": 24})),
        "database:held-long": (WARNING, made.database(readings={"pool.oldest_checkout": 61.0})),
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
        "other:circuit-open": (CRITICAL, other(made, state=Health.CIRCUIT_OPEN)),
        "other:out-of-service": (CRITICAL, other(made, state=Health.MAINTENANCE)),
        "other:unavailable": (
            CRITICAL,
            other(made, state=Health.UNHEALTHY, check=made.FAILED_CHECK),
        ),
        "other:degraded": (WARNING, other(made, state=Health.DEGRADED)),
        "other:unhealthy": (WARNING, other(made, state=Health.UNHEALTHY)),
        "store:unavailable": (
            CRITICAL,
            Report(component="store", kind="store", state=Health.UNHEALTHY, cause="full"),
        ),
    }


def other(made, **more):
    """A component of a kind that koo does not bring along."""
    return replace(made.database(**more), component="other", kind="queue")


# Those that need to see more than one report; each has a test below.
WITH_A_PAST = {
    "database:pool-exhausted",
    "ai:claude:budget-burn-fast",
    "ai:claude:budget-burn-slow",
    "ai:claude:budget-forecast",
    "*:circuit-flapping",
    "notifications:failing",
    "*:check-stale",
}


def test_the_table_has_every_rule(made):
    kinds = {"ai": "ai:claude"}
    names = {f"{kinds.get(rule.kind, rule.kind)}:{rule.name}" for rule in RULES}
    assert set(table(made)) | WITH_A_PAST == names


def test_no_two_rules_make_the_same_alert(made):
    assert len({(rule.kind, rule.name) for rule in RULES}) == len(RULES)


def test_each_report_makes_exactly_its_alert(made):
    for identity, (severity, report) in table(made).items():
        [alert] = made.alerts(report)
        assert (alert.id, alert.severity) == (identity, severity)


def test_a_healthy_system_is_silent(made):
    assert made.alerts(made.database(), made.service()) == ()


def test_a_service_without_a_key_is_silent(made):
    assert made.alerts(made.without_key()) == ()


def test_a_message_says_what_since_when_and_what_to_do(made):
    report = made.database(Health.CIRCUIT_OPEN, since=made.NOW - 95, cause="5 of 5 calls failed")
    [alert] = made.alerts(report)
    assert alert.message == (
        "database: circuit open, calls refused at once since 22:11:45 UTC; see that the server "
        "runs and answers; koo probes by itself and closes when it does"
    )
    assert alert.cause == "5 of 5 calls failed"
    assert alert.since == made.NOW - 95


def test_yesterdays_trouble_says_its_date(made):
    [alert] = made.alerts(made.database(Health.CIRCUIT_OPEN, since=made.NOW - 86_400))
    assert "since 2023-11-13 22:13:20 UTC" in alert.message


def test_every_rule_names_a_runbook_that_is_listed():
    news = {RUNBOOKS[name] for name in ("recovered", "configuration-changed", "watchdog")}
    assert {rule.runbook for rule in RULES} | news == set(RUNBOOKS.values())


@pytest.mark.parametrize(("used", "rings"), [(47, False), (48, True)])
def test_a_rate_limit_is_near_from_four_fifths(made, used, rings):
    assert bool(made.alerts(made.service(used=(used, 0, 0)))) is rings


@pytest.mark.parametrize(("used", "rings"), [(42, True), (41, False)])
def test_a_limit_that_was_near_stays_so_down_to_seven_tenths(made, used, rings):
    watch = made.Watch()
    watch.see(made.service(used=(50, 0, 0)))
    after = watch.see(made.service(used=(used, 0, 0)), after=1)
    assert ("ai:claude:limit-near" in {alert.id for alert in after}) is rings


def test_a_rate_limit_that_is_near_for_half_a_minute_is_worth_a_word(made):
    watch, near = made.Watch(), made.service(used=(50, 0, 0))
    states = [watch.see(near, after=after)[0].state for after in (1, 29, 1)]
    assert states == [AlertState.PENDING, AlertState.PENDING, AlertState.FIRING]


def test_a_burst_that_is_over_before_that_is_nobodys_trouble(made):
    watch = made.Watch()
    watch.see(made.service(used=(50, 0, 0)))
    watch.see(made.service(), after=29)
    assert watch.told() == ["pending ai:claude:limit-near"]


def test_every_window_that_is_near_is_named(made):
    [alert] = made.alerts(made.service(used=(59, 900, 0)))
    assert alert.cause == "59 of 60 requests per minute, 900 of 1000 requests per hour"


def test_a_queue_is_pressure_however_few_connections_are_in_use(made):
    [alert] = made.alerts(made.database(readings={"pool.waiting": 1}))
    assert (alert.id, alert.cause) == (
        "database:pool-near",
        "3 of 30 connections in use, 1 waiting",
    )


def test_a_budget_of_nothing_is_never_near(made):
    readings = (Reading("budget.spent", 0, limit=0),)
    assert made.alerts(replace(made.service(), readings=readings)) == ()


def test_a_service_without_a_budget_has_no_budget_alert(made):
    [alert] = made.alerts(replace(made.service(state=Health.RATE_LIMITED), readings=()))
    assert alert.id == "ai:claude:limit-reached"


def test_a_day_that_is_spent_to_the_last_dollar_is_spent_whatever_else_is_known(made):
    readings = (Reading("budget.spent", 10_000_000_000, limit=10_000_000_000),)
    [alert] = made.alerts(replace(made.service(state=Health.RATE_LIMITED), readings=readings))
    assert alert.id == "ai:claude:budget-spent"


def test_a_dead_key_needs_a_person_and_says_so(made):
    """Its circuit is open, but nothing probes: waiting would be the wrong advice."""
    report = made.service(
        state=Health.CIRCUIT_OPEN,
        breaker=made.breaker(State.OPEN, mode=Mode.ISOLATED),
        cause="key refused",
    )
    [alert] = made.alerts(report)
    assert (alert.id, alert.cause) == ("ai:claude:out-of-service", "key refused")
    assert "does not heal by itself" in alert.message


def test_a_check_that_failed_before_the_last_success_is_old_news(made):
    check = replace(made.FAILED_CHECK, success_since=True)
    [alert] = made.alerts(made.database(Health.UNHEALTHY, check=check))
    assert alert.id == "database:unhealthy"


def test_a_check_without_an_error_of_its_own_is_explained_by_the_report(made):
    check = replace(made.FAILED_CHECK, error=None)
    [alert] = made.alerts(made.database(Health.UNHEALTHY, check=check, cause="refused"))
    assert (alert.id, alert.cause) == ("database:unavailable", "refused")


def test_changed_settings_are_named_for_an_hour(made):
    notice = Notice("system", ("DB_MAX_RETRIES", "AI_MAX_RETRIES"), made.NOW)
    [alert] = made.Watch().look(after=3599, notices=[notice]).alerts
    assert (alert.id, alert.severity) == ("system:configuration-changed", INFO)
    assert alert.cause == "DB_MAX_RETRIES, AI_MAX_RETRIES"
    assert made.Watch().look(after=3600, notices=[notice]).alerts == ()


def test_the_most_urgent_come_first_and_the_database_before_services(made):
    shown = made.alerts(
        made.service("a", Health.DEGRADED),
        made.service("b", Health.CIRCUIT_OPEN, since=made.NOW),
        made.database(
            Health.CIRCUIT_OPEN, since=made.NOW - 9, readings={"pool.oldest_checkout": 99}
        ),
    )
    assert [alert.id for alert in shown] == [
        "database:circuit-open", "ai:b:circuit-open", "database:held-long", "ai:a:degraded",
    ]  # fmt: skip


# -- with a past ----------------------------------------------------------------------------------


def test_a_pool_is_exhausted_when_tasks_wait_in_vain(made):
    watch = made.Watch()
    watch.see(made.database(readings={"pool.waiting": 5}))
    for _ in range(16):
        shown = watch.see(made.database(readings={"pool.waiting": 5, "timeouts_total": 9}), after=1)
    [exhausted] = shown
    assert (exhausted.id, exhausted.severity) == ("database:pool-exhausted", CRITICAL)
    assert exhausted.state is AlertState.FIRING


def test_a_pool_whose_queue_is_served_in_time_is_not_exhausted(made):
    watch = made.Watch()
    for _ in range(100):
        shown = watch.see(made.database(readings={"pool.waiting": 5}), after=1)
    assert [alert.id for alert in shown] == ["database:pool-near"]


def calls(made, requests, failures, spent=2_500_000_000):
    report = made.service(spent=spent)
    numbers = {"requests_total": requests, "failures_total": failures}
    readings = (
        reading._replace(value=numbers.get(reading.name, reading.value))
        for reading in report.readings
    )
    return replace(report, readings=tuple(readings))


def rings_after(made, minutes, *, per_minute, failing):
    """The burn alerts after so many minutes of the same traffic."""
    watch = made.Watch()
    for minute in range(minutes + 1):
        asked = minute * per_minute
        shown = watch.see(calls(made, asked, asked * failing), after=60)
    return [alert.id.rpartition(":")[2] for alert in shown]


@pytest.mark.parametrize(
    ("failing", "rules"),
    [
        (0.05, []),
        (0.06, ["budget-burn-slow"]),
        (0.14, ["budget-burn-slow"]),
        (0.15, ["budget-burn-fast"]),
    ],
)
def test_errors_that_burn_the_budget_are_told_by_their_pace(made, failing, rules):
    assert rings_after(made, 60, per_minute=100, failing=failing) == rules


def test_few_calls_say_nothing(made):
    assert rings_after(made, 19, per_minute=1, failing=1) == []
    assert rings_after(made, 20, per_minute=1, failing=1) == ["budget-burn-fast"]


def test_errors_that_have_stopped_no_longer_burn_fast(made):
    watch = made.Watch()
    for minute in range(60):
        watch.see(calls(made, minute * 100, minute * 100), after=60)
    for minute in range(60, 67):
        shown = watch.see(calls(made, minute * 100, 5900), after=60)
    assert [alert.id for alert in shown] == ["ai:claude:budget-burn-slow"]


@pytest.mark.parametrize(("minutes", "known"), [(5, "5 min"), (29, "29 min"), (90, "1 h")])
def test_a_burn_speaks_of_as_much_time_as_it_has_seen(made, minutes, known):
    watch = made.Watch()
    for minute in range(minutes + 1):
        shown = watch.see(calls(made, minute * 20, minute * 5), after=60 if minute else 0)
    [fast] = [alert for alert in shown if alert.id.endswith("fast")]
    asked = 20 * min(minutes, 60)
    assert fast.cause == (
        f"{asked // 4} of {asked} calls failed within {known}, "
        "25.0 times what an objective of 0.99 allows"
    )


@pytest.mark.parametrize(
    ("minutes", "rules"), [(4, []), (5, ["budget-burn-fast"]), (29, ["budget-burn-fast"])]
)
def test_a_burn_says_nothing_before_its_short_window_has_been_seen(made, minutes, rules):
    assert rings_after(made, minutes, per_minute=100, failing=1) == rules


def test_a_slow_burn_says_nothing_before_half_an_hour_has_been_seen(made):
    assert rings_after(made, 29, per_minute=100, failing=0.1) == []
    assert rings_after(made, 30, per_minute=100, failing=0.1) == ["budget-burn-slow"]


@pytest.mark.parametrize(
    ("since_check", "since_success", "stale"),
    [(89, None, False), (90, None, True), (500, 89, False), (500, 90, True)],
)
def test_checks_that_have_stopped_are_told(made, since_check, since_success, stale):
    check = CheckStats(True, made.NOW - since_check, 0.01, interval=30.0)
    readings = () if since_success is None else (
        Reading("last_success_at", made.NOW - since_success),
    )  # fmt: skip
    report = replace(made.service(check=check), readings=readings)
    shown = [alert for alert in made.alerts(report) if alert.id == "ai:claude:check-stale"]
    assert bool(shown) is stale
    if stale:
        assert shown[0].cause == "nothing was heard of it for 90 s"


def test_where_nobody_checks_in_the_background_no_check_is_late(made):
    check = CheckStats(True, made.NOW - 9000, 0.01)
    assert not made.alerts(made.service(check=check))


def spending(made, minutes, nanousd_a_minute, *, resets_in):
    watch = made.Watch()
    for minute in range(minutes + 1):
        report = calls(made, 0, 0, spent=minute * nanousd_a_minute)
        readings = (
            reading._replace(value=made.NOW + resets_in)
            if reading.name == "budget.resets_at"
            else reading
            for reading in report.readings
        )
        shown = watch.see(replace(report, readings=tuple(readings)), after=60)
    return shown


def test_a_budget_that_will_not_last_is_told_before_it_is_gone(made):
    """$10 at 5 cents a minute last 200 minutes, and it is 23 hours to midnight."""
    [alert] = spending(made, 60, 50_000_000, resets_in=23 * 3600)
    assert (alert.id, alert.state) == ("ai:claude:budget-forecast", AlertState.FIRING)
    assert alert.cause == "at the pace of the last 1 h it lasts 2.33 h more"


def test_a_budget_that_lasts_until_midnight_is_nobodys_trouble(made):
    assert spending(made, 60, 50_000_000, resets_in=3 * 3600) == ()


def test_a_short_burst_after_the_start_is_no_forecast(made):
    assert spending(made, 9, 50_000_000, resets_in=23 * 3600) == ()


def test_a_circuit_that_closes_and_opens_again_and_again_flaps(made):
    watch = made.Watch()
    for _ in range(4):
        watch.see(made.database(), after=20)
        shown = watch.see(made.database(Health.CIRCUIT_OPEN), after=20)
    flapping = shown[-1]
    assert (flapping.id, flapping.severity) == ("database:circuit-flapping", WARNING)
    assert flapping.cause == "4 times within 10 min"


def test_what_flapped_is_over_when_it_has_been_quiet_for_ten_minutes(made):
    watch = made.Watch()
    for _ in range(4):
        watch.see(made.database(), after=20)
        watch.see(made.database(Health.CIRCUIT_OPEN), after=20)
    shown, over = [], []
    for _ in range(150):
        looked = watch.see(made.database(), after=10)
        shown += [watch.at for alert in looked if alert.id == "database:circuit-flapping"]
        over += [watch.at] if "resolved database:circuit-flapping" in watch.told() else []
    assert over[0] - shown[-1] == 610, "quiet was seen after ten seconds"


def test_a_long_outage_with_failing_probes_is_not_flapping(made):
    watch = made.Watch()
    for _ in range(20):
        watch.see(made.database(Health.DEGRADED), after=1)
        shown = watch.see(made.database(Health.CIRCUIT_OPEN), after=20)
    assert [alert.id for alert in shown] == ["database:circuit-open"]
