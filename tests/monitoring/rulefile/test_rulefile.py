"""Rules of a user's own: what is read, what is refused in a sentence, and how they are tried."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koo.monitoring import (
    RULES,
    Above,
    Below,
    Burn,
    Forecast,
    Increase,
    Rises,
    Severity,
)
from koo.monitoring.rulefile import RuleFileError, read_rules, rehearse

EXAMPLE = (Path(__file__).parents[3] / "docs/alerts.toml").read_text()
RULE = """
[[rule]]
kind = "ai"
name = "mine"
severity = "info"
title = "T"
what = "w"
advice = "a"
when = { number = "n", above = 1 }
"""
TEST = """
[[test]]
name = "t"
component = "ai:x"
every = 10
numbers = { n = "0 1x3 _ 1" }
expect = { 0 = [], 30 = ["mine firing"] }
"""


def the_rule(when=None, more=""):
    text = RULE if when is None else re.sub(r"when = .*", f"when = {when}", RULE)
    return read_rules(text + more).own[0]


def test_nothing_in_the_file_leaves_the_rules_as_they_are():
    assert read_rules("").rules == RULES


def test_a_rule_of_ones_own_stands_beside_those_of_koo():
    found = read_rules(RULE)
    assert found.rules == (*RULES, *found.own)
    [rule] = found.own
    assert (rule.name, rule.severity, rule.when) == ("mine", Severity.INFO, (Above("n", 1, 1),))
    assert (rule.hold, rule.keep, rule.unless) == (0, 60, ())
    assert rule.runbook == "docs/monitoring.md#your-own-rules"


def test_what_a_rule_may_say_more_is_read():
    rule = the_rule(more='for = 5\nkeep = 7.5\nunless = ["u"]\nrunbook = "https://x"')
    assert (rule.hold, rule.keep, rule.unless, rule.runbook) == (5, 7.5, ("u",), "https://x")


@pytest.mark.parametrize(
    ("when", "condition"),
    [
        ('{ number = "n", above = 2, clear = 1 }', Above("n", 2, 1)),
        ('{ number = "n", below = 2, clear = 3 }', Below("n", 2, 3)),
        ('{ increase = "n", by = 1, within = 60 }', Increase("n", 1, 60)),
        ('{ rises = "n", times = 2, within = 60 }', Rises("n", 2, 60)),
        ("{ burn = 6, long = 60, short = 5 }", Burn(factor=6, long=60, short=5)),
        (
            '{ forecast = "n", resets_at = "r" }',
            Forecast(number="n", resets_at="r", within=3600),
        ),
    ],
)
def test_every_condition_can_be_written(when, condition):
    assert the_rule(when).when == (condition,)


def test_several_conditions_must_all_hold():
    rule = the_rule('[{ number = "n", above = 2 }, { rises = "m", times = 1, within = 9 }]')
    assert len(rule.when) == 2


def test_a_rule_can_be_switched_off():
    found = read_rules('off = ["ai:limit-near"]')
    assert len(found.rules) == len(RULES) - 1


def test_a_rule_of_the_same_kind_and_name_takes_the_place_of_koos():
    found = read_rules(RULE.replace("mine", "limit-near"))
    [rule] = [rule for rule in found.rules if rule.name == "limit-near"]
    assert rule.title == "T"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = ", "this is no TOML; Invalid value (at end of document)"),
        ("rules = []", "file: there is no field rules; did you mean rule?"),
        ("x = 1", "file: there is no field x; known are off, rule, test"),
        ("rule = 1", "file, rule: must be a table"),
        ('off = "x"', "file: off must be a list of texts"),
        (RULE + RULE, "file: two rules are called ai:mine; give one another name"),
        ("[[rule]]", "rule 1: name is missing"),
        (RULE.replace('"mine"', "1"), "rule 1: name must be text"),
        (
            RULE.replace('"mine"', '"My Rule"'),
            "rule 'My Rule': name must be lower-case words joined by hyphens",
        ),
        (RULE + "fore = 1", "rule 1: there is no field fore; did you mean for?"),
        (RULE + 'for = "1"', "rule mine: for must be a number"),
        (RULE + "for = true", "rule mine: for must be a number"),
        (RULE + "keep = nan", "rule mine: keep must be a number"),
        (RULE + "keep = -1", "rule mine: keep must be a number of seconds"),
        (
            RULE.replace('"info"', '"bad"'),
            "rule mine: severity must be one of critical, warning, info",
        ),
        (
            re.sub("when = .*", "when = {}", RULE),
            "rule mine, when: must say one of above, below, increase, rises, burn, forecast",
        ),
        (re.sub("when = .*", "", RULE), "rule mine: when must have at least one condition"),
        (
            re.sub("when = .*", 'when = { number = "n", above = 1, clear = 2 }', RULE),
            "rule mine, when: n: clear must not be above the limit it clears",
        ),
        (
            re.sub("when = .*", 'when = { number = "n", above = 1, clean = 2 }', RULE),
            "rule mine, when: there is no field clean; did you mean clear?",
        ),
        (RULE + TEST.replace("10", "0"), "test t: every must be above 0"),
        (RULE + TEST.replace("{ n = ", "{} # "), "test t: numbers must name at least one number"),
        (
            RULE + TEST.replace('"0 1x3 _ 1"', '"0 soon"'),
            'test t, numbers: n must be text like "0 5x6 _ 0x3"',
        ),
        (
            RULE + TEST.replace('"0 1x3 _ 1"', "[0, 1]"),
            'test t, numbers: n must be text like "0 5x6 _ 0x3"',
        ),
        (
            RULE + TEST.replace("1x3", "1x100000"),
            "test t, numbers: n has more than 100000 values",
        ),
        (RULE + TEST.replace("{ 0 = ", "{} # "), "test t: expect must say what is shown when"),
        (
            RULE + TEST.replace("{ 0 =", "{ soon ="),
            "test t, expect: soon must be a number of seconds",
        ),
        (
            RULE + TEST.replace("{ 0 =", "{ 5 ="),
            "test t, expect: nobody looks after 5 s; take a multiple of every (10)",
        ),
        (
            RULE + TEST.replace("{ 0 =", "{ nan ="),
            "test t, expect: nobody looks after nan s; take a multiple of every (10)",
        ),
        (
            RULE + TEST.replace("mine firing", "mine"),
            'test t, expect: mine must be a rule and its state, like "pool-near firing"',
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_that_says_where(text, sentence):
    with pytest.raises(RuleFileError) as refused:
        read_rules(text)
    assert str(refused.value) == sentence


def test_a_rule_that_is_no_rule_cannot_be_switched_off():
    with pytest.raises(RuleFileError, match="^file: off names ai:near, which is no rule; known"):
        read_rules('off = ["ai:near"]')


VALUES = st.sampled_from(
    ["1", "-1", "0", "nan", "inf", "true", '""', '"x"', "[]", "[1]", '["x"]', "{}", "{ a = 1 }",
     "1979-05-27", "[[]]", '[{ number = "n", above = "x" }]'],
)  # fmt: skip


@pytest.mark.properties
@given(st.integers(0, EXAMPLE.count(" = ") - 1), VALUES)
def test_whatever_stands_in_a_file_is_read_or_refused(place, value):
    spots = [found.end() for found in re.finditer(" = ", EXAMPLE)]
    rest = EXAMPLE[spots[place] :]
    end = re.search(r"[,}\n]", rest).start()
    with suppress(RuleFileError):
        found = read_rules(EXAMPLE[: spots[place]] + value + rest[end:])
        for scenario in found.scenarios:
            rehearse(found.rules, scenario)


# -- trying ---------------------------------------------------------------------------------------


def rehearsed(text):
    found = read_rules(text)
    [scenario] = found.scenarios
    return rehearse(found.rules, scenario)


def test_what_comes_out_as_expected_is_no_surprise():
    assert rehearsed(RULE + TEST) == ()


@pytest.mark.parametrize(
    ("expect", "surprise"),
    [
        ("{ 0 = ['mine firing'] }", "after 0 s expected mine firing, found nothing"),
        ("{ 10 = [] }", "after 10 s expected nothing, found mine firing"),
        ("{ 10 = ['mine pending'] }", "after 10 s expected mine pending, found mine firing"),
        ("{ 40 = ['mine firing'] }", "after 40 s expected mine firing, found nothing"),
    ],
)
def test_a_surprise_says_when_what_and_what_instead(expect, surprise):
    assert rehearsed(RULE + re.sub("expect = .*", f"expect = {expect}", TEST)) == (surprise,)


def test_the_last_number_stays_until_the_last_expectation():
    text = re.sub("expect = .*", "expect = { 5000 = ['mine firing'] }", TEST)
    assert rehearsed(RULE + text) == ()


def test_the_kind_follows_from_the_component_or_is_named():
    text = TEST.replace('"ai:x"', '"shop"')
    assert rehearsed(RULE + text) != ()
    assert rehearsed(RULE + text + 'kind = "ai"') == ()


def test_the_documented_file_keeps_its_word():
    found = read_rules(EXAMPLE)
    assert found.scenarios
    for scenario in found.scenarios:
        assert rehearse(found.rules, scenario) == ()
