"""The buttons: what they move, on which state they insist, and that each press is kept."""

import asyncio
import json
from urllib.parse import quote

import pytest

from koo.monitoring import Alert, AlertState, Severity
from koo.resilience import AuditLineLost
from koo.stores import StoreError

DATABASE = "/api/v1/monitoring/database"
CLAUDE = "/api/v1/ai/services/claude"
SILENCES = "/api/v1/monitoring/silences"
AUDIT = "/api/v1/monitoring/audit"
JSON = {"content-type": "application/json"}


def send(stage, path, method="POST", **body):
    content = json.dumps(body).encode() if body else b""
    headers = JSON if body else {}
    return stage.ask(method, path, token="test-key-for-operating", headers=headers, body=content)


def outage(stage):
    stage.database.fail()
    stage.monitor.observe()


def audit(stage, query=""):
    return stage.get(AUDIT + query).json


# -- half-open --------------------------------------------------------------------------------


def test_an_open_circuit_is_half_opened_and_the_next_call_probes(stage):
    stage.database.fail()
    body = send(stage, f"{DATABASE}/half-open", reason="server is back").json
    assert (body["previous_state"], body["new_state"]) == ("circuit_open", "degraded")
    assert body["message"] == "database: the circuit is half-open; the next call probes"
    stage.database.succeed(1)
    assert stage.database.breaker.stats().state == "half_open"
    stage.database.succeed(1)
    assert stage.database.breaker.stats().state == "closed"


def test_a_service_is_half_opened_alone(stage):
    stage.services["claude"].fail()
    stage.services["openai"].fail()
    body = send(stage, f"{CLAUDE}/half-open").json
    assert (body["success"], body["service"], body["new_state"]) == (True, "claude", "degraded")
    assert stage.services["openai"].breaker.stats().state == "open"


def isolate(breaker):
    breaker.isolate("the key is refused")


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda breaker: None, "the circuit is closed"),
        (isolate, "it is out of service"),
        (lambda breaker: (isolate(breaker), breaker.reset()), "the circuit is closed"),
    ],
)
def test_what_is_not_open_by_itself_is_left_as_it_is(stage, prepare, words):
    breaker = stage.services["claude"].breaker
    prepare(breaker)
    before = breaker.stats()
    body = send(stage, f"{CLAUDE}/half-open").json
    assert body["success"] is False
    assert words in body["message"]
    assert breaker.stats() == before


def test_half_opening_twice_is_half_opening_once(stage):
    stage.services["claude"].fail()
    send(stage, f"{CLAUDE}/half-open")
    body = send(stage, f"{CLAUDE}/half-open").json
    assert body["success"] is True
    assert "probes pass already" in body["message"]


# -- If-Match ---------------------------------------------------------------------------------


def generation(stage):
    return stage.get("/api/v1/monitoring/health").json["database"]["circuit_breaker"]["generation"]


@pytest.mark.parametrize("path", ["reset-circuit-breaker", "half-open"])
def test_a_circuit_that_has_moved_since_is_left_alone(stage, path):
    seen = generation(stage)
    stage.database.fail()
    answer = stage.post(f"{DATABASE}/{path}", headers={"if-match": f'"{seen}"'})
    assert (answer.status, answer.json["code"]) == (412, "state_moved")
    assert stage.database.breaker.stats().state == "open"
    assert audit(stage)["actions"] == []


@pytest.mark.parametrize("mark", ['"{0}"', "{0}", "*", '"1-1", "{0}"'])
def test_a_circuit_that_has_not_moved_moves(stage, mark):
    stage.database.fail()
    headers = {"if-match": mark.format(generation(stage))}
    assert stage.post(f"{DATABASE}/half-open", headers=headers).status == 200


def test_the_same_number_of_another_process_is_another_generation(stage, make_stage):
    other = make_stage()
    other.clock.advance(60)
    for one in (stage, other):
        one.database.fail()
    assert generation(stage) != generation(other)


# -- the audit --------------------------------------------------------------------------------


