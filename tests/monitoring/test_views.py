"""Views have exactly the documented names, types and units."""

import json
from dataclasses import replace

import pytest

from koo.monitoring import Alert, AlertState, Entry, Severity, views
from koo.monitoring.history import Sample
from koo.monitoring.notify import Acknowledgement, Mutes, Silence
from koo.resilience import Health, Mode, Reading, Report

PATHS = {
    "core.database.check_database_health() async": "health",
    "core.database.db_manager.get_pool_metrics()": "metrics",
    "core.database.db_manager.get_detailed_status() async": "detailed",
    "services.hybrid_ai_manager.get_ai_service_health(service)": "service",
    "api.monitoring.get_system_health() async": "system",
}


@pytest.fixture
def shown(made):
    """Each documented dict, of components that have everything."""
    report, service = made.database(), made.service()
    views_ = {
        "health": views.database_health(report, made.NOW),
        "metrics": views.pool_metrics(report, made.NOW),
        "detailed": views.detailed_status(report, {"DB_MAX_RETRIES": 3}, made.NOW),
        "service": views.service_health(service, made.NOW),
        "system": views.system_health([report, service], [], made.NOW),
        "dashboard": views.dashboard([report, service], views.Standing(), views.Past(), made.NOW),
    }
    return {name: views.plain(view) for name, view in views_.items()}


@pytest.mark.parametrize("function", PATHS)
def test_a_documented_dict_has_every_key_of_the_contract_with_its_type(made, shown, function):
    assert made.misfits(shown[PATHS[function]], made.CONTRACT["functions"][function]) == []


@pytest.mark.parametrize("function", PATHS)
def test_the_contract_is_not_satisfied_by_nothing(made, function):
    assert made.misfits({}, made.CONTRACT["functions"][function])


def test_the_dashboard_has_the_contracts_keys(made, shown):
    endpoint = next(
        it for it in made.CONTRACT["endpoints"] if it["path"].endswith("/monitoring/dashboard")
    )
    assert endpoint["body"].keys() <= shown["dashboard"].keys()
    assert endpoint["body"]["summary"].keys() <= shown["dashboard"]["summary"].keys()
    assert endpoint["body"]["database"].keys() <= shown["dashboard"]["database"].keys()


def test_every_view_is_json(shown):
    assert json.loads(json.dumps(shown)) == shown


def test_a_pool_adds_up(shown):
    pool = shown["health"]["pool_status"]
    assert pool == {
        "pool_size": 10, "max_overflow": 20, "max_connections": 30, "total_connections": 4,
        "active_connections": 3, "idle_connections": 1, "overflow_connections": 0, "waiting": 0,
        "oldest_checkout_s": 1.25,
    }  # fmt: skip


def test_overflow_is_never_negative(made):
    report = made.database(readings={"pool.overflow": -7})
    assert views.database_health(report, made.NOW).pool_status.overflow_connections == 0


def test_nobody_holding_a_connection_is_null_not_zero(made):
    report = made.database(readings={"pool.oldest_checkout": None})
    assert views.database_health(report, made.NOW).pool_status.oldest_checkout_s is None


def test_response_times_are_milliseconds(shown):
    times = shown["metrics"]["response_times"]
    assert times["count"] == 2
    assert times["average_ms"] == pytest.approx(3.0)
    assert 1.5 < times["p50_ms"] <= times["p95_ms"] <= times["p99_ms"] < 5


def test_no_calls_have_no_percentiles(shown):
    assert shown["metrics"]["wait_times"] == {
        "count": 0, "average_ms": None, "p50_ms": None, "p95_ms": None, "p99_ms": None,
    }  # fmt: skip


def test_errors_are_counted_by_kind_the_most_frequent_first(shown):
    assert list(shown["metrics"]["errors"].items()) == [("timeout", 2), ("connection", 1)]


def test_holders_come_oldest_first(shown):
    assert [holder["task"] for holder in shown["detailed"]["holders"]] == ["old", "new"]


def test_a_check_says_its_age_and_never_a_negative_one(made):
    assert views.database_health(made.database(), made.NOW).age_s == 2.0
    assert views.database_health(made.database(), made.NOW - 60).age_s == 0.0


def test_a_database_that_was_never_asked_says_so(made):
    health = views.database_health(made.database(check=None), made.NOW)
    assert (health.response_time_ms, health.last_check, health.age_s) == (None, None, None)


