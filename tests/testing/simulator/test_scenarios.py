"""Whoever asks for a scenario, by path or by header, gets its bytes and nothing else."""

import asyncio
import contextlib
import json
import types

import pytest

from koo.testing import SCENARIOS, Endpoint, FakeClock, Simulator, run
from koo.testing.simulator.delivery import send_raw

from .conftest import KEY, completion, events

pytestmark = pytest.mark.integration

#: 2026-11-23T00:00:00Z
NOW = 1_795_392_000.0
PROMPT = 'What is a "lease"?'


async def post(client, service, scenario, **how):
    """Status, headers and text of what is answered below the scenario's address."""
    path, headers, body = completion(service, **how)
    url = client.simulator.base_url(service, scenario) + path
    async with client.session.post(url, headers=headers, json=body) as response:
        return response.status, response.headers, await response.text()


async def test_a_path_asks_for_a_scenario_every_time(connected):
    async with connected() as client:
        for _ in range(2):
            status, headers, text = await post(client, "claude", "spend-cap")
            assert status == 429
            assert "retry-after" not in headers
            error = json.loads(text)["error"]
            assert error["details"]["error_code"] == "enforced_spend_limit_reached"
        assert [one.scenario for one in client.simulator.requests] == ["spend-cap"] * 2
        assert [one.status for one in client.simulator.requests] == [429, 429]
        assert (await client.ask("claude")).status == 200


async def test_a_header_asks_for_a_scenario_once(connected):
    async with connected() as client:
        path, headers, body = completion("openai")
        asked = {**headers, "x-koo-scenario": "no-quota"}
        answer = await client.post("openai", path, asked, json.dumps(body))
        assert answer.status == 429
        assert answer.document["error"]["code"] == "insufficient_quota"
        assert (await client.ask("openai")).status == 200


async def test_a_list_of_models_has_the_scenario_too(connected):
    async with connected() as client:
        url = client.simulator.base_url("claude", "bad-key") + "/v1/models"
        async with client.session.get(url, headers={"x-api-key": KEY}) as response:
            assert response.status == 401
        assert client.simulator.requests[0].endpoint is Endpoint.MODELS


async def test_an_error_names_its_request_as_the_vendor_does(connected):
    async with connected() as client:
        _, claude, text = await post(client, "claude", "overloaded")
        _, openai, _ = await post(client, "openai", "overloaded")
        _, gemini, _ = await post(client, "gemini", "overloaded")
    assert json.loads(text)["request_id"] == claude["request-id"]
    assert openai["x-request-id"].startswith("req_")
    assert not {"request-id", "x-request-id"} & {name.lower() for name in gemini}


async def test_what_is_asked_of_a_path_that_nobody_has_is_remembered(connected):
    async with connected() as client:
        _, headers, body = completion("claude")
        answer = await client.post("claude", "/v2/messages", headers, json.dumps(body))
        assert answer.status == 404
        [asked] = client.simulator.requests
    assert (asked.service, asked.endpoint, asked.status) == ("", Endpoint.UNKNOWN, 404)
    assert asked.path == "/claude/v2/messages"
    assert KEY not in repr(asked)


def test_an_unknown_scenario_has_no_address():
    with pytest.raises(KeyError, match="claude has no scenario 'no-quota'"):
        Simulator().base_url("claude", "no-quota")


async def test_an_unknown_scenario_in_a_header_is_a_mistake(connected, caplog):
    async with connected() as client:
        path, headers, body = completion("claude")
        asked = {**headers, "x-koo-scenario": "nonsense"}
        assert (await client.post("claude", path, asked, json.dumps(body))).status == 500
    assert "has no scenario 'nonsense'" in caplog.text


async def test_a_message_quotes_the_prompt_and_the_key_as_they_were_sent(connected):
    async with connected() as client:
        _, _, text = await post(client, "openai", "bad-key", prompt=PROMPT)
    message = json.loads(text)["error"]["message"]
    assert PROMPT in message
    assert KEY in message