def test_every_action_is_kept_with_who_why_where_and_what_came_of_it(stage):
    stage.database.fail()
    send(stage, f"{DATABASE}/reset-circuit-breaker", reason="server is back")
    [action] = audit(stage)["actions"]
    assert action == {
        "id": 1, "at": "2023-11-14T22:13:20.000Z", "component": "database",
        "action": "circuit reset", "actor": "operate token", "address": "127.0.0.1",
        "reason": "server is back", "before": "circuit_open", "after": "healthy",
    }  # fmt: skip


def test_the_audit_comes_page_by_page(stage):
    for _ in range(5):
        send(stage, f"{CLAUDE}/reset-errors")
    first = audit(stage, "?most=3")
    second = audit(stage, f"?most=3&before={first['next_before']}")
    assert [one["id"] for one in (*first["actions"], *second["actions"])] == [5, 4, 3, 2, 1]
    assert second["next_before"] is None


@pytest.mark.parametrize("query", ["?most=0", "?most=201", "?before=0", "?most=x"])
def test_a_page_that_cannot_be_is_422(stage, query):
    assert stage.get(AUDIT + query).status == 422


def test_an_action_is_done_though_it_cannot_be_kept_and_that_is_told(stage, monkeypatch):
    async def full(_):
        raise StoreError("the disk of state.db is full, make room")

    monkeypatch.setattr(stage.records.audit, "append", full)
    stage.database.fail()
    assert send(stage, f"{DATABASE}/half-open").json["new_state"] == "degraded"
    cause = "the disk of state.db is full, make room"
    assert stage.events[-1] == AuditLineLost("database", "half-opened", cause)
    assert stage.journal.entries()[0].what == "not in the audit: half-opened"


def test_records_that_cannot_be_read_are_503_and_say_so(stage, monkeypatch):
    async def damaged(*_):
        raise StoreError("state.db is damaged, bring back a copy or move it away")

    monkeypatch.setattr(stage.records.audit, "entries", damaged)
    answer = stage.get(AUDIT)
    assert (answer.status, answer.json["code"]) == (503, "records_unavailable")
    assert "bring back a copy" in answer.json["detail"]
    assert answer.headers["retry-after"] == "1"


def test_a_state_that_cannot_be_seen_is_not_the_one_that_somebody_decided_on(stage, monkeypatch):
    outage(stage)

    def broken():
        raise RuntimeError("no report")

    monkeypatch.setattr(stage.database, "report", broken)
    path = f"{DATABASE}/reset-circuit-breaker"
    answer = stage.post(path, headers={"if-match": '"7"'})
    assert (answer.status, answer.json["code"]) == (412, "state_unknown")
    assert stage.database.resets == 0
    assert stage.post(path).status == 200


# -- silences and acknowledgements ------------------------------------------------------------


def test_a_reason_that_holds_a_key_is_kept_and_shown_without_it(stage):
    key = "sk-proj-" + "x" * 20
    silence = send(stage, SILENCES, component="database", reason=f"rotated {key}").json["silence"]
    assert silence["reason"] == "rotated ***"
    assert key not in stage.get(SILENCES).body.decode()
    outage(stage)
    stage.monitor.observe()
    send(stage, "/api/v1/monitoring/alerts/database:circuit-open/acknowledge", reason=key)
    [seen] = stage.records.mute_book.mutes().acknowledgements
    assert seen.reason == "***"


def test_a_silence_is_in_force_shown_kept_and_lifted(stage):
    outage(stage)
    wish = {"component": "database", "seconds": 600, "reason": "moving the\ndatabase"}
    silence = send(stage, SILENCES, **wish).json["silence"]
    assert (silence["actor"], silence["reason"]) == ("operate token", "moving the database")
    assert silence["ends"] == "2023-11-14T22:23:20.000Z"
    assert stage.get(SILENCES).json["silences"] == [silence]
    [alert] = stage.get("/api/v1/monitoring/alerts").json["alerts"]
    assert alert["silence"] == silence["id"]
    lifted = send(stage, f"{SILENCES}/{silence['id']}", "DELETE", reason="done").json
    assert lifted["silence"] == silence
    assert stage.get(SILENCES).json["silences"] == []
    assert [(one["component"], one["action"]) for one in audit(stage)["actions"]] == [
        ("database", "lifted silence of *"), ("database", "silenced *"),
    ]  # fmt: skip


