"""Good answers, whole and streamed, in each vendor's form."""

import datetime as dt
import json

import pytest

from koo.testing import Endpoint, Simulator
from koo.testing.simulator.provider_simulator import ANSWER

from .conftest import KEY, SERVICES, completion

pytestmark = pytest.mark.integration

TOKENS = len(ANSWER) // 4


def test_base_urls_are_as_the_official_sdks_take_them():
    simulator = Simulator((*SERVICES, "groq"), port=15999)
    assert simulator.base_urls == {
        "claude": "http://127.0.0.1:15999/claude",
        "openai": "http://127.0.0.1:15999/openai/v1",
        "gemini": "http://127.0.0.1:15999/gemini",
        "perplexity": "http://127.0.0.1:15999/perplexity",
        "groq": "http://127.0.0.1:15999/groq/v1",
    }


def test_an_unknown_service_has_no_address():
    with pytest.raises(KeyError):
        Simulator().base_url("nobody")


async def test_claude_answers_with_a_message(connected):
    async with connected() as client:
        answer = await client.ask("claude")
    assert answer.status == 200
    message = answer.document
    assert message["type"] == "message"
    assert message["role"] == "assistant"
    assert message["model"] == "a-model"
    assert message["content"] == [{"type": "text", "text": ANSWER}]
    assert message["stop_reason"] == "end_turn"
    assert message["usage"]["input_tokens"] == len("What is a lease?") // 4
    assert message["usage"]["output_tokens"] == TOKENS
    assert message["id"].startswith("msg_")
    assert answer.headers["request-id"].startswith("req_")


@pytest.mark.parametrize("service", ["openai", "perplexity", "groq"])
async def test_openai_and_those_who_speak_like_it_answer_with_a_chat_completion(connected, service):
    async with connected((service,)) as client:
        answer = await client.ask(service)
    document = answer.document
    assert document["object"] == "chat.completion"
    assert document["model"] == "a-model"
    (choice,) = document["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == ANSWER
    assert choice["finish_reason"] == "stop"
    used = document["usage"]
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]
    assert used["completion_tokens"] == TOKENS
    assert answer.headers["x-request-id"].startswith("req_")


async def test_perplexity_sends_its_bill_and_its_sources_along(connected):
    async with connected() as client:
        document = (await client.ask("perplexity")).document
    cost = document["usage"]["cost"]
    parts = cost["input_tokens_cost"] + cost["output_tokens_cost"] + cost["request_cost"]
    assert cost["total_cost"] == pytest.approx(parts)
    assert document["citations"] == document["search_results"] == []


async def test_gemini_answers_with_a_candidate(connected):
    async with connected() as client:
        answer = await client.ask("gemini")
    (candidate,) = answer.document["candidates"]
    assert candidate["content"] == {"parts": [{"text": ANSWER}], "role": "model"}
    assert candidate["finishReason"] == "STOP"
    used = answer.document["usageMetadata"]
    assert used["candidatesTokenCount"] == TOKENS
    assert used["totalTokenCount"] == used["promptTokenCount"] + TOKENS
    assert answer.document["modelVersion"] == "a-model"
    assert "request-id" not in answer.headers


@pytest.mark.parametrize(
    ("service", "finish"),
    [("claude", "max_tokens"), ("openai", "length"), ("perplexity", "length")],
)
async def test_an_answer_longer_than_allowed_is_cut_off_and_says_so(connected, service, finish):
    async with connected() as client:
        document = (await client.ask(service, max_tokens=3)).document
    if service == "claude":
        assert (document["stop_reason"], document["content"][0]["text"]) == (finish, ANSWER[:12])
        assert document["usage"]["output_tokens"] == 3
    else:
        (choice,) = document["choices"]
        assert (choice["finish_reason"], choice["message"]["content"]) == (finish, ANSWER[:12])
        assert document["usage"]["completion_tokens"] == 3


