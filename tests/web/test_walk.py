"""Every route, by everybody who should not get through: nobody does, and nothing is done."""

import asyncio
import json
from pathlib import Path

import pytest

from koo.monitoring.notify import Silence
from koo.testing import ScriptedProvider
from koo.web import ConsoleConfig
from koo.web.guards import BODY_LIMIT_BYTES
from koo.web.routes import BODY_LIMITS

from .conftest import Stage, manager_of

CONTRACT = json.loads((Path(__file__).parent.parent / "contract.json").read_text())
KNOWN = {
    "{service}": "claude",
    "{alert}": "database:circuit-open",
    "{silence}": "s1",
    "{anchor}": "database-circuit-open",
    "{path}": "main.js",
}
PROBES = {"/livez", "/startupz", "/readyz"}
DOOR, DOCUMENT = "/api/v1/session", "/openapi.json"
OPEN = PROBES | {"/", "/static/main.js", DOOR, DOCUMENT}
ENDLESS = "/api/v1/monitoring/stream"
CALLS = ("/api/v1/ai/query", "/api/v1/ai/stream")
PAGE = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
WISH = b'{"reason": "moving house"}'


@pytest.fixture(scope="module")
def outage(make_outage):
    return make_outage()


@pytest.fixture(scope="module")
def make_outage():
    """The way to applications in which every button would find something to move."""

    def make():
        provider = ScriptedProvider(then="fine")
        config = ConsoleConfig(runbooks="## Database circuit open\n")
        stage = Stage(config=config, answers=manager_of(provider))
        stage.provider = provider
        stage.database.fail()
        stage.services["claude"].fail()
        stage.monitor.observe()
        now = stage.clock.time()
        silence = Silence(id="s1", starts=now, ends=now + 60, actor="ann", reason="moving")
        asyncio.run(stage.records.mute_book.silence(silence))
        return stage

    return make


def routes(stage):
    """Method and path of all that is served."""
    yield "GET", DOCUMENT
    for router in stage.console.routers():
        for route in router.routes:
            path = route.path_format
            for name, value in KNOWN.items():
                path = path.replace(name, value)
            for method in route.methods - {"HEAD"}:
                yield method, path


def looking(stage):
    return [path for method, path in routes(stage) if method == "GET"]


def changing(stage):
    """What acts, and what signs in and out."""
    return [(method, path) for method, path in routes(stage) if method != "GET"]


def acting(stage):
    return [(method, path) for method, path in changing(stage) if path != DOOR]


def untouched(stage):
    """Whether everything is as it was at the start of the outage."""
    return (
        stage.database.resets == stage.services["claude"].resets == stage.database.asked == 0
        and stage.database.breaker.stats().state == "open"
        and stage.services["claude"].breaker.stats().state == "open"
        and [one.id for one in stage.records.mute_book.mutes().silences] == ["s1"]
        and not stage.records.mute_book.mutes().acknowledgements
        and stage.get("/api/v1/monitoring/audit").json["actions"] == []
        and stage.provider.requests == []
    )


def cookie_of(stage, token):
    body = json.dumps({"token": token}).encode()
    answer = stage.ask("POST", DOOR, headers=PAGE, body=body)
    return answer.headers["set-cookie"].split(";")[0]


def test_the_walk_finds_every_endpoint_of_the_contract(outage):
    walked = set(routes(outage))
    for endpoint in CONTRACT["endpoints"]:
        path = endpoint["path"]
        for name, value in KNOWN.items():
            path = path.replace(name, value)
        assert (endpoint["method"], path) in walked


def test_the_walk_knows_a_value_for_every_part_of_a_path(outage):
    assert [path for _, path in routes(outage) if "{" in path] == []


@pytest.mark.parametrize("role", ["anonymous", "read", "operate"])
def test_without_a_token_nobody_sees_more_than_the_page_and_the_probes(outage, tokens, role):
    for path in looking(outage):
        may_look = role != "anonymous" or path in OPEN
        if may_look and path == ENDLESS:
            continue
        answer = outage.ask("GET", path, token=tokens[role])
        has_begun = path not in {"/startupz", "/readyz"}
        assert answer.status == (401 if not may_look else 200 if has_begun else 503), path
    assert untouched(outage)


def test_nobody_looks_or_acts_by_a_foreign_host(outage, tokens):
    for method, path in routes(outage):
        if path in PROBES:
            continue
        answer = outage.ask(method, path, token=tokens["operate"], host="evil.example")
        assert (answer.status, answer.json["code"]) == (400, "unknown_host"), path
    assert untouched(outage)


@pytest.mark.parametrize(("role", "status"), [("anonymous", 401), ("read", 403)])
def test_nobody_acts_without_the_operate_token(outage, tokens, role, status):
    for method, path in acting(outage):
        answer = outage.ask(method, path, token=tokens[role], headers=PAGE, body=WISH)
        assert answer.status == status, path
    assert untouched(outage)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_no_other_site_acts_by_the_cookie_or_ends_it(outage, tokens, site):
    cookie = cookie_of(outage, tokens["operate"])
    headers = PAGE | {"cookie": cookie, "sec-fetch-site": site}
    for method, path in changing(outage):
        answer = outage.ask(method, path, headers=headers, body=WISH)
        assert (answer.status, answer.json["code"]) == (403, "cross_site"), path
    assert untouched(outage)
    assert outage.ask("GET", DOOR, headers={"cookie": cookie}).json["signed_in"] is True


def test_nobody_acts_with_more_than_an_address_takes(outage, tokens):
    for method, path in changing(outage):
        limit = BODY_LIMITS.get(path, BODY_LIMIT_BYTES)
        body = b'{"reason": "' + b"x" * limit + b'"}'
        answer = outage.ask(method, path, token=tokens["operate"], headers=PAGE, body=body)
        assert answer.status == 413, path
    assert untouched(outage)


def test_only_those_who_call_may_send_more_than_16_kib():
    assert BODY_LIMIT_BYTES == 16 * 1024
    assert set(BODY_LIMITS) == set(CALLS)


def test_nobody_acts_by_the_cookie_without_a_body(outage, tokens):
    """What a form on another page could send."""
    headers = {"cookie": cookie_of(outage, tokens["operate"]), "sec-fetch-site": "same-origin"}
    for method, path in changing(outage):
        assert outage.ask(method, path, headers=headers).status == 415, path
    assert untouched(outage)


def test_with_the_token_and_without_a_body_each_acts_as_documented(make_outage, tokens):
    stage = make_outage()
    needs = dict.fromkeys(("/api/v1/monitoring/silences", *CALLS), 422)
    for method, path in acting(stage):
        answer = stage.ask(method, path, token=tokens["operate"])
        assert answer.status == needs.get(path, 200), path
