"""Each vendor is asked in its own words, and its answers and bills read as one type."""

from decimal import Decimal

import pytest

from koo.ai import Usage
from koo.ai.providers import (
    Answer,
    Anthropic,
    Compatible,
    Gemini,
    OpenAI,
    Perplexity,
    Responses,
)
from koo.ai.providers.wire import counts_in, dig, nanousd_of, number_of, parse, text_at

from .asking import question

BARE = question("Why?", "model-x", 77)
FULL = question("Why?", "model-x", 77, system="Be brief.", temperature=0.5)


def test_anthropic_is_asked_in_messages():
    wire = Anthropic()
    assert wire.path(BARE) == "/v1/messages"
    assert wire.document(BARE) == {
        "model": "model-x",
        "max_tokens": 77,
        "messages": [{"role": "user", "content": "Why?"}],
    }
    assert wire.document(FULL) == {
        **wire.document(BARE),
        "system": "Be brief.",
        "temperature": 0.5,
    }
    headers = wire.headers("test-key")
    assert headers["Authorization"] == "Bearer test-key"
    assert headers["anthropic-version"] == "2026-10-21"


@pytest.mark.parametrize(
    ("wire", "field"),
    [(OpenAI, "max_completion_tokens"), (Compatible, "max_tokens"), (Perplexity, "max_tokens")],
)
def test_openai_and_those_like_it_are_asked_in_chats(wire, field):
    asked = wire().document(FULL)
    assert wire().path(FULL) == "/chat/completions"
    assert asked == {
        "model": "model-x",
        field: 77,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Why?"},
        ],
        "temperature": 0.5,
    }
    assert set(wire().document(BARE)) == {"model", field, "messages"}
    assert wire().headers("test-key") == {"Authorization": "Bearer test-key"}


def test_responses_are_asked_with_an_input_that_the_vendor_does_not_keep():
    wire = Responses()
    assert wire.path(BARE) == "/responses"
    assert wire.document(BARE) == {
        "model": "model-x",
        "max_output_tokens": 77,
        "input": "Why?",
        "store": False,
    }
    assert wire.document(FULL) == {
        **wire.document(BARE),
        "instructions": "Be brief.",
        "temperature": 0.5,
    }


def test_gemini_is_asked_in_contents_with_the_model_in_the_path_and_the_key_in_a_header():
    wire = Gemini()
    assert wire.path(question("x", "a/b c", 1)) == "/v1/models/a%2Fb%20c:generateContent"
    assert wire.document(BARE) == {
        "contents": [{"role": "user", "parts": [{"text": "Why?"}]}],
        "generationConfig": {"maxOutputTokens": 77},
    }
    assert wire.document(FULL) == {
        "contents": [{"role": "user", "parts": [{"text": "Why?"}]}],
        "generationConfig": {"maxOutputTokens": 77, "temperature": 0.5},
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
    }
    assert wire.headers("test-key") == {"x-goog-api-key": "test-key"}


def test_anthropic_answers_with_text_blocks_and_counts_the_cache_apart():
    answer = Anthropic().read(
        {
            "content": [{"type": "thinking"}, {"type": "text", "text": "Be"}, {"text": "cause"}],
            "stop_reason": "end_turn",
            "usage": {
                "input_tokens": 10,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 30,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 10,
                    "ephemeral_1h_input_tokens": 20,
                },
                "output_tokens": 5,
                "output_tokens_details": {"thinking_tokens": 2},
                "server_tool_use": None,
            },
        }
    )
    parts = (
        ("cache_read_tokens", 100),
        ("cache_write_tokens", 30),
        ("cache_write_5m_tokens", 10),
        ("cache_write_1h_tokens", 20),
        ("output_reasoning_tokens", 2),
    )
    assert answer == Answer("Because", "end_turn", Usage(140, 5, parts))


def test_openai_answers_with_a_choice_and_counts_the_cache_inside():
    document = {
        "choices": [{"message": {"content": "Because"}, "finish_reason": "length"}],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
        },
    }
    parts = (("cache_read_tokens", 4), ("cache_write_tokens", 3), ("output_reasoning_tokens", 2))
    assert OpenAI().read(document) == Answer("Because", "length", Usage(10, 5, parts))


