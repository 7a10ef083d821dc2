"""How long an error's message took to judge grew with the square of its length.

It may quote a prompt of any length, made of the very words that a rule looks for; meanwhile the
loop stood still, and no timeout was heard.
"""

import re
import time
from itertools import chain

import pytest

from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Perplexity, Plain, Responses
from koo.ai.verdicts import Surface, judge

WIRES = (Anthropic, Compatible, Gemini, OpenAI, Perplexity, Plain, Responses)
RULES = tuple(dict.fromkeys(chain.from_iterable(wire.rules for wire in WIRES)))
PATTERNS = sorted({one.pattern for rule in RULES for one in (rule.message, rule.opening) if one})
#: Anything of any length: a dot, a set or a class with a star, a plus or no upper bound.
ENDLESS = re.compile(r"(\.|\]|\\[SDWsdw])([*+]|\{\d*,\})")


@pytest.mark.parametrize("words", ["maximum ", "token count ", "error: ", "wait 1 ", "said "])
@pytest.mark.parametrize("wire", WIRES)
def test_a_prompt_of_a_rules_own_words_was_judged_for_seconds(wire, words):
    began = time.process_time()
    judge(Surface(400, message="the input was wrong " + words * 20_000), wire.rules)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_rule_has_a_gap_without_a_bound(pattern):
    assert not ENDLESS.search(pattern)


@pytest.mark.parametrize("pattern", ["a .*b", "a .+?b", "[^'\"]*b", r"\S+ b", r"\s{2,}b"])
def test_such_a_gap_would_be_found(pattern):
    assert ENDLESS.search(pattern)


def test_what_a_message_quotes_at_length_is_not_kept():
    assert len(Surface(400, message="x" * 10**6).message) < 5000
