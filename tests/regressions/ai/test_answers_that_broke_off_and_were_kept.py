"""What a vendor itself marks as broken off was taken for a whole answer, and answered again."""

from decimal import Decimal

import pytest

from koo.ai import CacheConfig, TokenPrice
from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Responses
from koo.ai.questions import put
from koo.errors import ContentRefusedError, ServiceUnavailableError, StreamTruncatedError
from koo.resilience import RetryConfig

from ...ai.vendor import TEXT, chat, chat_events, message, response, response_events, served

pytestmark = pytest.mark.integration

USED = {"prompt_tokens": 5, "completion_tokens": 5}
#: What five tokens in and five out cost in nano-dollars, at a dollar for a million of each.
COST = 10_000
SETTINGS = {
    "model": "m",
    "price": TokenPrice(Decimal(1), Decimal(1)),
    "cache": CacheConfig(60.0),
    "retry": RetryConfig(max_retries=0),
}


def ended(finish):
    said = chat(USED)
    said["choices"][0]["finish_reason"] = finish
    return said


def ended_events(finish):
    said = chat_events(USED)
    said[1]["choices"][0]["finish_reason"] = finish
    return said


def spent(service):
    return service.report().value("budget.spent")


@pytest.mark.parametrize(
    "finish", ["insufficient_system_resource", "abort", "error", "network_error", "", None]
)
async def test_what_broke_off_is_no_answer_and_costs_what_was_counted(finish):
    async with served("lab", ended(finish), **SETTINGS) as service:
        for place in (1, 2):
            with pytest.raises(ServiceUnavailableError, match="broke off"):
                await service.query("why?")
            assert spent(service) == place * COST
        assert service.report().breaker.failures == 2


@pytest.mark.parametrize("finish", ["insufficient_system_resource", "abort", "error"])
async def test_a_stream_that_broke_off_is_not_whole(finish):
    async with served("lab", ended_events(finish), **SETTINGS) as service:
        stream = service.stream("why?")
        with pytest.raises(StreamTruncatedError, match=f"broke off .{finish}") as caught:
            [piece async for piece in stream]
        assert caught.value.partial == TEXT
        assert stream.completion is None
        assert spent(service) == COST


@pytest.mark.parametrize("finish", ["stop", "eos", "STOP", "stop_sequence", "end_turn"])
async def test_others_words_for_a_whole_answer_are_known(finish):
    async with served("lab", ended(finish), **SETTINGS) as service:
        assert await service.query("why?") == TEXT


@pytest.mark.parametrize("finish", ["length", "model_length", "max_tokens"])
async def test_what_a_limit_has_cut_off_is_an_answer_but_none_to_keep(finish):
    async with served("lab", ended(finish), **SETTINGS) as service:
        for _ in range(2):
            answer = await service.answer(put("why?", service.config), None)
            assert answer.is_cut_off
            assert not answer.is_cached


async def whole_of(service):
    return [piece async for piece in service.stream("why?")]


@pytest.mark.parametrize("finish", ["content_filter: RECITATION", "sensitive"])
async def test_others_words_for_a_refusal_are_known(finish):
    async with served("lab", ended(finish), **SETTINGS) as service:
        with pytest.raises(ContentRefusedError):
            await service.query("why?")
    async with served("lab", ended_events(finish), **SETTINGS) as service:
        with pytest.raises(ContentRefusedError):
            await whole_of(service)


COUNTED = {"input_tokens": 5, "output_tokens": 5}
STEERED = {"status": "incomplete", "incomplete_details": {"reason": "steered"}}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("claude", message(COUNTED) | {"stop_reason": "compaction"}),
        ("openai-responses", response(COUNTED) | STEERED),
    ],
)
async def test_it_is_so_in_every_protocol(name, said):
    async with served(name, said, retry=RetryConfig(max_retries=0)) as service:
        with pytest.raises(ServiceUnavailableError, match="broke off"):
            await service.query("why?")


async def test_a_response_that_was_steered_away_is_not_whole():
    said = response_events(COUNTED)
    said[1]["response"] |= STEERED
    async with served("openai-responses", said, retry=RetryConfig(max_retries=0)) as service:
        with pytest.raises(StreamTruncatedError, match="broke off .steered"):
            await whole_of(service)


@pytest.mark.parametrize("wire", [Anthropic, Compatible, Gemini, OpenAI, Responses])
def test_reasons_are_listed_in_small_letters(wire):
    assert {ending.lower() for ending in wire.endings} == wire.endings
