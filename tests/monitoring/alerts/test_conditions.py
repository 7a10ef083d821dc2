"""Conditions, each alone: at the limit, beside it, and what they refuse to be."""

import pytest

from koo.monitoring import (
    Above,
    Below,
    Burn,
    Forecast,
    Increase,
    Look,
    Now,
    Rises,
    Rule,
    Sample,
    Severity,
)
from koo.monitoring.alerts.series import Counted, Series, Trace, follow


def look(**numbers):
    return Look(Sample(component="x", kind="thing", numbers=numbers), {}, Now(0, 0))


def seen(condition, numbers, every=1.0):
    """A look at the last of *numbers*, one *every* so many seconds."""
    past = {}
    for second, value in enumerate(numbers):
        now = Now(second * every, second * every)
        sample = Sample(component="x", kind="thing", numbers={"n": value})
        past = follow(condition.traces, sample, past, now)
    return Look(sample, past, now)


@pytest.mark.parametrize(
    ("value", "begins", "lasts"), [(8, True, True), (7, False, True), (6, False, False)]
)
def test_above_begins_at_its_limit_and_lasts_down_to_the_other(value, begins, lasts):
    condition = Above("n", 8, 7)
    assert (condition.begins(look(n=value)), condition.lasts(look(n=value))) == (begins, lasts)


@pytest.mark.parametrize(
    ("value", "begins", "lasts"), [(2, True, True), (3, False, True), (4, False, False)]
)
def test_below_begins_at_its_limit_and_lasts_up_to_the_other(value, begins, lasts):
    condition = Below("n", 2, 3)
    assert (condition.begins(look(n=value)), condition.lasts(look(n=value))) == (begins, lasts)


@pytest.mark.parametrize("condition", [Above("n", 2), Below("n", 2)])
def test_without_another_limit_it_clears_where_it_fires(condition):
    assert condition.lasts(look(n=2))
    assert not condition.lasts(look(n=2.1 if isinstance(condition, Below) else 1.9))


@pytest.mark.parametrize(
    "condition", [Above("m"), Below("m", 1), Increase("m", 1, 9), Rises("m", 1, 9), Forecast()]
)
def test_a_number_that_is_not_there_fulfils_nothing(condition):
    assert not condition.begins(look(n=9))
    assert not condition.lasts(look(n=9))


def test_a_number_that_is_none_is_no_number():
    assert not Above("n", 0).begins(look(n=float("nan")))


@pytest.mark.parametrize(
    ("condition", "words"),
    [(Above("n", 8), "n is 8.5"), (Below("n", 9), "n is 8.5"), (Above("m"), None)],
)
def test_a_number_without_words_says_how_large_it_is(condition, words):
    assert condition.cause(look(n=8.5)) == words


def test_a_counter_grows_within_its_window():
    condition = Increase("n", 3, 10)
    assert condition.begins(seen(condition, [5, 6, 8]))
    assert not condition.begins(seen(condition, [5, 6, 7]))
    assert condition.cause(seen(condition, [5, 6, 8])) == "n grew by 3 within 10 s"


def test_what_grew_before_the_window_counts_no_more():
    condition = Increase("n", 3, 10)
    assert condition.lasts(seen(condition, [0, 3, *[3] * 9]))
    assert not condition.lasts(seen(condition, [0, 3, *[3] * 11]))


def test_a_counter_that_begins_anew_has_grown_by_what_it_is():
    condition = Increase("n", 5, 100)
    assert condition.begins(seen(condition, [90, 93, 2]))
    assert not condition.begins(seen(condition, [90, 93, 1]))


def test_rises_are_counted_not_their_height():
    condition = Rises("n", 3, 100)
    assert condition.begins(seen(condition, [1, 0, 9, 8, 0, 1]))
    assert not condition.begins(seen(condition, [0, 5, 6, 7, 0, 8]))
    assert condition.cause(seen(condition, [0, 1, 0, 1])) == "2 times within 1.67 min"


