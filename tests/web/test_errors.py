"""Every error is a problem in the form of RFC 9457 that never repeats what was sent."""

import pytest

from koo.errors import DatabaseUnavailable
from koo.monitoring import redact, redacting
from koo.web import Problem
from koo.web.problems import _Answers, problem_body

RESET = "/api/v1/monitoring/database/reset-circuit-breaker"
JSON = {"content-type": "application/json"}


def is_problem(answer, status):
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= answer.json.keys()
    assert answer.json["status"] == status
    return answer


def test_nobody_is_told_how_to_come_in(quiet):
    answer = is_problem(quiet.ask("GET", "/api/v1/monitoring/health"), 401)
    assert answer.headers["www-authenticate"] == 'Bearer realm="koo"'


@pytest.mark.parametrize(
    "header", ["Bearer wrong-key", "Bearer ", "Bearer", "Basic dGVzdDp0ZXN0", "", "Bearer \u00ff"]
)
def test_a_wrong_header_is_401_even_where_looking_is_free(stage, open_stage, header):
    for application in (stage, open_stage):
        answer = application.ask(
            "GET", "/api/v1/monitoring/health", headers={"authorization": header}
        )
        is_problem(answer, 401)
        assert b"wrong-key" not in answer.body


def test_a_read_token_may_not_act(stage):
    is_problem(stage.post(RESET, token="test-key-for-reading"), 403)
    assert stage.database.resets == 0


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/v1/monitoring/healthz", "/api/v1/monitoring/health/"]
)
def test_what_is_not_there_is_404(quiet, path):
    is_problem(quiet.get(path), 404)


def test_the_wrong_method_is_405_and_names_the_right_one(quiet):
    answer = is_problem(quiet.get(RESET), 405)
    assert answer.headers["allow"] == "POST"
    is_problem(quiet.post("/api/v1/monitoring/health"), 405)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "localhost:8000:1",
        "evil@localhost",
        "localhost:99999",
        "localhost:\u00b2",
        "localhost:",
    ],
)
def test_a_foreign_host_is_400_before_anything_else(quiet, host):
    answer = quiet.ask("GET", "/api/v1/monitoring/health", token="test-key-for-reading", host=host)
    is_problem(answer, 400)
    assert b"evil" not in answer.body


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9", "127.0.0.1:80", "[::1]:8000", "[::1]"]
)
def test_loopback_names_are_known_with_any_port(quiet, host):
    assert quiet.ask("GET", "/", host=host).status == 200


def test_a_request_without_a_host_is_400(quiet):
    is_problem(quiet.ask("GET", "/", host=None), 400)


def test_configured_hosts_are_known_and_others_are_not(make_stage):
    from koo.web import ConsoleConfig

    stage = make_stage(config=ConsoleConfig(hosts=("koo.example",)))
    assert stage.ask("GET", "/", host="koo.example:443").status == 200
    is_problem(stage.ask("GET", "/", host="www.koo.example"), 400)


def test_a_body_over_16_kib_is_413(stage):
    answer = stage.post(RESET, headers=JSON, body=b"x" * (16 * 1024 + 1))
    assert is_problem(answer, 413).json["code"] == "body_too_large"


def test_a_chunked_body_without_a_length_cannot_grow_either(stage):
    answer = stage.post(RESET, headers=JSON, body=[b"x" * 5000] * 4)
    assert is_problem(answer, 413).json["code"] == "body_too_large"
    assert stage.database.resets == 0


@pytest.mark.parametrize("length", ["9" * 5000, "16385"])
def test_a_declared_length_is_believed(quiet, length):
    is_problem(quiet.post(RESET, headers=JSON | {"content-length": length}, body=b"{}"), 413)


@pytest.mark.parametrize("length", ["\u00b2", "-1", "abc"])
def test_a_length_that_is_no_number_is_not_a_limit(quiet, length):
    answer = quiet.ask("GET", "/livez", headers={"content-length": length})
    assert answer.status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe", b"{", b"[]", b'"text"', b'{"reason": 7}', b'{"reason": "\\ud800"}',
        b"[" * 10_000, b'{"reason": "' + b"x" * 501 + b'"}', b"null",
    ],
)  # fmt: skip
def test_a_body_that_is_not_as_documented_is_422_and_nothing_is_done(stage, body):
    answer = is_problem(stage.post(RESET, headers=JSON, body=body), 422)
    assert stage.database.resets == 0
    assert b"xxx" not in answer.body


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_json_is_415(quiet, kind):
    is_problem(quiet.post(RESET, headers={"content-type": kind}, body=b"reason=x"), 415)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"reason": null}', b'{"reason": ""}', b'{"reason": "x", "more": 1}']
)
def test_a_reason_is_optional(stage, body):
    assert stage.post(RESET, headers=JSON, body=body).status == 200


