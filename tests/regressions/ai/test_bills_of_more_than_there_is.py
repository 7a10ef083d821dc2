"""A charge or a count of absurd size, named once, spent the day and broke every report after it."""

from decimal import Decimal

import pytest

from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Perplexity, Responses
from koo.ai.providers.wire import nanousd_of, parse


@pytest.mark.parametrize("written", [b"1e400", b"1e5000", b"1e999999", b"1" + b"0" * 400, b"1e7"])
def test_a_charge_that_can_not_be_true_is_none(written):
    assert nanousd_of(parse(written)) is None
    usage = parse(b'{"prompt_tokens": 5, "completion_tokens": 5, "cost": %b}' % written)
    counted = Compatible().usage(usage)
    assert (counted.tokens, counted.nanousd) == (10, None)


@pytest.mark.parametrize(
    ("usd", "nanousd"), [(0, 0), (Decimal("0.01"), 10**7), (999_999, 999_999 * 10**9)]
)
def test_a_charge_that_can_is_one(usd, nanousd):
    assert nanousd_of(usd) == nanousd


@pytest.mark.parametrize(
    ("wire", "taken", "given"),
    [
        (Anthropic, "input_tokens", "output_tokens"),
        (Compatible, "prompt_tokens", "completion_tokens"),
        (Gemini, "promptTokenCount", "candidatesTokenCount"),
        (OpenAI, "prompt_tokens", "completion_tokens"),
        (Perplexity, "prompt_tokens", "completion_tokens"),
        (Responses, "input_tokens", "output_tokens"),
    ],
)
def test_a_count_that_can_not_be_true_is_unknown(wire, taken, given):
    assert wire().usage({taken: 10**400, given: 1}) is None
    assert wire().usage({taken: 1, given: 10**400}) is None
    assert wire().usage({taken: 10**7, given: 1}).input_tokens == 10**7
