"""Every documented endpoint: who may, with which status, with which body."""

import asyncio
import json
from pathlib import Path

import pytest

from koo.monitoring.notify import Silence
from koo.monitoring.views import plain

CONTRACT = json.loads((Path(__file__).parent.parent / "contract.json").read_text())
LATER = ("from the issue",)
OURS = [it for it in CONTRACT["endpoints"] if not any(word in str(it["body"]) for word in LATER)]
JSON_BODIES = [it for it in OURS if isinstance(it["body"], dict)]


KNOWN = {"{service}": "claude", "{alert}": "database:circuit-open", "{silence}": "s1"}
JSON = {"content-type": "application/json"}
WISH = b'{"reason": "moving house", "component": "ai:*"}'


def real(path):
    for name, value in KNOWN.items():
        path = path.replace(name, value)
    return path


def ask(stage, endpoint, token=None, **more):
    """What a visitor gets who asks as documented; what an endpoint needs is there."""
    if endpoint["method"] in {"POST", "DELETE"} and not more:
        asyncio.run(prepare(stage))
    if isinstance(endpoint.get("request"), dict):
        more = {"headers": JSON, "body": WISH} | more
    return stage.ask(endpoint["method"], real(endpoint["path"]), token=token, **more)


async def prepare(stage):
    """An alert that fires, and a silence."""
    if not stage.monitor.standing():
        stage.database.fail()
        stage.monitor.observe()
    now = stage.clock.time()
    silence = Silence(id="s1", starts=now, ends=now + 60, actor="ann", reason="moving house")
    await stage.records.mute_book.silence(silence)


def name(endpoint):
    return f"{endpoint['method']} {endpoint['path']}"


def test_every_route_of_the_application_is_documented_or_the_pages_own(stage):
    documented = {(it["method"], it["path"]) for it in OURS}
    own = {"/api/v1/session", "/static/{path}", "/runbooks/{anchor}", "/openapi.json"}
    served = {
        (method, route.path_format)
        for router in stage.console.routers()
        for route in router.routes
        for method in route.methods - {"HEAD"}
        if route.path_format not in own
    }
    assert served == documented


RESET = "/api/v1/monitoring/database/reset-circuit-breaker"
ENDLESS = "/api/v1/monitoring/stream"  # a stream never ends by itself; see test_stream


@pytest.mark.parametrize("role", ["anonymous", "read", "operate"])
def test_every_endpoint_answers_each_role_as_documented(stage, tokens, role):
    for endpoint in OURS:
        if endpoint["path"] in {ENDLESS, "/startupz", "/readyz"}:
            continue
        answer = ask(stage, endpoint, tokens[role])
        assert answer.status == endpoint.get(role, 200), name(endpoint)
        if answer.status in {401, 403}:
            assert answer.headers["content-type"] == "application/problem+json"


def test_on_loopback_without_tokens_looking_is_free_and_acting_is_not(open_stage):
    for endpoint in OURS:
        if endpoint["path"] not in {"/startupz", "/readyz", ENDLESS}:
            answer = ask(open_stage, endpoint)
            expected = 200 if endpoint["method"] == "GET" else 401
            assert answer.status == expected, name(endpoint)


def test_every_body_has_the_documented_keys(stage, tokens):
    for endpoint in JSON_BODIES:
        answer = ask(stage, endpoint, tokens["operate"])
        assert endpoint["body"].keys() <= answer.json.keys(), name(endpoint)


def test_http_tells_exactly_what_the_views_say(stage):
    monitor, report = stage.monitor, stage.database.report()
    assert stage.get("/api/v1/monitoring/health").json == plain(monitor.system_health())
    assert stage.get("/api/v1/monitoring/dashboard").json == plain(monitor.dashboard())
    pool = stage.get("/api/v1/monitoring/database/pool-metrics").json["pool_metrics"]
    assert pool == plain(monitor.pool_metrics(report))
    database = stage.get("/api/v1/monitoring/database").json["database_monitoring"]
    assert database == plain(monitor.detailed_status(report))
    services = stage.get("/api/v1/ai/services/health").json
    assert services["services"] == plain(monitor.service_healths())
    assert services["overall_health"] == "healthy"