def test_a_number_that_was_once_seen_is_remembered_while_it_is_away():
    trace = Trace("n", 10)
    here = Sample(component="x", kind="thing", numbers={"n": 1})
    away = Sample(component="x", kind="thing", numbers={})
    past = follow([trace], here, {}, Now(0, 0))
    assert follow([trace], away, past, Now(1, 1)) == past
    assert follow([trace], away, {}, Now(1, 1)) == {}


def test_what_is_no_number_for_a_moment_is_no_growth():
    condition = Increase("n", 1, 100)
    assert not condition.begins(seen(condition, [5, float("nan"), 5]))
    assert not condition.begins(seen(condition, [5, float("inf"), 5]))


def test_a_series_stays_small_and_is_off_by_a_sixtieth_of_its_span_at_most():
    series = Series.begin(Trace("n", 60), 0, 0)
    for tick in range(1, 10_000):
        now = tick / 10
        series = series.add(tick, now)
        assert len(series.points) <= 62
        if now >= 62:
            assert 600 <= series.grown(now) <= 620


def test_a_series_knows_for_how_long_it_has_been_seen():
    series = Series.begin(Trace("n", 60, Counted.RISES), 1, 100)
    assert (series.known(130), series.known(500), series.grown(130)) == (30, 60, 1)


def test_a_burn_without_calls_has_a_cause_without_a_number_to_divide_by():
    condition = Burn(factor=14.4, long=3600, short=300)
    assert condition.cause(look()).startswith("0 of 0 calls failed")
    assert not condition.begins(look())


def test_a_budget_that_is_spent_lasts_no_more():
    sample = {"n": 12.0, "n.limit": 10.0, "ends": 1e6}
    condition = Forecast(number="n", resets_at="ends", within=60)
    past = {}
    for second in (0, 30):
        now = Now(second, second)
        each = Sample(component="x", kind="thing", numbers=sample | {"n": second + 1.0})
        past = follow(condition.traces, each, past, now)
    assert condition.begins(Look(each, past, now))
    assert condition.cause(Look(each, past, now)).endswith("it lasts 0 s more")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Above("n", 1, 2), "n: clear must not be above the limit it clears"),
        (lambda: Below("n", 2, 1), "n: clear must not be below the limit it clears"),
        (lambda: Increase("n", 0, 1), "n: by must be above 0"),
        (lambda: Rises("n", 1, -1), "n: within must be above 0"),
        (lambda: Forecast(within=float("inf")), "budget.spent: within must be above 0"),
        (lambda: Burn(factor=0, long=2, short=1), "burn: factor must be above 0"),
        (
            lambda: Burn(factor=1, long=2, short=1, objective=1),
            "burn: objective must be between 0 and 1, like 0.99",
        ),
        (
            lambda: Burn(factor=101, long=2, short=1),
            "burn: factor is out of reach; not even failing always burns so fast",
        ),
        (lambda: Burn(factor=1, long=1, short=1), "burn: long must be longer than short"),
    ],
)
def test_a_condition_that_cannot_be_right_says_so_in_a_sentence(make, sentence):
    with pytest.raises(ValueError) as refused:
        make()
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": "Too Hot"}, "rule 'Too Hot': name must be lower-case words joined by hyphens"),
        ({"when": ()}, "rule hot: when must have at least one condition"),
        ({"what": "a; b"}, "rule hot: what must not contain a semicolon"),
        ({"title": " "}, "rule hot: title must not be empty"),
        ({"hold": -1}, "rule hot: hold must be a number of seconds"),
        ({"keep": float("nan")}, "rule hot: keep must be a number of seconds"),
    ],
)
def test_a_rule_that_cannot_be_right_says_so_in_a_sentence(wrong, sentence):
    right = {
        "kind": "ai", "name": "hot", "severity": Severity.INFO, "title": "t", "what": "w",
        "advice": "a", "runbook": "r", "when": (Above("n"),),
    }  # fmt: skip
    with pytest.raises(ValueError) as refused:
        Rule(**right | wrong)
    assert str(refused.value) == sentence