@pytest.mark.parametrize(
    ("content", "text"),
    [("whole", "whole"), ([{"text": "in "}, {"text": "parts"}], "in parts"), (None, "")],
)
def test_a_chat_content_is_text_or_parts_or_nothing(content, text):
    answer = OpenAI().read({"choices": [{"message": {"content": content}}]})
    assert answer == Answer(text, "", None)


def test_responses_answer_with_the_texts_of_their_messages():
    texts = [{"type": "output_text", "text": "Be"}, {"type": "output_text", "text": "cause"}]
    document = {
        "status": "incomplete",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": [
            {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm"}]},
            {"type": "message", "content": texts},
            {"type": "message", "content": None},
            "odd",
        ],
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2},
        },
    }
    parts = (("cache_read_tokens", 4), ("cache_write_tokens", 3), ("output_reasoning_tokens", 2))
    usage = Usage(10, 5, parts)
    assert Responses().read(document) == Answer("Because", "max_output_tokens", usage)
    whole = {"status": "completed", "output": document["output"]}
    assert Responses().read(whole) == Answer("Because", "completed", None)


def test_gemini_answers_without_its_thoughts_and_bills_them_beside_the_candidates():
    answer = Gemini().read(
        {
            "candidates": [
                {
                    "content": {"parts": [{"text": "Hm", "thought": True}, {"text": "Because"}]},
                    "finishReason": "MAX_TOKENS",
                }
            ],
            "usageMetadata": {
                "promptTokenCount": 10,
                "candidatesTokenCount": 5,
                "thoughtsTokenCount": 20,
                "toolUsePromptTokenCount": 3,
                "cachedContentTokenCount": 4,
                "candidatesTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 2},
                    {"modality": "IMAGE", "tokenCount": 3},
                ],
            },
        }
    )
    parts = (
        ("cache_read_tokens", 4),
        ("output_reasoning_tokens", 20),
        ("output_image_tokens", 3),
    )
    assert answer == Answer("Because", "MAX_TOKENS", Usage(13, 25, parts))


def test_perplexity_says_what_it_charges_and_it_is_believed():
    answer = Perplexity().read(
        {
            "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "reasoning_tokens": 7,
                "citation_tokens": 3,
                "num_search_queries": 2,
                "cost": {"total_cost": Decimal("0.0061230005")},
            },
        }
    )
    parts = (("output_reasoning_tokens", 7), ("output_citation_tokens", 3), ("web_searches", 2))
    assert answer == Answer("x", "stop", Usage(10, 15, parts, nanousd=6_123_001, is_cost_told=True))


def test_a_compatible_server_may_say_what_it_charges():
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "cost": Decimal("0.00001")}
    assert Compatible().usage(usage) == Usage(10, 5, nanousd=10_000, is_cost_told=True)
    assert Compatible().usage({**usage, "cost": None}) == Usage(10, 5)
    assert Compatible().usage({"cost": 1}) is None


