"""The scripted provider says its lines in order and remembers what it was asked."""

import pytest

from koo.ai import Completion, Provider, Usage
from koo.errors import RateLimitError
from koo.testing import After, ScriptedProvider, running_clock

from .asking import question

PROMPT = question("Why?", "m", 5)


async def test_lines_are_said_in_order_and_then_the_last_word_for_ever():
    told = Completion("whole", "m", "stop")
    heard = []
    provider = ScriptedProvider(
        "text", told, After(3.0, "late"), then="end", on_send=heard.append, clock=running_clock()
    )
    request = provider.prepare(PROMPT)
    first = await provider.complete(request)
    assert (first.text, first.model, first.usage) == ("text", "m", Usage(10, 5))
    assert await provider.complete(request) is told
    assert (await provider.complete(request)).text == "late"
    assert running_clock().monotonic() == 3.0
    assert [(await provider.complete(request)).text for _ in range(2)] == ["end", "end"]
    assert provider.prompts == ["Why?"] * 5
    assert heard == provider.requests


async def test_an_exception_in_the_script_is_raised_and_a_script_that_has_ended_is_a_mistake():
    provider: Provider = ScriptedProvider(RateLimitError("m", "slow"))
    request = provider.prepare(PROMPT)
    with pytest.raises(RateLimitError):
        await provider.complete(request)
    with pytest.raises(AssertionError, match="the script has ended"):
        await provider.complete(request)


async def test_it_lists_models_or_fails_or_has_no_list():
    provider = ScriptedProvider()
    assert await provider.list_models() == ("scripted",)
    provider.models = None
    assert await provider.list_models() is None
    provider.models = RateLimitError("m", "slow")
    with pytest.raises(RateLimitError):
        await provider.list_models()
    assert provider.checks_total == 3