async def test_gemini_says_when_it_was_cut_off(connected):
    async with connected() as client:
        document = (await client.ask("gemini", max_tokens=3)).document
    assert document["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert document["usageMetadata"]["candidatesTokenCount"] == 3


async def test_a_limit_that_is_not_named_is_none(connected):
    async with connected() as client:
        for service in ("openai", "gemini"):
            path, headers, body = completion(service)
            body.pop("max_tokens", None)
            body.pop("generationConfig", None)
            assert (await client.post(service, path, headers, json.dumps(body))).status == 200


async def test_a_claude_stream_ends_with_message_stop(connected):
    async with connected() as client:
        told = await client.stream("claude")
    names = [name for name, _ in told]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert all(document["type"] == name for name, document in told)
    deltas = [document["delta"]["text"] for name, document in told if name == "content_block_delta"]
    assert "".join(deltas) == ANSWER
    assert len(deltas) > 5
    begun = told[0][1]["message"]["usage"]
    assert (begun["input_tokens"], begun["output_tokens"]) == (4, 1)
    assert told[-2][1]["delta"]["stop_reason"] == "end_turn"
    assert told[-2][1]["usage"] == {"output_tokens": TOKENS}


async def test_an_openai_stream_ends_with_done(connected):
    async with connected() as client:
        told = [document for _, document in await client.stream("openai")]
    *chunks, done = told
    assert done == "[DONE]"
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(deltas) == ANSWER
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert all("usage" not in chunk for chunk in chunks)


async def test_an_openai_stream_tells_its_usage_when_asked(connected):
    async with connected() as client:
        path, headers, body = completion("openai", stream=True)
        body["stream_options"] = {"include_usage": True}
        text = (await client.post("openai", path, headers, json.dumps(body))).document
    *_, usage, done = text.strip().split("\n\n")
    assert done == "data: [DONE]"
    document = json.loads(usage.removeprefix("data: "))
    assert document["choices"] == []
    assert document["usage"]["completion_tokens"] == TOKENS


async def test_a_gemini_stream_ends_with_a_finish_reason(connected):
    async with connected() as client:
        told = [document for _, document in await client.stream("gemini")]
    texts = [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in told]
    assert "".join(texts) == ANSWER
    finishes = [chunk["candidates"][0].get("finishReason") for chunk in told]
    assert finishes == [None] * (len(told) - 1) + ["STOP"]


async def test_a_gemini_stream_without_sse_is_one_array(connected):
    async with connected() as client:
        path, headers, body = completion("gemini", stream=True)
        path = path.removesuffix("?alt=sse")
        answer = await client.post("gemini", path, headers, json.dumps(body))
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.document[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_gemini_lists_its_models_under_both_versions(connected, version):
    async with connected() as client:
        told = await client.models("gemini", f"/{version}/models", {"x-goog-api-key": KEY})
    names = [model["name"] for model in told.document["models"]]
    assert "models/gemini-3.8-flash" in names


async def test_claude_and_openai_list_their_models(connected):
    async with connected() as client:
        claude = await client.models("claude", "/v1/models", {"x-api-key": KEY})
        openai = await client.models("openai", "/models", {"authorization": f"Bearer {KEY}"})
    assert claude.document["data"][0]["id"] == "claude-sonnet-5-5"
    assert claude.document["has_more"] is False
    assert openai.document["object"] == "list"
    assert openai.document["data"][0]["object"] == "model"


async def test_perplexity_has_no_list_of_models(connected):
    async with connected() as client:
        told = await client.models("perplexity", "/models", {"authorization": f"Bearer {KEY}"})
    assert told.status == 404


async def test_the_limits_left_are_told_as_each_vendor_tells_them(connected):
    async with connected(requests_per_minute=50, tokens_per_minute=1000) as client:
        claude = [(await client.ask("claude")).headers for _ in range(2)]
        openai = [(await client.ask("openai")).headers for _ in range(2)]
    assert [told["anthropic-ratelimit-requests-remaining"] for told in claude] == ["49", "48"]
    assert claude[0]["anthropic-ratelimit-tokens-limit"] == "1000"
    assert claude[0]["anthropic-ratelimit-tokens-remaining"] == str(1000 - TOKENS - 4)
    reset = dt.datetime.fromisoformat(claude[0]["anthropic-ratelimit-requests-reset"])
    ahead = reset - dt.datetime.now(dt.UTC)
    assert 50 < ahead.total_seconds() <= 60
    assert [told["x-ratelimit-remaining-requests"] for told in openai] == ["49", "48"]
    assert 50_000 < int(openai[0]["x-ratelimit-reset-requests"].removesuffix("ms")) <= 60_000


async def test_requests_are_remembered_without_their_keys(connected):
    async with connected() as client:
        for service in SERVICES:
            await client.ask(service, prompt=f"to {service}")
        await client.models("claude", "/v1/models", {"x-api-key": KEY})
        seen = client.simulator.requests
    assert [request.service for request in seen] == [*SERVICES, "claude"]
    assert [request.endpoint for request in seen] == [Endpoint.COMPLETIONS] * 4 + [Endpoint.MODELS]
    assert all(request.status == 200 and request.fault is None for request in seen)
    assert all(request.model == "a-model" for request in seen[:4])
    assert seen[0].document["messages"][0]["content"] == "to claude"
    assert (seen[0].input_tokens, seen[0].output_tokens) == (2, TOKENS)
    assert KEY not in repr(seen)
    assert seen[0].headers["x-api-key"] == "redacted"


async def test_attempts_are_counted_by_their_body(connected):
    async with connected() as client:
        for prompt in ("one", "two", "one", "one"):
            await client.ask("claude", prompt=prompt)
        await client.ask("openai")
        assert client.simulator.attempts("claude") == (3, 1)
        assert len(client.simulator.completions("openai")) == 1


async def test_the_answer_can_be_made_of_the_prompt(connected):
    async with connected(answer=str.upper) as client:
        for service in ("claude", "gemini"):
            assert "WHAT IS A LEASE?" in str((await client.ask(service)).document)


async def test_content_may_be_a_list_of_parts(connected):
    async with connected(answer=str.upper) as client:
        path, headers, body = completion("claude")
        body["messages"][0]["content"] = [{"type": "text", "text": "part"}]
        answer = await client.post("claude", path, headers, json.dumps(body))
    assert answer.document["content"][0]["text"] == "PART"


async def test_starting_twice_and_stopping_twice_is_once(connected):
    async with connected() as client:
        urls = await client.simulator.start()
        assert urls == client.simulator.base_urls
        assert (await client.ask("claude")).status == 200
        await client.simulator.stop()
        await client.simulator.stop()


async def test_stopped_it_refuses_and_started_again_it_answers_on_the_same_port(connected):
    async with connected() as client:
        await client.simulator.stop()
        with pytest.raises(OSError, match="Cannot connect"):
            await client.ask("claude")
        await client.simulator.start()
        assert (await client.ask("claude")).status == 200