def test_the_alerts_are_counted(stage):
    stage.database.fail()
    body = stage.get("/api/v1/monitoring/alerts").json
    assert body["alert_count"] == len(body["alerts"]) == sum(body["counts"].values())
    assert body["counts"]["critical"] == 1


def test_monitoring_answers_200_whatever_the_health(stage):
    stage.database.fail()
    answer = stage.get("/api/v1/monitoring/health")
    assert (answer.status, answer.json["overall_health"]) == (200, "unhealthy")


def test_no_get_asks_or_moves_anything(stage):
    before = stage.database.report()
    for endpoint in OURS:
        if endpoint["method"] == "GET" and endpoint["path"] != ENDLESS:
            stage.get(real(endpoint["path"]))
    assert (stage.database.asked, stage.database.resets) == (0, 0)
    assert stage.database.report() == before
    assert stage.journal.entries() == ()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/monitoring/ai-services/gpt/metrics"),
        ("POST", "/api/v1/ai/services/gpt/reset-errors"),
        ("POST", "/api/v1/ai/services/gpt/half-open"),
    ],
)
def test_an_unknown_service_is_404_and_no_breaker_is_made(stage, method, path):
    answer = stage.ask(method, path, token="test-key-for-operating")
    assert (answer.status, answer.json["code"]) == (404, "unknown_service")
    assert b"gpt" not in answer.body
    assert stage.monitor.service_healths().keys() == {"claude", "openai", "gemini"}


def test_without_a_database_its_endpoints_are_404(stage):
    stage.build(list(stage.services.values()))
    for path in ("database", "database/pool-metrics"):
        assert stage.get(f"/api/v1/monitoring/{path}").status == 404
    assert stage.post("/api/v1/monitoring/database/health-check").status == 404
    assert stage.get("/api/v1/monitoring/dashboard").json["database"] is None


def test_the_check_asks_and_tells_what_came(stage):
    stage.database.answers = False
    body = stage.post("/api/v1/monitoring/database/health-check").json
    assert stage.database.asked == 1
    assert body["health_check_result"]["healthy"] is False
    assert body["health_check_result"]["error"].startswith("ConnectionRefusedError")
    assert body["detailed_status"]["configuration"] == {
        "DATABASE_POOL_SIZE": 10,
        "DB_MAX_RETRIES": 3,
    }


def test_a_reset_closes_tells_before_and_after_and_is_journalled_with_its_reason(stage):
    stage.database.fail()
    answer = stage.post(
        "/api/v1/monitoring/database/reset-circuit-breaker",
        headers={"content-type": "application/json"},
        body=b'{"reason": " server is back "}',
    )
    assert (answer.json["previous_state"], answer.json["new_state"]) == ("circuit_open", "healthy")
    assert stage.database.resets == 1
    event = stage.journal.entries()[0]
    assert (event.what, event.cause, event.actor) == (
        "circuit reset", "server is back", "operate token",
    )  # fmt: skip
    assert stage.events[-1].reason == "server is back"


def test_a_service_reset_resets_that_service_only(stage):
    stage.services["claude"].fail()
    body = stage.post("/api/v1/ai/services/claude/reset-errors").json
    assert body["success"] is True
    assert (body["previous_state"], body["new_state"]) == ("circuit_open", "healthy")
    assert stage.services["claude"].resets == 1
    assert stage.services["openai"].resets == 0


def test_a_check_is_journalled_only_with_a_reason(stage):
    path = "/api/v1/monitoring/database/health-check"
    stage.post(path)
    assert stage.events == []
    stage.post(path, headers={"content-type": "application/json"}, body=b'{"reason": "page"}')
    assert [event.action for event in stage.events] == ["checked"]


def test_a_listener_that_fails_does_not_fail_the_reset(stage):
    def broken(_):
        raise RuntimeError

    object.__setattr__(stage.console.desk, "on_event", broken)
    assert stage.post("/api/v1/ai/services/claude/reset-errors").status == 200


def test_the_61st_post_of_a_minute_is_429_and_says_when(stage):
    path = "/api/v1/ai/services/claude/reset-errors"
    assert {stage.post(path).status for _ in range(60)} == {200}
    refused = stage.post(path)
    assert (refused.status, refused.json["code"]) == (429, "too_many_posts")
    assert 1 <= int(refused.headers["retry-after"]) <= 61  # a bucket leaves as a whole
    assert stage.services["claude"].resets == 60
    stage.clock.advance(61)
    assert stage.post(path).status == 200


