"""Errors as each vendor says them: status, type, code, words and the time to wait."""

import json

import pytest

from koo.testing import Fault

from .conftest import KEY, SERVICES, completion

pytestmark = pytest.mark.integration

#: service -> fault -> status, type, code (Gemini: status, reason or quota)
SURFACES = {
    "claude": {
        Fault.RATE_LIMIT: (429, "rate_limit_error", None),
        Fault.OVERLOADED: (529, "overloaded_error", None),
        Fault.SERVER_ERROR: (500, "api_error", None),
        Fault.UNAVAILABLE: (503, "api_error", None),
        Fault.GATEWAY_TIMEOUT: (504, "timeout_error", None),
        Fault.WRONG_KEY: (401, "authentication_error", None),
        Fault.NO_ACCESS: (403, "permission_error", None),
        Fault.OUT_OF_MONEY: (400, "invalid_request_error", None),
        Fault.SPEND_LIMIT: (429, "rate_limit_error", "enforced_spend_limit_reached"),
        Fault.UNKNOWN_MODEL: (404, "not_found_error", None),
        Fault.TOO_LONG: (400, "invalid_request_error", None),
        Fault.INVALID_REQUEST: (400, "invalid_request_error", None),
        Fault.STREAM_ERROR: (529, "overloaded_error", None),
    },
    "openai": {
        Fault.RATE_LIMIT: (429, "requests", "rate_limit_exceeded"),
        Fault.OVERLOADED: (503, "service_unavailable_error", "server_is_overloaded"),
        Fault.SERVER_ERROR: (500, "server_error", None),
        Fault.UNAVAILABLE: (503, "server_error", None),
        Fault.GATEWAY_TIMEOUT: (504, "server_error", None),
        Fault.WRONG_KEY: (401, "invalid_request_error", "invalid_api_key"),
        Fault.NO_ACCESS: (403, "request_forbidden", "unsupported_country_region_territory"),
        Fault.OUT_OF_MONEY: (429, "insufficient_quota", "insufficient_quota"),
        Fault.SPEND_LIMIT: (429, "insufficient_quota", "organization_spend_limit_exceeded"),
        Fault.UNKNOWN_MODEL: (404, "invalid_request_error", "model_not_found"),
        Fault.TOO_LONG: (400, "invalid_request_error", "context_length_exceeded"),
        Fault.INVALID_REQUEST: (400, "invalid_request_error", None),
        Fault.STREAM_ERROR: (503, "service_unavailable_error", "server_is_overloaded"),
    },
    "perplexity": {
        Fault.RATE_LIMIT: (429, "rate_limit_exceeded", 429),
        Fault.OVERLOADED: (503, "service_unavailable", 503),
        Fault.SERVER_ERROR: (500, "internal_server_error", 500),
        Fault.UNAVAILABLE: (503, "service_unavailable", 503),
        Fault.WRONG_KEY: (401, "invalid_api_key", 401),
        Fault.OUT_OF_MONEY: (401, "insufficient_quota", 401),
        Fault.UNKNOWN_MODEL: (400, "invalid_model", 400),
    },
    "gemini": {
        Fault.RATE_LIMIT: (429, "RESOURCE_EXHAUSTED", "GenerateRequestsPerMinute"),
        Fault.OVERLOADED: (503, "UNAVAILABLE", None),
        Fault.SERVER_ERROR: (500, "INTERNAL", None),
        Fault.UNAVAILABLE: (503, "UNAVAILABLE", None),
        Fault.GATEWAY_TIMEOUT: (504, "DEADLINE_EXCEEDED", None),
        Fault.WRONG_KEY: (400, "INVALID_ARGUMENT", "API_KEY_INVALID"),
        Fault.NO_ACCESS: (403, "PERMISSION_DENIED", None),
        Fault.OUT_OF_MONEY: (402, "RESOURCE_EXHAUSTED", None),
        Fault.SPEND_LIMIT: (429, "RESOURCE_EXHAUSTED", "GenerateRequestsPerDay"),
        Fault.UNKNOWN_MODEL: (404, "NOT_FOUND", None),
        Fault.TOO_LONG: (400, "INVALID_ARGUMENT", None),
        Fault.STREAM_ERROR: (503, "UNAVAILABLE", None),
    },
}
CASES = [(service, fault) for service, faults in SURFACES.items() for fault in faults]


@pytest.mark.parametrize(
    ("service", "fault"), CASES, ids=lambda value: getattr(value, "name", value)
)
async def test_a_fault_has_the_vendors_status_type_and_code(connected, service, fault):
    status, kind, code = SURFACES[service][fault]
    async with connected() as client:
        client.simulator.fault(service, fault, count=1)
        answer = await client.ask(service)
        assert (await client.ask(service)).status == 200
        struck = client.simulator.requests[0]
    error = answer.document["error"]
    assert error["message"]
    assert answer.status == struck.status == status
    assert struck.fault is fault
    assert struck.output_tokens == 0
    match service:
        case "claude":
            assert answer.document["type"] == "error"
            assert answer.document["request_id"] == answer.headers["request-id"]
            assert (error["type"], error.get("details", {}).get("error_code")) == (kind, code)
        case "gemini":
            assert (error["code"], error["status"]) == (status, kind)
            assert (code or "") in json.dumps(error.get("details", ""))
            assert ("details" in error) == (code is not None)
        case _:
            assert (error["type"], error["code"]) == (kind, code)