def test_a_silence_that_is_sent_twice_under_one_key_is_one(stage):
    body, token = json.dumps({"reason": "moving"}).encode(), "test-key-for-operating"
    headers = JSON | {"idempotency-key": "abc-1"}
    first, second = (
        stage.ask("POST", SILENCES, token=token, headers=headers, body=body) for _ in range(2)
    )
    assert first.json["silence"] == second.json["silence"]
    assert stage.get(SILENCES).json["silences"] == [first.json["silence"]]
    assert len(audit(stage)["actions"]) == 1
    send(stage, SILENCES, reason="moving")
    assert len(stage.get(SILENCES).json["silences"]) == 2


def test_one_key_for_two_silences_loses_neither(stage):
    token, headers = "test-key-for-operating", JSON | {"idempotency-key": "incident-7"}
    for rule, seconds in (("pool-near", 60), ("circuit-open", 120), ("pool-near", 600)):
        body = json.dumps({"reason": "moving", "rule": rule, "seconds": seconds}).encode()
        answer = stage.ask("POST", SILENCES, token=token, headers=headers, body=body).json
    kept = {one["rule"] for one in stage.get(SILENCES).json["silences"]}
    assert kept == {"pool-near", "circuit-open"}
    assert answer["message"].startswith("what matches is not told for 60 s")


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"reason": "x"},
        {"reason": " \n . "},
        {"reason": "moving", "seconds": 59},
        {"reason": "moving", "seconds": 7 * 86_400 + 1},
        {"reason": "moving", "component": ""},
        {"reason": "moving", "until": "tomorrow"},
    ],
)
def test_a_silence_that_is_not_as_documented_is_422_and_keeps_nothing(stage, wish):
    assert send(stage, SILENCES, **wish).status == 422
    assert stage.get(SILENCES).json["silences"] == []


def test_a_silence_that_another_process_has_lifted_is_404(stage, monkeypatch):
    identity = send(stage, SILENCES, reason="moving").json["silence"]["id"]

    async def gone(_):
        return None

    monkeypatch.setattr(stage.records.mute_book, "lift", gone)
    assert send(stage, f"{SILENCES}/{identity}", "DELETE").json["code"] == "unknown_silence"


@pytest.mark.parametrize("component", ["ai:claude", "queue/letters out"])
def test_what_only_another_process_sees_can_be_acknowledged_here(stage, component):
    outbox, since = stage.records.outbox, stage.clock.time() - 5
    seen = Alert(
        id=f"{component}:circuit-open", severity=Severity.CRITICAL, component=component, title="T",
        message="m", cause=None, state=AlertState.FIRING, since=since, runbook="r",
    )  # fmt: skip
    outbox.attend("another", [seen], stage.clock.time(), 10.0)
    path = f"/api/v1/monitoring/alerts/{quote(seen.id, safe='')}/acknowledge"
    assert send(stage, path, reason="on it").json["alert"] == seen.id
    assert [one.id for one in stage.records.mute_book.mutes().acknowledgements] == [seen.id]


def test_an_acknowledged_alert_says_who_has_seen_it_until_it_is_over(stage):
    outage(stage)
    path = "/api/v1/monitoring/alerts/database:circuit-open/acknowledge"
    assert send(stage, path, reason="on it").json["actor"] == "operate token"
    [alert] = stage.get("/api/v1/monitoring/alerts").json["alerts"]
    assert alert["acknowledged_by"] == "operate token"
    [action] = audit(stage)["actions"]
    assert (action["action"], action["reason"]) == ("acknowledged circuit-open", "on it")
    stage.database.reset()
    stage.monitor.observe()
    stage.clock.advance(61)
    stage.monitor.observe()
    assert send(stage, path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/api/v1/monitoring/alerts/database:held-long/acknowledge", "unknown_alert"),
        ("DELETE", f"{SILENCES}/nothing", "unknown_silence"),
    ],
)
def test_what_is_not_there_is_404_and_its_name_is_not_repeated(stage, method, path, code):
    outage(stage)
    answer = send(stage, path, method)
    assert (answer.status, answer.json["code"]) == (404, code)
    assert b"held-long" not in answer.body