@pytest.mark.parametrize(
    ("service", "scenario", "header", "text"),
    [
        ("claude", "rate-limit", "retry-after", "12"),
        ("claude", "rate-limit-date", "retry-after", "Mon, 23 Nov 2026 00:00:12 GMT"),
        (
            "claude",
            "rate-limit-reset",
            "anthropic-ratelimit-requests-reset",
            "2026-11-23T00:00:30Z",
        ),
        ("openai", "rate-limit-ms", "retry-after-ms", "350"),
        ("openai", "rate-limit-reset", "x-ratelimit-reset-requests", "90s"),
    ],
)
async def test_a_wait_is_told_in_every_form(connected, service, scenario, header, text):
    async with connected(clock=FakeClock(epoch=NOW)) as client:
        _, headers, _ = await post(client, service, scenario)
    assert headers[header] == text


async def test_a_wait_in_the_body_is_from_now(connected):
    async with connected(("openrouter",), clock=FakeClock(epoch=NOW)) as client:
        _, _, text = await post(client, "openrouter", "rate-limit")
    told = json.loads(text)["error"]["metadata"]["headers"]
    assert told["X-RateLimit-Reset"] == str(int((NOW + 15) * 1000))


async def test_an_error_comes_inside_a_stream_that_had_begun_well(connected):
    async with connected() as client:
        status, headers, text = await post(client, "claude", "overloaded-inside", stream=True)
        told = events(text)
        _, _, openai = await post(client, "openai", "no-quota-inside", stream=True)
        _, _, gemini = await post(client, "gemini", "day-inside", stream=True)
    assert status == 200
    assert headers["content-type"] == "text/event-stream"
    assert told[0][0] == "message_start"
    assert "message_stop" not in [name for name, _ in told]
    assert (told[-1][0], told[-1][1]["error"]["type"]) == ("error", "overloaded_error")
    assert events(openai)[-1][1]["error"]["code"] == "credit_balance_exhausted"
    assert events(openai)[0][1]["object"] == "chat.completion.chunk"
    assert events(gemini)[-1][1]["error"]["code"] == 429


async def test_an_error_that_is_never_inside_a_stream_comes_before_it(connected):
    async with connected() as client:
        status, headers, _ = await post(client, "claude", "overloaded", stream=True)
    assert (status, headers["content-type"]) == (529, "application/json")


@pytest.mark.parametrize("one", SCENARIOS, ids=lambda one: f"{one.service}-{one.name}")
def test_every_scenario_is_well_formed(one):
    assert one.name == one.name.lower()
    assert " " not in one.name
    assert (one.status == 0) is (one.raw != b"" or one.name.startswith("no-byte"))
    assert one.status != 0 or one.service in {"", "claude"}
    if one.body.startswith(("{", "[")) and one.name != "half-json-200":
        json.loads(one.body)


async def _bytes_of(simulator, scenario):
    """What comes over the connection, and how it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    body = json.dumps(completion("claude")[2])
    head = (
        f"POST /~{scenario}/claude/v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    writer.write((head + body).encode())
    arrived, ending = b"", "FIN"
    try:
        while part := await reader.read(65536):
            arrived += part
    except ConnectionResetError:
        ending = "RST"
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()
    return arrived, ending


@pytest.mark.parametrize(
    "one", [one for one in SCENARIOS if not one.status], ids=lambda one: one.name
)
async def test_raw_bytes_arrive_as_they_are_and_end_as_they_should(one):
    async with Simulator() as simulator:
        arrived, ending = await _bytes_of(simulator, one.name)
    assert arrived == one.raw
    assert ending == ("RST" if one.resets else "FIN")


async def test_a_status_that_http_does_not_know_has_its_reason():
    async with Simulator() as simulator:
        arrived, ending = await _bytes_of(simulator, "overloaded")
    assert arrived.startswith(b"HTTP/1.1 529 Overloaded\r\n")
    assert ending == "FIN"


def test_bytes_for_a_connection_that_has_gone_are_not_sent():
    async def gone():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await send_raw(types.SimpleNamespace(transport=None), b"late", resets=False)

    run(gone())
