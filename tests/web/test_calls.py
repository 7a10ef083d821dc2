"""AI services over HTTP: who may, what comes back, and how it fails, at once or later."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from fastapi import FastAPI

from koo.ai import (
    NOTHING,
    AIManager,
    AIService,
    Completion,
    ServiceConfig,
    TokenPrice,
    Usage,
)
from koo.errors import (
    ApiKeyError,
    ContentRefusedError,
    ExternalServiceError,
    QuotaExceededError,
    RateLimitError,
    ServiceConnectionError,
    ServiceTimeoutError,
    ServiceUnavailableError,
    StreamTruncatedError,
)
from koo.resilience import Ask, RetryConfig
from koo.testing import Pieces, ScriptedProvider
from koo.web import Access, AccessConfig, Console

from .conftest import OPERATE, READ, NoPrices

CALL = "test-key-for-calling"
QUERY, STREAM = "/api/v1/ai/query", "/api/v1/ai/stream"
PROMPT = "prompt that must not be seen"
JSON = {"content-type": "application/json"}
PRICE = TokenPrice(Decimal(1000), Decimal(2000))
#: What a call for one token with PROMPT can cost; its answer costs 20 * 10**6.
MOST_NANOUSD = (len(PROMPT) + 2) * 10**6
CONTRACT = json.loads((Path(__file__).parent.parent / "contract.json").read_text())
LARGEST = re.search(r"413 over (?P<kib>\d+) KiB \(AI door: (?P<mib>\d+) MiB\)", CONTRACT["errors"])


@pytest.fixture
def door(make_stage):
    """A function that makes a stage whose services claude and openai say these lines."""

    def door(*lines, **settings):
        stage = make_stage()
        stage.providers = [ScriptedProvider(then=line) for line in lines]
        services = [
            _service(name, provider, settings)
            for name, provider in zip(("claude", "openai"), stage.providers, strict=False)
        ]
        stage.access = Access(
            AccessConfig(read_token=READ, operate_token=OPERATE, call_token=CALL),
            clock=stage.clock,
        )
        stage.manager = AIManager(services)
        stage.console = Console(
            stage.monitor, stage.access, stage.config, answers=stage.manager, clock=stage.clock
        )
        stage.app = FastAPI(docs_url=None, redoc_url=None)
        stage.console.install(stage.app)
        return stage

    return door


def _service(name, provider, settings):
    once = RetryConfig(max_retries=0)
    own = {"api_key": "test-key", "price": PRICE, "retry": once, **settings}
    return AIService(ServiceConfig(name=name, **own), provider, prices=NoPrices())


def ask(stage, path, token=CALL, **body):
    sent = json.dumps({"service": "claude", "prompt": PROMPT} | body).encode()
    return stage.post(path, token=token, headers=JSON, body=sent)


def events(answer):
    """The events of a stream, as (name, document)."""
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    blocks = answer.body.decode().removesuffix("\n\n").split("\n\n")
    lines = [block.split("\n") for block in blocks]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in lines
    ]


@pytest.mark.parametrize("path", [QUERY, STREAM])
@pytest.mark.parametrize(
    ("token", "status"), [(None, 401), ("wrong", 401), (READ, 403), (CALL, 200), (OPERATE, 200)]
)
def test_callers_and_operators_may_call(door, path, token, status):
    stage = door("fine")
    answer = ask(stage, path, token=token)
    assert answer.status == status
    assert len(stage.providers[0].requests) == (status == 200)


def test_on_loopback_without_tokens_calling_is_not_free(make_stage, door):
    stage = door("fine")
    stage.access.is_open = True
    assert ask(stage, QUERY, token=None).status == 401


def test_a_caller_may_do_nothing_else(door):
    stage = door("fine")
    looked = stage.get("/api/v1/monitoring/health", token=CALL)
    assert (looked.status, looked.json["code"]) == (403, "call_only")
    acted = stage.post("/api/v1/ai/services/claude/reset-errors", token=CALL)
    assert (acted.status, acted.json["code"]) == (403, "read_only")
    assert stage.access.sign_in(CALL) is None


def test_a_cookie_calls_from_its_own_page_only(door):
    stage = door("fine")
    _, cookie = stage.access.sign_in(OPERATE)
    body = json.dumps({"service": "claude", "prompt": "x"}).encode()
    signed = {"cookie": f"koo_8000={cookie}", **JSON}
    own = stage.ask("POST", QUERY, headers=signed | {"sec-fetch-site": "same-origin"}, body=body)
    other = stage.ask("POST", QUERY, headers=signed | {"sec-fetch-site": "cross-site"}, body=body)
    assert (own.status, other.status) == (200, 403)


def test_without_services_to_call_there_are_no_such_addresses(stage):
    assert ask(stage, QUERY, token=OPERATE).status == 404


def test_a_query_answers_with_the_text(door):
    stage = door("It is.")
    answer = ask(stage, QUERY, system="Be brief.", max_tokens=7, temperature=0.5, timeout=300)
    assert answer.json["text"] == "It is."
    assert answer.json.keys() == {"text", "service", "usage", "timestamp"}
    asked = stage.providers[0].requests[0].question
    assert (asked.prompt.system, asked.max_tokens, asked.prompt.temperature) == (
        "Be brief.",
        7,
        0.5,
    )


def test_a_query_may_be_answered_by_another_service(door):
    stage = door(ServiceUnavailableError("claude", "down; wait", usage=NOTHING), "fine")
    answer = ask(stage, QUERY, fallback=["openai"])
    assert answer.status == 200
    assert (answer.json["service"], answer.json["text"]) == ("openai", "fine")


def test_a_stream_answers_with_events_and_its_bill_at_the_end(door):
    stage = door(Pieces("It", " is \u00e4\n.", usage=Usage(3, 2)))
    told = events(ask(stage, STREAM, max_tokens=9, idle_timeout=300, first_token_timeout=300))
    assert told[:-1] == [("text", {"text": "It"}), ("text", {"text": " is \u00e4\n."})]
    assert told[-1] == (
        "end",
        {
            "service": "claude",
            "model": stage.manager.services["claude"].config.model,
            "finish": "stop",
            "request_id": None,
            "usage": {
                "input_tokens": 3,
                "output_tokens": 2,
                "cost_usd": 0.007,
                "is_cost_told": False,
            },
        },
    )


def test_a_query_tells_its_bill(door):
    told = Completion("x", "m", "stop", Usage(3, 2, nanousd=5, is_cost_told=True))
    assert ask(door(told), QUERY).json["usage"] == {
        "input_tokens": 3,
        "output_tokens": 2,
        "cost_usd": 5e-9,
        "is_cost_told": True,
    }


def test_a_bill_that_nobody_knows_is_null(door):
    assert ask(door(Completion("x", "m", "stop")), QUERY).json["usage"] is None
    assert events(ask(door(Pieces("x", usage=None)), STREAM))[-1][1]["usage"] is None


def test_an_answer_without_text_only_ends(door):
    assert [name for name, _ in events(ask(door(Pieces()), STREAM))] == ["end"]


def test_another_service_answers_instead_unseen(door):
    stage = door(ServiceUnavailableError("claude", "down", usage=NOTHING), Pieces("x"))
    told = events(ask(stage, STREAM, fallback=["openai"]))
    assert [name for name, _ in told] == ["text", "end"]
    assert told[-1][1]["service"] == "openai"


FAILURES = [
    (ApiKeyError, 503),
    (QuotaExceededError, 503),
    (ContentRefusedError, 422),
    (RateLimitError, 429),
    (ServiceConnectionError, 502),
    (ServiceTimeoutError, 504),
    (ServiceUnavailableError, 503),
    (StreamTruncatedError, 502),
    (ExternalServiceError, 502),
]


@pytest.mark.parametrize("path", [QUERY, STREAM])
@pytest.mark.parametrize(("error", "status"), FAILURES)
def test_a_failure_before_the_first_text_is_a_problem(door, path, error, status):
    failure = error("claude", "it failed; try again", retry_after=6.4, request_id="req_1")
    answer = ask(door(failure), path)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "7"
    assert answer.json["code"] == error.kind
    assert answer.json["detail"] == "it failed; try again"
    more = (answer.json["service"], answer.json["retry_after"], answer.json["request_id"])
    assert more == ("claude", 6.4, "req_1")
    assert PROMPT.encode() not in answer.body


def test_a_failure_that_time_does_not_solve_names_none(door):
    answer = ask(door(ApiKeyError("claude", "no")), QUERY)
    assert "retry-after" not in answer.headers
    assert answer.json["retry_after"] is None


def test_a_failure_after_the_first_text_is_an_event(door):
    stage = door(Pieces("half", StreamTruncatedError("claude", "cut; ask again")))
    told = events(ask(stage, STREAM))
    assert [name for name, _ in told] == ["text", "error"]
    problem = told[-1][1]
    assert (problem["status"], problem["code"]) == (502, "stream_truncated")
    assert (problem["service"], problem["detail"]) == ("claude", "cut; ask again")


@pytest.mark.parametrize(
    "settings",
    [{"requests_per_minute": 1, "patience": 0.001}, {"daily_budget_nanousd": MOST_NANOUSD}],
)
def test_our_own_limits_are_429_and_say_when(door, settings):
    stage = door("x", **settings)
    told = [ask(stage, QUERY, max_tokens=1) for _ in range(2)]
    assert [answer.status for answer in told] == [200, 429]
    assert int(told[1].headers["retry-after"]) >= 1


def test_money_that_calls_in_flight_hold_is_429_and_may_be_free_in_a_moment(door):
    stage = door("x", daily_budget_nanousd=MOST_NANOUSD, patience=0.001)
    held = stage.manager.services["claude"]._budget.admit(Ask(1, 0, MOST_NANOUSD))
    answer = ask(stage, QUERY, max_tokens=1)
    held.cancel()
    assert (answer.status, answer.json["code"]) == (429, "rejected")
    assert "reserved by calls in flight" in answer.json["detail"]
    assert (answer.headers["retry-after"], answer.json["retry_after"]) == ("1", None)


@pytest.mark.parametrize("path", [QUERY, STREAM])
def test_a_vendors_429_that_names_no_wait_is_one_of_a_second(door, path):
    answer = ask(door(RateLimitError("claude", "slow down")), path)
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert answer.json["retry_after"] is None


@pytest.mark.parametrize("path", [QUERY, STREAM])
@pytest.mark.parametrize("settings", [{"daily_budget_nanousd": 1}, {"tokens_per_minute": 1}])
def test_what_is_above_a_whole_limit_is_422_for_no_wait_helps(door, path, settings):
    stage = door("x", **settings)
    answer = ask(stage, path)
    assert (answer.status, answer.json["code"]) == (422, "rejected")
    assert "retry-after" not in answer.headers
    assert stage.providers[0].requests == []


def test_an_open_circuit_is_503(door):
    stage = door("x")
    stage.manager.services["claude"]._breaker.isolate("by hand")
    answer = ask(stage, STREAM)
    assert (answer.status, answer.json["code"]) == (503, "rejected")


@pytest.mark.parametrize("path", [QUERY, STREAM])
def test_an_unknown_service_is_404(door, path):
    assert ask(door("x"), path, service="gpt").json["code"] == "unknown_service"


def test_an_unknown_fallback_is_404(door):
    stage = door("x")
    assert ask(stage, STREAM, fallback=["gpt"]).status == 404
    assert stage.providers[0].requests == []


@pytest.mark.parametrize("path", [QUERY, STREAM])
@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"prompt": 7}, "prompt"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_cost": "much"}, "max_cost"),
        ({"service": "x" * 41}, "service"),
        ({"a field nobody knows": 1}, "a field"),
    ],
)
def test_a_body_that_is_not_as_documented_is_422_and_not_repeated(door, path, wrong, place):
    stage = door("x")
    answer = ask(stage, path, **wrong)
    assert (answer.status, answer.json["code"]) == (422, "invalid_body")
    assert f"documented: {place};" in answer.json["detail"]
    assert b"nobody" not in answer.body
    assert stage.providers[0].requests == []


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"max_cost": 0}, {"max_cost": "-1"}])
def test_what_no_service_takes_is_422(door, wrong):
    answer = ask(door("x"), QUERY, **wrong)
    assert (answer.status, answer.json["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("path", [QUERY, STREAM])
@pytest.mark.parametrize("cost", ["0.000001", 0.000001])
def test_what_could_cost_more_than_its_caller_allows_is_422_and_not_sent(door, path, cost):
    stage = door("x")
    answer = ask(stage, path, max_cost=cost)
    assert (answer.status, answer.json["code"]) == (422, "rejected")
    assert "max_cost leaves 0.000001" in answer.json["detail"]
    assert answer.json["retry_after"] is None
    assert stage.providers[0].requests == []


@pytest.mark.parametrize("path", [QUERY, STREAM])
def test_what_can_not_cost_more_is_sent(door, path):
    assert ask(door("x"), path, max_cost="999.5").status == 200


@pytest.mark.parametrize(("body", "status"), [(b"", 422), (b"[", 422), (b"7", 422)])
def test_no_body_or_no_json_is_422(door, body, status):
    answer = door("x").post(QUERY, token=CALL, headers=JSON, body=body)
    assert (answer.status, answer.json["code"]) == (status, "invalid_body")


def test_a_body_that_is_not_called_json_is_415(door):
    assert door("x").post(QUERY, token=CALL, body=b"{}").status == 415


def test_a_body_may_be_as_large_as_the_contract_says_and_no_larger(door):
    stage, most = door("x", daily_budget_nanousd=10**18), int(LARGEST["mib"]) * 2**20
    body = b'{"service":"claude","prompt":"' + b'"}'.rjust(most - 30, b"x")
    assert stage.post(QUERY, token=CALL, headers=JSON, body=body).status == 200
    for path in (QUERY, STREAM):
        assert stage.post(path, token=CALL, headers=JSON, body=b" " * (most + 1)).status == 413
    halves = [b" " * (most // 2), b" " * (most // 2 + 1)]
    assert stage.post(QUERY, token=CALL, headers=JSON, body=halves).status == 413


def test_elsewhere_a_body_may_be_as_large_as_the_contract_says_and_no_larger(door):
    stage, most = door("x"), int(LARGEST["kib"]) * 2**10
    reset = "/api/v1/ai/services/claude/reset-errors"
    sizes = {most: 200, most + 1: 413}
    for size, status in sizes.items():
        assert stage.post(reset, headers=JSON, body=b"{}".ljust(size)).status == status


def test_the_openapi_document_describes_both(door):
    paths = door("x").get("/openapi.json").json["paths"]
    for path in (QUERY, STREAM):
        operation = paths[path]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert {"service", "prompt", "max_tokens"} <= schema["properties"].keys()
        assert schema["required"] == ["service", "prompt"]
        assert "application/problem+json" in operation["responses"]["504"]["content"]
        assert operation["security"] == [{"token": []}]
    assert "text/event-stream" in paths[STREAM]["post"]["responses"]["200"]["content"]