async def test_a_rate_limit_says_how_long_to_wait_as_each_vendor_does(connected):
    async with connected() as client:
        for service in SERVICES:
            client.simulator.fault(service, Fault.RATE_LIMIT, count=1, retry_after=7)
        told = {service: await client.ask(service) for service in SERVICES}
    assert told["claude"].headers["retry-after"] == "7"
    assert told["claude"].headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert told["openai"].headers["retry-after"] == "7"
    assert told["openai"].headers["retry-after-ms"] == "7000"
    assert told["openai"].headers["x-ratelimit-reset-requests"] == "7000ms"
    assert "try again in 7s" in told["openai"].document["error"]["message"]
    assert told["perplexity"].headers["retry-after"] == "7"
    assert "retry-after" not in told["gemini"].headers
    quota, info = told["gemini"].document["error"]["details"]
    assert quota["@type"].endswith("google.rpc.QuotaFailure")
    assert quota["violations"][0]["quotaDimensions"]["model"] == "a-model"
    assert (info["@type"].rpartition(".")[2], info["retryDelay"]) == ("RetryInfo", "7s")


async def test_a_short_wait_keeps_its_fraction(connected):
    async with connected() as client:
        client.simulator.fault("claude", Fault.RATE_LIMIT, retry_after=0.25)
        assert (await client.ask("claude")).headers["retry-after"] == "0.25"


async def test_a_spend_limit_and_an_empty_account_name_no_wait(connected):
    async with connected() as client:
        for fault in (Fault.SPEND_LIMIT, Fault.OUT_OF_MONEY):
            for service in ("claude", "openai", "perplexity"):
                client.simulator.fault(service, fault, count=1)
                assert "retry-after" not in (await client.ask(service)).headers


@pytest.mark.parametrize("service", SERVICES)
async def test_a_request_without_a_key_is_turned_away_as_the_vendor_does(connected, service):
    path, _, body = completion(service)
    async with connected() as client:
        answer = await client.post(service, path, {}, json.dumps(body))
        wrong = await client.post(service, path, {"authorization": "Basic x"}, json.dumps(body))
    assert answer.status == wrong.status == (403 if service == "gemini" else 401)
    assert answer.document["error"]["message"]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_rejected_key_is_turned_away(connected, service):
    async with connected(rejected_keys={"old-key"}) as client:
        answer = await client.ask(service, key="old-key")
        assert answer.status == (400 if service == "gemini" else 401)
        assert "old-key" not in str(answer.document)
        assert (await client.ask(service)).status == 200


async def test_a_list_of_models_needs_a_key_too(connected):
    async with connected() as client:
        assert (await client.models("claude", "/v1/models", {})).status == 401


async def test_claude_and_gemini_take_the_key_in_their_other_way_too(connected):
    async with connected() as client:
        _, _, body = completion("claude")
        bearer = {"authorization": f"Bearer {KEY}"}
        told = await client.post("claude", "/v1/messages", bearer, json.dumps(body))
        assert told.status == 200
        path, _, body = completion("gemini")
        told = await client.post("gemini", f"{path}?key={KEY}", {}, json.dumps(body))
        assert told.status == 200
        assert KEY not in repr(client.simulator.requests)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("body", ["{", "[]", "{}"])
async def test_a_request_that_is_not_of_the_form_is_invalid(connected, service, body):
    path, headers, _ = completion(service)
    async with connected() as client:
        answer = await client.post(service, path, headers, body)
    assert answer.status == 400
    assert answer.document["error"]["message"]


async def test_a_chat_without_messages_is_invalid(connected):
    async with connected() as client:
        path, headers, body = completion("openai")
        body["messages"] = []
        answer = await client.post("openai", path, headers, json.dumps(body))
    assert answer.status == 400
    assert answer.document["error"]["message"] == "messages: Field required"


async def test_a_refusal_is_an_answer_in_each_vendors_way(connected):
    async with connected() as client:
        for service in SERVICES:
            client.simulator.fault(service, Fault.REFUSED)
        told = {service: (await client.ask(service)).document for service in SERVICES}
        streams = {service: await client.stream(service) for service in SERVICES}
    assert (told["claude"]["stop_reason"], told["claude"]["content"]) == ("refusal", [])
    for service in ("openai", "perplexity"):
        (choice,) = told[service]["choices"]
        assert (choice["finish_reason"], choice["message"]["content"]) == ("content_filter", None)
        assert choice["message"]["refusal"]
    assert told["gemini"]["promptFeedback"]["blockReason"] == "PROHIBITED_CONTENT"
    assert "candidates" not in told["gemini"]
    assert streams["claude"][-2][1]["delta"]["stop_reason"] == "refusal"
    assert streams["openai"][-2][1]["choices"][0]["finish_reason"] == "content_filter"
    assert streams["gemini"][0][1]["promptFeedback"]
