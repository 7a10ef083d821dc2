"""The application in one piece: its routes, its doors, its beginning and its end."""

import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
import pytest
from sqlalchemy import exc, text

from api import assembly
from api.assembly import access_of, assemble
from core.config import ROOT, get_settings
from core.database import db_manager
from core.exceptions import DatabaseUnavailable
from core.state import archive
from koo.monitoring import RUNBOOKS
from koo.stores import StoreError
from koo.web import Access, AccessConfig

pytestmark = pytest.mark.integration  # SQLite is asked in a thread

CONTRACT = json.loads((ROOT / "tests/contract.json").read_text())
# What later rooms bring is not there yet, and a stream has no end to wait for.
LATER = ("from the issue AI", "from the issue Monitoring", "text/event-stream")
ENDPOINTS = [
    one for one in CONTRACT["endpoints"] if not any(word in str(one["body"]) for word in LATER)
]
READ, OPERATE = "test-key-for-reading", "test-key-for-operating"
WISH = {"reason": "moving house", "component": "nobody"}
LOOPBACK = "http://127.0.0.1:8000"


@asynccontextmanager
async def running(access=None, address=LOOPBACK, **options):
    """The application between its start and its end, and a visitor of *address*."""
    app = assemble(access, **{"fingerprint": None, "on_ready": lambda _: None} | options)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=address) as visitor:
            yield SimpleNamespace(app=app, visitor=visitor)


def guarded():
    return Access(AccessConfig("127.0.0.1", READ, OPERATE))


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


@pytest.mark.parametrize("one", ENDPOINTS, ids=lambda one: f"{one['method']} {one['path']}")
async def test_an_endpoint_answers_everybody_as_the_contract_says(one):
    path = one["path"].replace("{service}", "claude")
    # What nobody has made is not there, whoever asks.
    one = one | {"operate": 404, "body": ""} if "{alert}" in path or "{silence}" in path else one
    wish = {"json": WISH} if isinstance(one.get("request"), dict) else {}
    async with running(guarded()) as stage:
        for role, token in (("anonymous", None), ("read", READ), ("operate", OPERATE)):
            answer = await stage.visitor.request(one["method"], path, headers=bearer(token), **wish)
            wanted = one.get(role, one["anonymous"])
            assert str(answer.status_code) in str(wanted).split("|"), role
            if answer.status_code == 200 and isinstance(one["body"], dict):
                assert one["body"].keys() <= answer.json().keys()


async def test_an_unknown_service_is_not_found_and_not_made():
    async with running() as stage:
        answer = await stage.visitor.get("/api/v1/monitoring/ai-services/nobody/metrics")
        listed = (await stage.visitor.get("/api/v1/monitoring/ai-services")).json()
    assert answer.status_code == 404
    assert "nobody" not in listed["ai_services_monitoring"]


async def test_every_alert_leads_to_a_section_that_the_page_can_show():
    async with running() as stage:
        about = (await stage.visitor.get("/api/v1/session")).json()["about"]
        answers = {
            anchor: (await stage.visitor.get(f"/runbooks/{anchor}")).status_code
            for anchor in RUNBOOKS
        }
    assert about["has_runbooks"] is True
    assert set(answers.values()) == {200}


@pytest.mark.parametrize(("token", "status"), [(None, 401), (READ, 200), (OPERATE, 200)])
async def test_the_version_of_the_database_is_for_those_who_may_look(token, status):
    async with running(guarded()) as stage:
        answer = await stage.visitor.get("/api/v1/database/version", headers=bearer(token))
    assert answer.status_code == status


async def test_the_check_over_http_is_the_documented_function():
    async with running(guarded()) as stage:
        path = "/api/v1/monitoring/database/health-check"
        answer = await stage.visitor.post(path, headers=bearer(OPERATE))
    assert answer.status_code == 200
    assert answer.json()["health_check_result"]["healthy"] is True
    assert answer.json()["detailed_status"]["configuration"]["DB_MAX_RETRIES"] == 3


async def test_the_database_says_who_it_is():
    async with running() as stage:
        answer = await stage.visitor.get("/api/v1/database/version")
    assert answer.json()["dialect"] == "sqlite"
    assert answer.json()["version"][0] == "3"


@pytest.mark.parametrize(("gates", "status"), [((), 200), (("database",), 503)])
async def test_it_is_not_ready_without_what_the_settings_name(monkeypatch, gates, status):
    monkeypatch.setitem(get_settings().__dict__, "ready_gates", gates)
    async with running() as stage:
        before = await stage.visitor.get("/readyz")
        db_manager.breaker.isolate("for a test")
        without = await stage.visitor.get("/readyz")
        db_manager.reset()
        after = await stage.visitor.get("/readyz")
    assert [it.status_code for it in (before, without, after)] == [200, status, 200]


