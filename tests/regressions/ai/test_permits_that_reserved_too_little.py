"""SDK calls with server tools, several answers or pictures were let in by their bytes alone."""

import warnings
from decimal import Decimal

import pytest
from pydantic import BaseModel

from koo.ai import Estimate, Usage
from koo.ai.providers import Anthropic
from koo.ai.sdk.arguments import (
    FILES,
    OTHER_MODELS,
    OWN_REQUESTS,
    SEARCHES,
    SERVER_TOOLS,
    STORED,
    UNREADABLE,
)
from koo.errors import InvalidRequestError
from koo.testing import ScriptedProvider

from ...ai.conftest import own_price, serve  # noqa: F401

USER = {"role": "user"}
PICTURE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 50}
MAX_COST, ALL = Decimal(5), 5 * 10**9


class Part(BaseModel):
    """As the models of an SDK are."""

    text: str | None = None
    inline_data: bytes | None = None


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # A package whose own deprecations are not ours to mend.
    from anthropic import NOT_GIVEN, omit

UNBOUNDED = [
    ({"tools": [SEARCH]}, SEARCHES),
    ({"tools": [{"type": "web_search"}]}, SERVER_TOOLS),
    ({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, SERVER_TOOLS),
    ({"tools": [{"type": 7}]}, SERVER_TOOLS),
    ({"config": {"tools": [{"google_search": {}}]}}, SERVER_TOOLS),
    ({"extra_body": {"plugins": [{"id": "web"}]}}, SERVER_TOOLS),
    ({"web_search_options": {"search_context_size": "low"}}, SERVER_TOOLS),
    ({"mcp_servers": [{"type": "url"}]}, SERVER_TOOLS),
    ({"previous_response_id": "resp_1"}, STORED),
    ({"prompt": {"id": "pmpt_1"}}, STORED),
    ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, STORED),
    ({"config": {"continuation_token": "x"}}, STORED),
    ({"fallbacks": [{"model": "claude-opus-4-5"}]}, OTHER_MODELS),
    ({"extra_body": {"models": ["a/b", "c/d"]}}, OTHER_MODELS),
    ({"config": {"model_selection_config": {"feature": "x"}}}, OTHER_MODELS),
    ({"compaction": {"type": "enabled"}}, OWN_REQUESTS),
    ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, OWN_REQUESTS),
    ({"context_management": [{"type": "compaction", "compact_threshold": 1000}]}, OWN_REQUESTS),
    ({"config": {"automatic_continuation": True}}, OWN_REQUESTS),
    ({"config": {"system_instruction": {"parts": [{"file_data": {"file_uri": "gs"}}]}}}, FILES),
    ({"config": {"systemInstruction": {"parts": [{"fileData": {"fileUri": "gs"}}]}}}, FILES),
    ({"config": {"cached_content": "cachedContents/1"}}, STORED),
    ({"messages": [{**USER, "content": [PICTURE]}]}, FILES),
    ({"messages": [{**USER, "content": [{"type": "tool_result", "content": [PICTURE]}]}]}, FILES),
    ({"input": [{**USER, "content": [{"type": "input_file", "file_id": "file_1"}]}]}, FILES),
    ({"input": [{"type": "function_call_output", "output": [{"type": "input_image"}]}]}, FILES),
    ({"contents": ["why?", {"name": "files/1", "mime_type": "text/plain"}]}, FILES),
    ({"contents": [{"parts": [{"fileData": {"fileUri": "gs://a"}}]}]}, FILES),
]
BOUNDED = [
    {"messages": [{**USER, "content": "why?"}], "system": "Be brief."},
    {"tools": [{"name": "f", "input_schema": {"properties": {"image_url": {"type": "file"}}}}]},
    {"tools": [{"type": "function", "function": {"name": "f"}}]},
    {"tools": [{"type": "custom", "name": "f"}, {"type": "bash_20250124", "name": "bash"}]},
    {"config": {"tools": [{"function_declarations": [{"name": "f"}]}]}},
    {"messages": [{"content": [{"type": "tool_use", "input": {"type": "file", "file_id": 1}}]}]},
    {"contents": [{"role": "user", "parts": [Part(text="why?")]}]},
    {"config": {"response_schema": Part}},
    {"system": NOT_GIVEN, "temperature": omit, "messages": [{**USER, "content": "why?"}]},
    {"timeout": object(), "extra_headers": {"a": "b"}},
    {"prompt": "why?"},
    {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
    {"context_management": {"edits": ["compact"]}},
    {"config": {"system_instruction": "Be brief."}},
]


@pytest.mark.parametrize(("asked", "what"), UNBOUNDED)
def test_what_no_byte_bounds_is_named(asked, what):
    assert Estimate.of(asked, max_tokens=1).unbounded == (what,)


@pytest.mark.parametrize("asked", BOUNDED)
def test_what_bytes_bound_is_not(asked):
    assert Estimate.of(asked, max_tokens=1).unbounded == ()


@pytest.mark.parametrize(
    ("strange", "others"),
    [
        ({"contents": object()}, ()),
        ({"config": {"tools": [len]}}, (SERVER_TOOLS,)),
        ({"config": {"response_schema": int}}, ()),
        ({"contents": [{"parts": [Part(inline_data=b"\xff")]}]}, (FILES,)),
    ],
)
def test_what_is_no_json_is_bounded_by_nothing(strange, others):
    assert Estimate.of(strange, max_tokens=1).unbounded == (*others, UNREADABLE)


@pytest.mark.parametrize(
    "several",
    [
        {"n": 8},
        {"best_of": 8, "n": 2},
        {"config": {"candidate_count": 8}},
        {"extra_body": {"n": 8}},
    ],
)
def test_each_of_several_answers_is_reserved_for(several):
    assert Estimate.of(several, max_tokens=100).output_tokens == 800


@pytest.mark.parametrize("one", [{}, {"n": None}, {"n": 0}, {"n": 1}])
def test_one_answer_is_one(one):
    assert Estimate.of(one, max_tokens=100).output_tokens == 100


@pytest.mark.parametrize("asked", [asked for asked, _ in UNBOUNDED])
async def test_it_is_not_let_in_without_a_max_cost(serve, own_price, asked):  # noqa: F811
    service = serve(ScriptedProvider(), **own_price)
    with pytest.raises(InvalidRequestError, match=r"no upper bound .*max_cost"):
        async with service.permit(Estimate.of(asked, max_tokens=1)):
            pytest.fail("it was let in")
    assert service.report().value("budget.spent") == 0


@pytest.mark.parametrize(
    ("tool", "usage", "cost"),
    [
        ({"type": "web_search"}, Usage(1, 1), ALL),
        ({"type": "web_search"}, Usage(1, 1, nanousd=7), 7),
        ({"type": "function", "name": "f"}, Usage(1, 1), 3_000_000),
    ],
)
async def test_what_its_tools_cost_is_debited_in_full(serve, own_price, tool, usage, cost):  # noqa: F811
    service = serve(ScriptedProvider(), **own_price)
    estimate = Estimate.of({"model": "m", "tools": [tool]}, max_tokens=1, max_cost=MAX_COST)
    async with service.permit(estimate) as call:
        call.settle(usage)
    assert service.report().value("budget.spent") == cost


async def test_searches_that_are_counted_are_billed_by_their_number(serve):  # noqa: F811
    service = serve(ScriptedProvider(), model="claude-sonnet-5-5")
    estimate = Estimate.of({"tools": [SEARCH]}, max_tokens=100, max_cost=MAX_COST)
    async with service.permit(estimate) as call:
        assert service.report().value("budget.reserved") == ALL
        used = {"input_tokens": 1000, "output_tokens": 100}
        call.settle({"usage": {**used, "server_tool_use": {"web_search_requests": 5}}})
    assert service.report().value("budget.spent") == 2_000_000 + 1_000_000 + 50_000_000


@pytest.mark.parametrize(
    "framed",
    [
        {"functions": [{"name": "f"}]},
        {"response_format": {"type": "json_schema"}},
        {"text": {"format": {"type": "json_schema"}}},
        {"config": {"response_schema": {"type": "object"}}},
    ],
)
def test_what_a_vendor_writes_around_functions_and_schemas_was_not_counted(framed):
    assert Estimate.of(framed, max_tokens=1).input_tokens > 2_000


async def test_the_price_of_whoever_else_may_have_answered_is_not_known(serve, own_price):  # noqa: F811
    service = serve(ScriptedProvider(), **own_price)
    asked = {"model": "m", "fallbacks": [{"model": "dearer"}]}
    async with service.permit(Estimate.of(asked, max_tokens=1, max_cost=MAX_COST)) as call:
        call.settle(Usage(1, 1))
    assert service.report().value("budget.spent") == ALL


USED = {"input_tokens": 23_000, "output_tokens": 1_000}
SUMMED_UP = {
    "type": "compaction",
    "input_tokens": 180_000,
    "output_tokens": 3_500,
    "cache_read_input_tokens": 7,
    "cache_creation_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 5},
}


def test_what_it_took_to_sum_up_was_not_billed():
    usage = {**USED, "iterations": [SUMMED_UP, {"type": "message", **USED}]}
    counted = Anthropic().usage(usage)
    assert counted.input_tokens == 23_000 + 180_000 + 7 + 5
    assert counted.output_tokens == 1_000 + 3_500
    assert dict(counted.parts) == {
        "cache_read_tokens": 7,
        "cache_write_tokens": 5,
        "cache_write_5m_tokens": 5,
    }


@pytest.mark.parametrize("kind", ["advisor_message", "fallback_message"])
def test_what_another_model_took_is_not_billed_as_this_ones(kind):
    other = {"type": kind, "model": "claude-opus-4-5", **USED}
    assert Anthropic().usage({**USED, "iterations": [other]}) is None


def test_requests_that_are_counted_already_are_not_counted_again():
    plain = Anthropic().usage(USED)
    assert plain == Anthropic().usage({**USED, "iterations": [{"type": "message", **USED}]})
    assert plain == Anthropic().usage({**USED, "iterations": None})
