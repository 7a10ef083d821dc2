"""The first glance: what, since when, why, what it costs, which button is safe."""

from dataclasses import replace

import pytest

from koo.monitoring.views import moment, verdict
from koo.resilience import CheckStats, Health, Mode


@pytest.fixture
def judge(made):
    """The verdict on reports that nobody looked at before."""

    def judge(*reports, **more):
        return verdict(reports, made.alerts(*reports), made.NOW, **more)

    return judge


def test_all_well_asks_for_nothing(judge, made):
    view = judge(made.database(), made.service(), made.without_key())
    assert (view.level, view.headline, view.safe_action) == ("ok", "Everything works", None)
    assert view.advice == "2 of 2 components healthy; nothing to do."


def test_silence_is_not_called_health(judge, made):
    ill = replace(made.service(), component="store", kind="store", state=Health.RATE_LIMITED)
    view = judge(made.database(), ill)
    assert view.headline == "No alert fires"
    assert view.advice == "1 of 2 components healthy; look at store."


def test_an_open_database_circuit_says_it_all(judge, made):
    report = made.database(
        Health.CIRCUIT_OPEN, since=made.NOW - 60, cause="5 of 5 failed", check=made.FAILED_CHECK
    )
    view = judge(report, made.service("a", Health.DEGRADED), refused={"database": 3})
    assert (view.level, view.headline) == ("critical", "Database circuit open")
    assert (view.since, view.why) == (moment(made.NOW - 60), "5 of 5 failed")
    assert view.costs == "3 calls refused since it began"
    assert view.safe_action == "check_database"
    assert "Do not reset yet" in view.advice
    assert view.more == 1


def test_half_opening_is_safe_once_the_server_has_answered(judge, made):
    report = made.database(
        Health.CIRCUIT_OPEN, since=made.NOW - 60, check=CheckStats(True, made.NOW - 3)
    )
    assert judge(report).safe_action == "half_open_database"


@pytest.mark.parametrize("age", [31, 61])
def test_an_answer_that_is_old_or_from_before_the_trouble_makes_nothing_safe(judge, made, age):
    check = CheckStats(True, made.NOW - age)
    report = made.database(Health.CIRCUIT_OPEN, since=made.NOW - 60, check=check)
    assert judge(report).safe_action == "check_database"


def test_a_service_that_does_not_answer_is_waited_for(judge, made):
    view = judge(made.service(state=Health.CIRCUIT_OPEN))
    assert (view.headline, view.safe_action) == ("claude: circuit open", None)
    assert "Half-open only if" in view.advice


def test_a_service_whose_provider_answers_may_be_half_opened(judge, made):
    view = judge(made.service(state=Health.CIRCUIT_OPEN, check=CheckStats(True, made.NOW - 1)))
    assert view.safe_action == "half_open_service"
    assert view.advice.startswith("Safe: half-open")


def test_a_database_that_answers_checks_and_fails_calls_has_no_safe_button(judge, made):
    view = judge(made.database(Health.UNHEALTHY, check=CheckStats(True, made.NOW - 1)))
    assert (view.safe_action, view.advice) == (
        None,
        "No button helps here; see what the alert says.",
    )


def test_what_only_a_person_can_end_is_not_waited_for(judge, made):
    report = made.service(
        state=Health.CIRCUIT_OPEN, breaker=made.breaker(mode=Mode.ISOLATED), cause="key refused"
    )
    view = judge(report)
    assert (view.headline, view.why) == ("claude: out of service", "key refused")
    assert view.advice.startswith("Put right what the cause says")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (Health.DEGRADED, "Wait: probes decide"),
        (Health.RATE_LIMITED, "No button helps: a reset never touches limits"),
        (Health.MAINTENANCE, "Put right what the cause says"),
        (Health.UNHEALTHY, "No button helps here"),
    ],
)
def test_each_state_has_its_advice(judge, made, state, words):
    view = judge(made.service(state=state))
    assert view.advice.startswith(words)
    assert view.safe_action is None


def test_a_throttled_service_costs_waiting(judge, made):
    assert judge(made.service(state=Health.RATE_LIMITED)).costs.startswith("new calls wait")


def test_a_failing_service_costs_its_failures(judge, made):
    view = judge(made.service(state=Health.UNHEALTHY))
    assert view.costs == "20% of its calls fail, last 5 min"


def test_a_failing_database_costs_its_failures(judge, made):
    assert judge(made.database(Health.UNHEALTHY)).costs.startswith("25% of its calls")


def test_an_exhausted_pool_costs_waiting_tasks(made):
    numbers = {"pool.waiting": 4, "pool.active": 30, "failure_rate": 0.0}
    slow = (made.distribution("wait_time", 2.0, 2.0),)
    for distributions, words in ((slow, ", p95 wait 2."), ((), "4 tasks wait for a connection;")):
        report = replace(made.database(readings=numbers), distributions=distributions)
        watch = made.Watch()
        watch.see(report)
        view = verdict([report], watch.see(report, after=60), made.NOW + 60)
        assert words in view.costs
        assert view.costs.endswith("6 gave up since the start")


def test_a_nearly_spent_budget_costs_money(judge, made):
    readings = tuple(
        it._replace(value=1.0) if it.name == "success_rate" else it
        for it in made.service(spent=8_240_000_000).readings
    )
    view = judge(replace(made.service(), readings=readings))
    assert view.costs == "$8.24 of $10.00 spent today"


def test_what_costs_nothing_measurable_says_nothing(judge, made):
    report = replace(made.database(Health.UNHEALTHY), readings=())
    assert judge(report).costs is None


def test_without_a_breaker_to_ask_no_refused_calls_are_counted(judge, made):
    report = made.database(Health.CIRCUIT_OPEN, breaker=None)
    assert judge(report).costs == "25% of its calls fail, last 5 min"


def test_an_alert_about_nobody_here_still_makes_a_verdict(made):
    alerts = made.alerts(made.database(Health.CIRCUIT_OPEN))
    view = verdict([], alerts, made.NOW)
    assert (view.headline, view.costs) == ("Database circuit open", None)