async def test_the_state_file_is_watched_like_everything_else():
    async with running() as stage:
        with pytest.raises(StoreError):
            archive.change("INSERT INTO nowhere VALUES (1)")
        form = {"Accept": "application/health+json"}
        answer = await stage.visitor.get("/api/v1/monitoring/health", headers=form)
        with archive.write():
            pass
    [check] = answer.json()["checks"]["store"]
    assert (check["status"], check["output"]) == ("warn", "state.db can't be used (SQLITE_ERROR)")


# -- whom it answers ------------------------------------------------------------------------


async def test_without_tokens_it_answers_on_loopback_addresses():
    async with running() as stage:
        assert (await stage.visitor.get("/api/v1/monitoring/alerts")).status_code == 200


@pytest.mark.parametrize("address", ["http://192.168.1.5:8000", "http://[2001:db8::1]:8000"])
async def test_without_tokens_it_answers_on_no_other_address_whatever_the_host(address):
    async with running(address=address) as stage:
        for path in ("/api/v1/monitoring/health", "/api/v1/database/version", "/"):
            answer = await stage.visitor.get(path, headers={"Host": "localhost"})
            assert answer.status_code == 403
            assert answer.json()["code"] == "no_token_set"
        assert (await stage.visitor.get("/livez")).status_code == 200


async def test_with_tokens_it_answers_on_every_address_by_the_names_it_knows():
    access = Access(AccessConfig("192.168.1.5", READ, OPERATE))
    async with running(access, "http://192.168.1.5", host="192.168.1.5") as stage:
        path = "/api/v1/monitoring/health"
        assert (await stage.visitor.get(path, headers=bearer(READ))).status_code == 200
        foreign = {"Host": "evil.example"} | bearer(READ)
        assert (await stage.visitor.get(path, headers=foreign)).status_code == 400


def test_a_public_address_without_tokens_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="KOO_READ_TOKEN and KOO_OPERATE_TOKEN"):
        access_of("0.0.0.0")


def test_the_token_that_was_made_is_told_with_its_code(capsys):
    access = access_of("127.0.0.1")
    assembly.tell_of_access(access)
    said = capsys.readouterr().out
    assert access.operate_token in said
    assert f"/#code={access.code}" in said


def test_a_token_that_was_configured_is_not_told(capsys):
    assembly.tell_of_access(guarded())
    assert capsys.readouterr().out == ""


# -- when the database can't be had ----------------------------------------------------------


def add_route(app, error):
    async def fail():
        raise error

    app.add_api_route("/needs-the-database", fail)


def driver_error(kind=exc.OperationalError, orig=None, **notes):
    error = kind("SELECT 1", None, orig or ConnectionRefusedError())
    for name, value in notes.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    "error",
    [
        driver_error(),
        driver_error(exc.DBAPIError, connection_invalidated=True),
        DatabaseUnavailable("database", 3.2),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_route_that_needs_the_database_says_when_to_come_back(error):
    async with running() as stage:
        add_route(stage.app, error)
        answer = await stage.visitor.get("/needs-the-database")
    assert answer.status_code == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 4
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "SELECT" not in answer.text


async def test_a_wrong_statement_is_not_an_outage():
    async with running() as stage:
        add_route(stage.app, driver_error(exc.ProgrammingError, Exception("no such table")))
        answer = await stage.visitor.get("/needs-the-database")
    assert answer.status_code == 500
    assert "table" not in answer.text


# -- its beginning and its end ---------------------------------------------------------------


async def test_it_is_ready_between_its_start_and_its_end():
    ready = []
    async with running(on_ready=ready.append) as stage:
        assert (await stage.visitor.get("/readyz")).status_code == 200
        assert len(ready) == 1
    transport = httpx.ASGITransport(stage.app)
    async with httpx.AsyncClient(transport=transport, base_url=LOOPBACK) as visitor:
        assert (await visitor.get("/readyz")).status_code == 503


async def test_at_its_end_no_connection_is_left():
    async with running():
        async with db_manager.session_scope() as session:
            await session.execute(text("SELECT 1"))
        assert db_manager.get_pool_metrics()["pool_status"]["total_connections"] > 0
    assert db_manager.get_pool_metrics()["pool_status"]["total_connections"] == 0


async def test_changed_settings_are_an_alert_that_names_the_variables(tmp_path):
    path = tmp_path / "settings.json"
    async with running(fingerprint=path):
        pass
    kept = json.loads(path.read_text())
    kept["hashes"]["SHUTDOWN_GRACE"] = "another"
    path.write_text(json.dumps(kept))
    async with running(fingerprint=path) as stage:
        alerts = (await stage.visitor.get("/api/v1/monitoring/alerts")).json()["alerts"]
    [changed] = [one for one in alerts if one["id"] == "system:configuration-changed"]
    assert (changed["severity"], changed["cause"]) == ("info", "SHUTDOWN_GRACE")