def test_a_healthy_database_has_no_error_even_with_an_old_cause(made):
    assert views.database_health(made.database(cause="old"), made.NOW).error is None


def test_the_error_is_the_failed_checks_own_word(made):
    report = made.database(Health.UNHEALTHY, check=made.FAILED_CHECK, cause="slow")
    assert views.database_health(report, made.NOW).error == made.FAILED_CHECK.error


def test_without_a_failed_check_the_error_is_the_cause(made):
    report = made.database(Health.CIRCUIT_OPEN, cause="5 of 5 failed")
    assert views.database_health(report, made.NOW).error == "5 of 5 failed"


def test_an_isolated_breaker_has_no_next_probe(made):
    report = made.database(
        breaker=made.breaker(made.State.OPEN, mode=Mode.ISOLATED, retry_after=None)
    )
    view = views.database_health(report, made.NOW).circuit_breaker
    assert (view.retry_after, view.mode) == (None, "isolated")


def test_a_component_without_a_breaker_is_always_closed(made):
    view = views.database_health(made.database(breaker=None), made.NOW).circuit_breaker
    assert (view.state, view.retry_after, view.failures) == ("closed", 0.0, 0)


def test_money_is_an_exact_decimal_string(shown):
    cost = shown["service"]["cost"]
    assert cost["spent_today"] == "2.50"
    assert cost["per_request_last"] == "0.0015"
    assert cost["daily_budget"] == "10.00"


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [(0, "0.00"), (1, "0.000000001"), (100_000_000_000, "100.00"), (1_234_500_000, "1.2345")],
)
def test_no_nano_dollar_is_lost(nanousd, text):
    assert views.dollars(nanousd) == text


def test_a_service_without_limits_budget_and_calls_shows_nulls_not_zeros(made):
    view = views.service_health(made.without_key(), made.NOW)
    assert view.cost is None
    assert view.rate_limits.minute is None
    assert view.metrics.success_rate is None
    assert view.metrics.last_error is None
    assert view.configured is False


def test_what_remains_of_a_window_is_reckoned_where_it_is_not_told(made):
    labels = (("window", "minute"),)
    report = replace(made.service(), readings=(Reading("limit.used", 6, 60, labels),))
    window = views.service_health(report, made.NOW).rate_limits.minute
    assert (window.remaining, window.reset_in_s) == (54, 0.0)


def test_what_the_vendor_told_and_taught_is_shown(made):
    labels = (("model", "m"), ("window", "requests"))
    readings = (
        Reading("told.remaining", 7.9, 60, labels),
        Reading("told.reset_after", 12.5, labels=labels),
        Reading("pace.per_minute", 48.0),
        Reading("calls.in_flight", 3, 4),
        Reading("calls.waiting", 2),
    )
    report = replace(made.service(), readings=readings)
    limits = views.service_health(report, made.NOW).rate_limits
    assert limits.vendor == (views.VendorLimitView("m", None, "requests", 60, 7, 12.5),)
    assert (limits.calls_per_minute, limits.in_flight, limits.waiting) == (48.0, 3, 2)


def test_a_cost_that_nobody_knows_is_null(made):
    readings = (Reading("budget.spent", 0, limit=1_000_000_000),)
    cost = views.service_health(replace(made.service(), readings=readings), made.NOW).cost
    assert (cost.per_request_mean, cost.resets_at) == (None, None)


def test_an_unhealthy_service_says_why(made):
    report = made.service(state=Health.UNHEALTHY, cause="529 overloaded")
    assert views.service_health(report, made.NOW).cause == "529 overloaded"


@pytest.mark.parametrize(
    ("state", "service_state", "word"),
    [
        (Health.HEALTHY, Health.HEALTHY, "healthy"),
        (Health.UNHEALTHY, Health.HEALTHY, "degraded"),
        (Health.DEGRADED, Health.HEALTHY, "degraded"),
        (Health.CIRCUIT_OPEN, Health.HEALTHY, "unhealthy"),
        (Health.HEALTHY, Health.CIRCUIT_OPEN, "degraded"),
        (Health.HEALTHY, Health.RATE_LIMITED, "degraded"),
        (Health.HEALTHY, Health.MAINTENANCE, "degraded"),
    ],
)
def test_overall_health_is_the_worst_that_matters(made, state, service_state, word):
    reports = [made.service(state=service_state), made.database(state)]
    assert views.overall_health(reports) == word


