"""OpenAI's Responses as the simulator speaks them."""

import json

import pytest

from koo.testing import Fault
from koo.testing.simulator.provider_simulator import ANSWER

from .conftest import KEY, events

pytestmark = pytest.mark.integration

SERVICE = "openai-responses"
TOKENS = len(ANSWER) // 4


async def ask(client, **asked):
    body = {"model": "a-model", "input": "What is a lease?", **asked}
    headers = {"authorization": f"Bearer {KEY}"}
    return await client.post(SERVICE, "/responses", headers, json.dumps(body))


async def test_a_response_has_a_message_and_a_bill(connected):
    async with connected() as client:
        response = (await ask(client)).document
    assert response["status"] == "completed"
    assert response["error"] is response["incomplete_details"] is None
    [message] = response["output"]
    assert message["content"] == [{"type": "output_text", "text": ANSWER}]
    assert response["usage"]["input_tokens"] == len("What is a lease?") // 4
    assert response["usage"]["output_tokens"] == TOKENS


async def test_one_that_is_cut_off_is_incomplete(connected):
    async with connected() as client:
        response = (await ask(client, max_output_tokens=3)).document
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["usage"]["output_tokens"] == 3


async def test_a_refusal_is_a_part_of_its_own(connected):
    async with connected() as client:
        client.simulator.fault(SERVICE, Fault.REFUSED)
        [message] = (await ask(client)).document["output"]
    assert message["content"][0]["type"] == "refusal"


@pytest.mark.parametrize(("limit", "last"), [(1000, "completed"), (3, "incomplete")])
async def test_a_stream_ends_with_the_whole_response(connected, limit, last):
    async with connected() as client:
        told = events((await ask(client, stream=True, max_output_tokens=limit)).document)
    names = [name for name, _ in told]
    assert (names[0], names[-1]) == ("response.created", f"response.{last}")
    assert told[0][1]["response"]["usage"] is None
    deltas = [one["delta"] for name, one in told if name == "response.output_text.delta"]
    assert "".join(deltas) == told[-1][1]["response"]["output"][0]["content"][0]["text"]


async def test_an_error_inside_a_stream_has_no_frame(connected):
    async with connected() as client:
        client.simulator.fault(SERVICE, Fault.STREAM_ERROR)
        told = events((await ask(client, stream=True)).document)
    name, error = told[-1]
    assert (name, error["code"]) == ("error", "server_is_overloaded")


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ([{"role": "user", "content": "in one"}], "in one"),
        ([{"content": [{"type": "input_text", "text": "in"}]}, {"content": "two"}], "in\ntwo"),
    ],
)
async def test_an_input_may_be_a_list_of_messages(connected, asked, text):
    async with connected(answer=str.upper) as client:
        [message] = (await ask(client, input=asked)).document["output"]
    assert message["content"][0]["text"] == text.upper()


@pytest.mark.parametrize("asked", ["", [], None, 7])
async def test_without_an_input_a_request_is_invalid(connected, asked):
    async with connected() as client:
        answer = await ask(client, input=asked)
    assert answer.status == 400
    assert answer.document["error"]["message"] == "input: Field required"
