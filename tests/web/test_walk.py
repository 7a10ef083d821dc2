"""Every route, by everybody who should not get through: nobody does, and nothing is done."""

import asyncio
import json
from pathlib import Path

import pytest

from koo.monitoring.notify import Silence

CONTRACT = json.loads((Path(__file__).parent.parent / "contract.json").read_text())
KNOWN = {"{service}": "claude", "{alert}": "database:circuit-open", "{silence}": "s1"}
PROBES = {"/livez", "/startupz", "/readyz"}
DOOR = "/api/v1/session"
PAGE = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
WISH = b'{"reason": "moving house"}'


@pytest.fixture(scope="module")
def outage(make_outage):
    return make_outage()


@pytest.fixture(scope="module")
def make_outage():
    """The way to applications in which every button would find something to move."""
    from .conftest import Stage

    def make():
        stage = Stage()
        stage.database.fail()
        stage.services["claude"].fail()
        stage.monitor.observe()
        now = stage.clock.time()
        silence = Silence(id="s1", starts=now, ends=now + 60, actor="ann", reason="moving")
        asyncio.run(stage.records.mute_book.silence(silence))
        return stage

    return make


def routes(stage):
    """Method and path of all that is served, but for the page's own files."""
    for router in stage.console.routers():
        for route in router.routes:
            path = route.path
            for name, value in KNOWN.items():
                path = path.replace(name, value)
            for method in route.methods - {"HEAD"}:
                if "{" not in path:
                    yield method, path


def acting(stage):
    return [(method, path) for method, path in routes(stage) if method != "GET" and path != DOOR]


def untouched(stage):
    """Whether everything is as it was at the start of the outage."""
    return (
        stage.database.resets == stage.services["claude"].resets == stage.database.asked == 0
        and stage.database.breaker.stats().state == "open"
        and stage.services["claude"].breaker.stats().state == "open"
        and [one.id for one in stage.records.mute_book.mutes().silences] == ["s1"]
        and not stage.records.mute_book.mutes().acknowledgements
        and stage.get("/api/v1/monitoring/audit").json["actions"] == []
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
        if "from the issue" not in str(endpoint["body"]):
            assert (endpoint["method"], path) in walked


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
def test_no_other_site_acts_by_the_cookie(outage, tokens, site):
    cookie = cookie_of(outage, tokens["operate"])
    headers = PAGE | {"cookie": cookie, "sec-fetch-site": site}
    for method, path in acting(outage):
        answer = outage.ask(method, path, headers=headers, body=WISH)
        assert (answer.status, answer.json["code"]) == (403, "cross_site"), path
    assert untouched(outage)


def test_nobody_acts_with_more_than_16_kib(outage, tokens):
    body = b'{"reason": "' + b"x" * 20_000 + b'"}'
    for method, path in acting(outage):
        answer = outage.ask(method, path, token=tokens["operate"], headers=PAGE, body=body)
        assert answer.status == 413, path
    assert untouched(outage)


def test_nobody_acts_by_the_cookie_without_a_body(outage, tokens):
    """What a form on another page could send."""
    headers = {"cookie": cookie_of(outage, tokens["operate"]), "sec-fetch-site": "same-origin"}
    for method, path in acting(outage):
        assert outage.ask(method, path, headers=headers).status == 415, path
    assert untouched(outage)


def test_with_the_token_and_without_a_body_each_acts_as_documented(make_outage, tokens):
    stage = make_outage()
    needs = {"/api/v1/monitoring/silences": 422}
    for method, path in acting(stage):
        answer = stage.ask(method, path, token=tokens["operate"])
        assert answer.status == needs.get(path, 200), path
