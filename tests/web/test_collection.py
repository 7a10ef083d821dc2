"""What machines fetch: metrics in the form they like, events page after page, requests by name."""

import asyncio
import json

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read

from koo.resilience import TRACER
from koo.web.guards import RequestIds

EVENTS = "/api/v1/monitoring/events"
RESET = "/api/v1/monitoring/database/reset-circuit-breaker"
JSON = {"content-type": "application/json"}


def test_a_scrape_is_prometheus_text_and_open_metrics_on_request(stage):
    plain = stage.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'koo_health{component="database",state="healthy"} 1\n' in plain.body
    accept = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.1"}
    rich = stage.ask("GET", "/metrics", token="test-key-for-reading", headers=accept)
    assert rich.headers["content-type"].startswith("application/openmetrics-text")
    assert len(list(read(rich.body.decode()))) > 30
    assert rich.headers["vary"] == "Accept"


def test_all_forms_and_the_dashboard_tell_the_same_numbers(stage):
    accept = {"accept": "application/json"}
    body = stage.ask("GET", "/metrics", token="test-key-for-reading", headers=accept).json
    families = {family["name"]: family["points"] for family in body["families"]}
    pool = stage.get("/api/v1/monitoring/database/pool-metrics").json["pool_metrics"]
    [timeouts] = families["koo_db_pool_timeouts_total"]
    assert timeouts["value"] == pool["timeouts_total"] == 3
    [wait] = families["koo_db_pool_wait_seconds"]
    assert wait["p95"] * 1000 == pytest.approx(pool["wait_times"]["p95_ms"], abs=1e-3)
    assert (
        'koo_db_pool_timeouts_total{component="database"} 3\n'
        in stage.get("/metrics").body.decode()
    )


def test_a_reset_is_counted_told_once_and_found_by_its_request(stage):
    headers = JSON | {"x-request-id": "req-42"}
    answer = stage.post(RESET, headers=headers, body=b'{"reason": "server is back"}')
    assert answer.headers["x-request-id"] == "req-42"
    page = stage.get(EVENTS).json
    [event] = [one for one in page["events"] if one["what"] == "circuit reset"]
    assert (event["request_id"], event["cause"], event["actor"]) == (
        "req-42", "server is back", "operate token",
    )  # fmt: skip
    line = 'koo_operator_actions_total{component="database",action="circuit reset"} 1\n'
    assert line in stage.get("/metrics").body.decode()


def test_events_are_read_on_from_a_cursor(stage):
    first = stage.get(EVENTS).json
    assert (first["events"], first["gap"]) == ([], False)
    stage.database.fail()
    stage.post(RESET)
    page = stage.get(f"{EVENTS}?after={first['next']}&limit=1").json
    assert [event["to"] for event in page["events"]] == ["open"]
    rest = stage.get(f"{EVENTS}?after={page['next']}").json
    assert [event["what"] for event in rest["events"]] == ["circuit", "circuit reset"]
    assert stage.get(f"{EVENTS}?after={rest['next']}").json["events"] == []


@pytest.mark.parametrize("query", ["after=nonsense", "limit=0", "limit=501", "limit=x"])
def test_a_wrong_parameter_is_422_and_is_not_repeated(quiet, query):
    answer = quiet.get(f"{EVENTS}?{query}")
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"nonsense" not in answer.body


def test_a_request_without_a_name_gets_one(quiet):
    names = {quiet.get("/livez").headers["x-request-id"] for _ in range(3)}
    assert len(names) == 3


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\u00ff", "<script>"])
def test_a_name_that_could_do_harm_is_replaced(quiet, given):
    answer = quiet.ask("GET", "/livez", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] != given


def test_what_fails_unexpectedly_is_answered_with_the_name_under_which_it_is_logged(
    stage, monkeypatch
):
    monkeypatch.setattr(stage.monitor, "metrics", lambda: 1 / 0)
    sent = []
    with pytest.raises(ZeroDivisionError):
        stage.ask("GET", "/metrics", token="test-key-for-reading", keep=sent)
    start, body = sent
    assert start["status"] == 500
    assert dict(start["headers"])[b"x-request-id"]
    assert json.loads(body["body"])["code"] == "internal_error"


async def test_what_is_no_request_gets_no_name():
    passed = []

    async def app(scope, receive, send):
        passed.append(scope)

    await RequestIds(app)({"type": "lifespan"}, None, None)
    assert passed == [{"type": "lifespan"}]


class Joining:
    """A tracer that remembers which traces it was told to continue."""

    def __init__(self):
        self.joined = []

    def join(self, headers):
        self.joined.append(headers["traceparent"])


async def test_what_a_request_calls_is_followed_by_its_tracer():
    seen = []

    async def app(scope, receive, send):
        seen.append(TRACER.get())

    tracer, own = Joining(), Joining()
    scope = {"type": "http", "headers": [(b"traceparent", b"00-a-b-01")]}
    await asyncio.create_task(RequestIds(app, tracer=tracer)(scope, None, None))
    TRACER.set(own)
    await asyncio.create_task(RequestIds(app)(scope, None, None))
    assert seen == [tracer, own]
    assert tracer.joined == own.joined == ["00-a-b-01"]