def test_who_may_not_act_is_told_so_before_the_body_is_read(quiet):
    is_problem(quiet.ask("POST", RESET, headers=JSON, body=b"\xff"), 401)


def test_an_unexpected_error_says_nothing_of_itself(stage, visitor):
    @stage.app.get("/broken")
    async def broken():
        raise RuntimeError("password=test-key")

    with pytest.raises(RuntimeError):
        stage.get("/broken")


def test_the_answer_to_an_unexpected_error_is_a_problem(stage):
    import asyncio

    unexpected = _Answers(redact).to_unexpected(None, RuntimeError("password=test-key"))
    response = asyncio.run(unexpected)
    assert response.status_code == 500
    assert b"password" not in response.body


def test_a_down_dependency_is_503_with_retry_after(stage):
    @stage.app.get("/needs-database")
    async def needs_database():
        raise DatabaseUnavailable("database", 7.2, "test-key")

    answer = is_problem(stage.get("/needs-database"), 503)
    assert answer.headers["retry-after"] == "8"
    assert b"test-key" not in answer.body


def test_a_wrong_parameter_is_422_without_its_value(stage):
    @stage.app.get("/typed")
    async def typed(number: int):
        return number

    answer = is_problem(stage.get("/typed?number=test-key"), 422)
    assert answer.json["errors"] == [{"where": "query.number", "what": "int_parsing"}]
    assert b"test-key" not in answer.body


def test_a_problem_of_a_users_own_route_looks_like_ours(stage):
    @stage.app.get("/own")
    async def own():
        raise Problem(412, "moved", "the state moved; look again")

    assert is_problem(stage.get("/own"), 412).json["code"] == "moved"


def test_no_problem_says_a_secret_that_the_application_knows(stage):
    stage.monitor.redact = redacting(["one-of-theirs"])

    @stage.app.get("/own")
    async def own():
        raise Problem(409, "held", "one-of-theirs is held; wait")

    assert is_problem(stage.get("/own"), 409).json["detail"] == "*** is held; wait"


def test_nor_does_anything_else_that_stands_in_it():
    extra = {"service": "one-of-theirs", "errors": [{"where": "one-of-theirs", "at": 1}], "n": None}
    body = problem_body(Problem(502, "x", "y"), extra, redacting(["one-of-theirs"]))
    assert (body["service"], body["errors"], body["n"]) == (
        "***",
        [{"where": "***", "at": 1}],
        None,
    )


def test_a_wait_is_at_least_a_second_and_rounded_up():
    assert Problem.retry(503, "x", "y", 0).headers["Retry-After"] == "1"
    assert Problem.retry(503, "x", "y", 2.1).headers["Retry-After"] == "3"


def test_every_answer_carries_the_security_headers(quiet):
    for path in ("/", "/livez", "/nothing", "/api/v1/monitoring/health", "/static/main.js"):
        headers = quiet.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


def test_data_is_never_stored_by_a_browser(quiet):
    assert quiet.get("/api/v1/monitoring/health").headers["cache-control"] == "no-store"
    assert quiet.get("/nothing").headers["cache-control"] == "no-store"


def test_a_preflight_of_another_site_gets_nothing(quiet):
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = is_problem(quiet.ask("OPTIONS", RESET, headers=headers), 405)
    assert "access-control-allow-origin" not in answer.headers


def test_other_protocols_pass_the_guards_untouched(visitor):
    import asyncio

    from koo.web.guards import BodyLimit, HostGuard, SecurityHeaders

    seen = []

    async def application(scope, receive, send):
        seen.append((scope["type"], receive, send))

    guarded = SecurityHeaders(HostGuard(BodyLimit(application)))
    asyncio.run(guarded({"type": "lifespan"}, "receive", "send"))
    assert seen == [("lifespan", "receive", "send")]