async def test_while_it_runs_silences_of_other_processes_are_known(make_stage):
    from koo.monitoring import Records
    from koo.monitoring.notify import Silence
    from koo.testing import running_clock

    stage = make_stage(clock=running_clock())
    other = Records.of(stage.records.audit._archive, clock=stage.clock)
    now = stage.clock.time()
    async with stage.console.running():
        await other.mute_book.silence(
            Silence(id="theirs", starts=now, ends=now + 60, actor="bob", reason="moving")
        )
        await asyncio.sleep(3)
        assert [one.id for one in stage.monitor.alert_list().silences] == ["theirs"]


def test_an_application_without_records_has_no_such_routes(stage):
    from fastapi import FastAPI

    from koo.web import Console

    app = FastAPI()
    Console(stage.monitor, stage.access).install(app)
    stage.app = app
    assert stage.get(AUDIT).status == 404
    assert stage.post(f"{DATABASE}/half-open").status == 200


async def test_an_application_without_records_runs_all_the_same(make_stage):
    from koo.testing import running_clock
    from koo.web import Console

    stage = make_stage(clock=running_clock())
    console = Console(stage.monitor, stage.access, clock=stage.clock)
    stage.database.fail()
    async with console.running():
        await asyncio.sleep(1.5)
        assert [alert.id for alert in stage.monitor.standing()] == ["database:circuit-open"]


# -- the same wish, sent again ----------------------------------------------------------------


def wish(stage, path, key, token="test-key-for-operating", **more):
    headers = {"idempotency-key": key} | more
    return stage.ask("POST", path, token=token, headers=headers)


def test_a_wish_that_is_sent_again_moves_nothing_and_gets_the_first_answer(stage):
    stage.database.fail()
    generation = stage.get(DATABASE).json["database_monitoring"]["circuit_breaker"]["generation"]
    terms = {"if-match": f'"{generation}"'}
    first = wish(stage, f"{DATABASE}/half-open", '"a-1"', **terms)
    stage.database.breaker.isolate("by hand")
    again = wish(stage, f"{DATABASE}/half-open", "a-1", **terms)
    assert (first.status, again.status) == (200, 200)
    assert first.json | {"timestamp": ""} == again.json | {"timestamp": ""}
    assert stage.database.breaker.stats().state == "open"
    assert len(audit(stage)["actions"]) == 1


def test_another_key_is_another_wish(stage):
    wish(stage, f"{DATABASE}/reset-circuit-breaker", "a-1")
    wish(stage, f"{DATABASE}/reset-circuit-breaker", "a-2")
    assert stage.database.resets == 2


def test_a_refused_wish_is_not_remembered(stage):
    stage.database.fail()
    refused = wish(stage, f"{DATABASE}/half-open", "a-1", **{"if-match": '"of-yesterday"'})
    assert refused.status == 412
    assert wish(stage, f"{DATABASE}/half-open", "a-1").json["new_state"] == "degraded"


@pytest.mark.parametrize(
    ("path", "key", "code"),
    [(f"{CLAUDE}/half-open", "a-1", "key_used"), (f"{DATABASE}/half-open", "a 1", "invalid_key")],
)
def test_a_key_that_can_not_be_right_moves_nothing(stage, path, key, code):
    stage.services["claude"].fail()
    wish(stage, f"{DATABASE}/half-open", "a-1")
    answer = wish(stage, path, key)
    assert (answer.status, answer.json["code"]) == (422, code)
    assert stage.services["claude"].breaker.stats().state == "open"


def test_the_oldest_wish_is_forgotten_first(stage, monkeypatch):
    monkeypatch.setattr("koo.web.desk._MOST_KEYS", 2)
    for key in ("a-1", "a-2", "a-3", "a-2"):
        wish(stage, f"{DATABASE}/reset-circuit-breaker", key)
    assert stage.database.resets == 3
    wish(stage, f"{DATABASE}/reset-circuit-breaker", "a-1")
    assert stage.database.resets == 4