def test_an_unreachable_database_is_unhealthy_before_its_circuit_opens(made):
    report = made.database(Health.UNHEALTHY, check=made.FAILED_CHECK)
    assert views.overall_health([report]) == "unhealthy"


def test_a_service_without_a_key_worries_nobody(made):
    reports = [made.database(), made.without_key()]
    health = views.system_health(reports, [], made.NOW)
    assert health.overall_health == "healthy"
    assert health.ai_services == {}


def test_the_summary_adds_up_what_is_configured(made):
    reports = [
        made.database(Health.CIRCUIT_OPEN),
        made.service("claude", spent=2_500_000_000),
        made.service("openai", Health.CIRCUIT_OPEN, spent=1_000_000),
        made.without_key(),
    ]
    summary = views.dashboard(reports, views.Standing(), views.Past(), made.NOW).summary
    assert (summary.ai_services_healthy, summary.ai_services_total) == (1, 2)
    assert summary.circuit_breakers_open == 2
    assert (summary.spent_today, summary.budget_today) == ("2.501", "20.00")
    assert summary.database_healthy is False


def test_an_application_without_a_database_says_null(made):
    shown = views.dashboard([made.service()], views.Standing(), views.Past(), made.NOW)
    assert shown.database is None
    assert shown.summary.database_healthy is False
    assert views.system_health([], [], made.NOW).database is None


def test_events_are_told_under_the_names_of_the_contract(made):
    entry = Entry(at=made.NOW, component="database", what="circuit", before="closed", after="open")
    [event] = views.plain(views.event_views([entry]))
    assert event == {
        "at": "2023-11-14T22:13:20.000Z", "component": "database", "what": "circuit",
        "from": "closed", "to": "open", "cause": None, "actor": None, "request_id": None,
    }  # fmt: skip


def test_alerts_are_told_under_the_names_of_the_contract(made):
    alert = Alert(
        id="x", severity=Severity.CRITICAL, component="database", title="t", message="m",
        cause=None, state=AlertState.FIRING, since=made.NOW, runbook="docs/runbooks.md#x",
    )  # fmt: skip
    [view] = views.plain(views.alert_list(views.Standing((alert,)), made.NOW).alerts)
    assert made.misfits(view, made.CONTRACT["alert"] | {"component": "str"}) == []
    assert views.plain(views.count_alerts([alert])) == {"critical": 1, "warning": 0, "info": 0}


def test_an_alert_says_who_has_seen_it_and_what_keeps_it_from_being_told(made):
    alert = Alert(
        id="database:x", severity=Severity.CRITICAL, component="database", title="t", message="m",
        cause=None, state=AlertState.FIRING, since=made.NOW, runbook="docs/runbooks.md#x",
    )  # fmt: skip
    terms = {"starts": made.NOW - 1, "actor": "ann", "reason": "moving house"}
    silences = (
        Silence(id="short", ends=made.NOW + 5, **terms),
        Silence(id="long", ends=made.NOW + 9, **terms),
        Silence(id="later", **terms | {"starts": made.NOW + 1, "ends": made.NOW + 99}),
        Silence(id="other", component="ai:*", ends=made.NOW + 99, **terms),
    )
    seen = Acknowledgement(id="database:x", at=made.NOW, actor="bob")
    standing = views.Standing((), (alert,), Mutes(silences, (seen,)))
    shown = views.alert_list(standing, made.NOW)
    [view] = shown.inhibited
    assert (view.acknowledged_by, view.silence) == ("bob", "long")
    assert [one.id for one in shown.silences] == ["short", "long", "other"]
    assert shown.counts == views.AlertCounts(0, 0, 0)


def test_the_curve_of_the_pool_begins_where_it_says(made):
    past = views.Past(samples=(Sample(made.NOW, 3, 0), Sample(made.NOW + 10, 5, 2)))
    history = views.dashboard([made.database()], views.Standing(), past, made.NOW).database.history
    assert (history.active, history.waiting) == ((3, 5), (0, 2))
    assert history.since == "2023-11-14T22:13:20.000Z"


def test_a_component_of_another_kind_counts_for_the_whole(made):
    store = Report(component="store", kind="store", state=Health.UNHEALTHY)
    assert views.overall_health([made.database(), store]) == "degraded"