REFUSALS = [
    (Anthropic, {"content": [], "stop_reason": "refusal"}, "refusal"),
    (
        OpenAI,
        {"choices": [{"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}]},
        "stop",
    ),
    (
        OpenAI,
        {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]},
        "content_filter",
    ),
    (Gemini, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "PROHIBITED_CONTENT"),
    *(
        (Gemini, {"candidates": [{"finishReason": reason}]}, reason)
        for reason in ("SAFETY", "RECITATION", "BLOCKLIST", "SPII", "MALFORMED_RESPONSE")
    ),
]


@pytest.mark.parametrize(("wire", "document", "finish"), REFUSALS)
def test_a_refusal_inside_a_200_is_seen(wire, document, finish):
    answer = wire().read(document)
    assert answer is not None
    assert answer.refused
    assert answer.finish == finish


@pytest.mark.parametrize("wire", [Anthropic, OpenAI, Responses, Gemini, Compatible, Perplexity])
@pytest.mark.parametrize(
    "document", [None, [], {}, "x", 3, {"content": []}, {"choices": []}, {"candidates": [{}]}]
)
def test_what_is_no_answer_is_unreadable_and_not_empty(wire, document):
    assert wire().read(document) is None


_ONE = {"prompt_tokens": 1, "completion_tokens": 1}
BAD_USAGE = [
    (Anthropic, {"input_tokens": 1, "output_tokens": -1}),
    (Anthropic, {"input_tokens": 1, "output_tokens": "many"}),
    (Anthropic, {"input_tokens": 1}),
    (Anthropic, {"input_tokens": 1, "output_tokens": True}),
    (OpenAI, {"prompt_tokens": 1, "completion_tokens": Decimal("1.5")}),
    (OpenAI, {"prompt_tokens": 1}),
    (OpenAI, _ONE | {"prompt_tokens_details": {"cached_tokens": 9}}),
    (OpenAI, _ONE | {"completion_tokens_details": {"reasoning_tokens": 9}}),
    (Perplexity, {"prompt_tokens": 1}),
    (Responses, {"input_tokens": 1}),
    (Responses, {"input_tokens": 1, "output_tokens": "many"}),
    (Perplexity, {"prompt_tokens": 1, "completion_tokens": []}),
    (Gemini, {"candidatesTokenCount": 1}),
    (Gemini, {"promptTokenCount": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "usage"), BAD_USAGE)
def test_a_bill_that_makes_no_sense_is_unknown_and_not_small(wire, usage):
    answers = {
        Anthropic: {"content": [], "stop_reason": "end_turn", "usage": usage},
        Gemini: {"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage},
        Responses: {"status": "completed", "output": [], "usage": usage},
    }
    chat = {"choices": [{"message": {"content": "x"}}], "usage": usage}
    answer = wire().read(answers.get(wire, chat))
    assert answer is not None
    assert answer.usage is None


def test_models_are_listed_by_name():
    assert Anthropic().models({"data": [{"id": "a"}, {"id": "b"}]}) == ("a", "b")
    assert OpenAI().models({"data": [{"id": "a"}]}) == ("a",)
    assert Gemini().models({"models": [{"name": "models/a"}]}) == ("a",)
    assert Anthropic().models({}) == OpenAI().models(None) == Gemini().models([]) == ()
    assert Perplexity.models_path is None


def test_a_document_is_walked_without_stumbling():
    document = {"a": [{"b": "c"}], "n": 3, "yes": True}
    assert dig(document, "a", 0, "b") == "c"
    assert dig(document, "a", 1) is dig(document, "x", "y") is dig(document, 0) is None
    assert (text_at(document, "n"), text_at(document, "yes"), text_at(document, "a")) == (
        "3",
        "",
        "",
    )
    assert number_of(dig(document, "missing")) == 0
    with pytest.raises(ValueError, match="whole number"):
        number_of(dig(document, "yes"))


@pytest.mark.parametrize("around", [b"%b", b" \t\r\n%b\n ", b"\xef\xbb\xbf%b", b"\xef\xbb\xbf %b"])
def test_a_document_may_have_blanks_around_it(around):
    assert parse(around % b'{"a": 1.5}') == {"a": Decimal("1.5")}


@pytest.mark.parametrize("around", [b"%b{}", b"x%b", b"%b\x0b", b"\xc2\xa0%b", b" \xef\xbb\xbf%b"])
def test_a_document_has_nothing_else_around_it(around):
    assert parse(around % b"{}") is None


def test_counts_are_read_under_the_names_of_the_price_table():
    names = (("cached", "cache_read_tokens"), ("audio", "input_audio_tokens"))
    assert counts_in({"cached": 3, "audio": None}, names) == [("cache_read_tokens", 3)]
    assert counts_in(None, names) == counts_in([7], names) == []
    with pytest.raises(ValueError, match="whole number"):
        counts_in({"audio": False}, names)


@pytest.mark.parametrize(
    ("usd", "nanousd"),
    [(Decimal("0.0000000001"), 1), (2, 2 * 10**9), (-1, None), ("1", None), (True, None)],
)
def test_a_charge_in_a_document_is_rounded_up_to_the_nano_dollar(usd, nanousd):
    assert nanousd_of(usd) == nanousd


def test_a_usage_below_nothing_is_refused():
    with pytest.raises(ValueError, match="negative"):
        Usage(-1, 0)
    with pytest.raises(ValueError, match="negative"):
        Usage(1, 0, (("cache_read_tokens", -1),))
    assert Usage(3, 4).tokens == 7