def test_a_check_that_repeats_a_fresh_answer_is_never_refused(stage):
    path = "/api/v1/monitoring/database/health-check"
    assert {stage.post(path).status for _ in range(61)} == {200}


def test_checks_that_ask_anew_use_the_allowance(stage):
    path = "/api/v1/monitoring/database/health-check"
    statuses = []
    for _ in range(62):
        stage.database.check_stats = None
        statuses.append(stage.post(path).status)
    assert statuses == [200] * 60 + [429] * 2


def test_checks_that_join_the_one_in_flight_are_never_refused_whoever_began_it(stage):
    path = "/api/v1/monitoring/database/health-check"
    assert {stage.post(RESET).status for _ in range(60)} == {200}
    assert stage.post(path).status == 429
    stage.database.asking = True
    assert {stage.post(path).status for _ in range(10)} == {200}


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json ; charset=utf-8"])
def test_a_media_type_is_written_in_any_case(stage, kind):
    assert stage.post(RESET, headers={"content-type": kind}, body=b'{"reason": "x"}').status == 200


def test_a_reason_is_one_line_of_visible_characters(stage):
    body = b'{"reason": " it is\\nERROR: forged \\u001b[31m\\u202e "}'
    stage.post(RESET, headers={"content-type": "application/json"}, body=body)
    assert stage.events[-1].reason == "it is ERROR: forged [31m"


def test_the_stream_is_described_as_one(stage):
    responses = stage.get("/openapi.json").json["paths"]["/api/v1/monitoring/stream"]["get"]
    assert "text/event-stream" in responses["responses"]["200"]["content"]


def test_the_probes_say_one_word_and_need_no_token_and_no_known_host(stage):
    answer = stage.ask("GET", "/livez", host="anything.example")
    assert (answer.status, answer.body) == (200, b"alive")
    answer = stage.ask("HEAD", "/readyz", host="10.0.0.7:8000")
    assert answer.status == 503


STANDARD = {
    "accept": "application/health+json, application/json;q=0.5",
    "authorization": "Bearer test-key-for-reading",
}


def test_who_wants_the_standard_form_of_health_gets_it(stage):
    answer = stage.ask("GET", "/api/v1/monitoring/health", headers=STANDARD)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/health+json")
    assert (answer.json["status"], answer.json["output"]) == ("pass", None)
    [database] = answer.json["checks"]["database"]
    assert (database["componentType"], database["status"]) == ("database", "pass")
    assert "gemini" not in answer.json["checks"]


def test_in_the_standard_form_what_can_not_be_had_is_an_error(stage):
    stage.services["claude"].fail()
    answer = stage.ask("GET", "/api/v1/monitoring/health", headers=STANDARD)
    assert (answer.status, answer.json["status"]) == (200, "warn")
    assert answer.json["checks"]["claude"][0]["status"] == "fail"
    assert answer.json["output"] == "claude is circuit open"
    stage.database.fail()
    answer = stage.ask("GET", "/api/v1/monitoring/health", headers=STANDARD)
    assert (answer.status, answer.json["status"]) == (503, "fail")
    assert stage.get("/api/v1/monitoring/health").status == 200


def test_the_openapi_document_describes_every_endpoint_and_its_errors(stage):
    document = stage.get("/openapi.json").json
    for endpoint in OURS:
        if endpoint["path"] == "/":
            continue
        operation = document["paths"][endpoint["path"]][endpoint["method"].lower()]
        assert len(operation["description"]) > 20, endpoint["path"]
        if endpoint["path"] not in {"/livez", "/startupz", "/readyz"}:
            assert "application/problem+json" in operation["responses"]["401"]["content"]
            assert operation["security"] == [{"token": []}]
    event = document["components"]["schemas"]["EventView"]
    assert "from" in event["properties"]


def test_there_is_no_docs_page_that_loads_from_elsewhere(stage):
    assert stage.get("/docs").status == 404
    assert stage.get("/redoc").status == 404
