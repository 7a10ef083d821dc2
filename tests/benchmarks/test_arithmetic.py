"""What is published is what the rounds say."""

import json
import random
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.floats(0.001, 1e6)


def test_a_ratio_is_taken_round_by_round(paired):
    """A round in which the machine was slow for both says as much as the others."""
    estimate = paired.ratios([10.0, 1.0, 20.0], [5.0, 0.5, 10.0])
    assert estimate.median == 2.0


def test_the_median_of_ratios_is_not_the_ratio_of_medians(paired):
    assert paired.ratios([1.0, 4.0, 9.0], [1.0, 8.0, 3.0]).median == 1.0


def test_a_difference_is_taken_round_by_round(paired):
    assert paired.differences([5.0, 9.0, 1.0], [4.0, 6.0, 1.0]).median == 1.0


def test_rounds_that_do_not_pair_are_refused(paired):
    with pytest.raises(ValueError, match="shorter"):
        paired.ratios([1.0, 2.0], [1.0])


def test_fifteen_rounds_leave_three_outside_on_each_side(paired):
    assert paired.Estimate.of([float(n) for n in range(1, 16)]).interval == (4.0, 12.0)


def test_fewer_than_six_rounds_have_no_interval(paired):
    assert paired.Estimate.of([1.0, 2.0, 3.0, 4.0, 5.0]).interval is None
    assert paired.Estimate.of([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).interval == (1.0, 6.0)


@pytest.mark.parametrize("rounds", range(6, 40))
def test_the_interval_is_the_narrowest_that_holds_the_median_often_enough(paired, rounds):
    """Against the binomial distribution, exactly."""
    low, _ = paired.Estimate.of([float(n) for n in range(1, rounds + 1)]).interval
    outside = int(low)

    def coverage(k):
        return 1 - 2 * sum(Fraction(comb(rounds, i), 2**rounds) for i in range(k))

    assert coverage(outside) >= Fraction(95, 100) > coverage(outside + 1)


@given(values=st.lists(NUMBERS, min_size=6, max_size=40))
def test_the_median_lies_in_its_interval(paired, values):
    estimate = paired.Estimate.of(values)
    low, high = estimate.interval
    assert low <= estimate.median <= high


def test_a_percentile_is_one_of_the_values(paired):
    values = [float(n) for n in range(1, 101)]
    random.Random(1).shuffle(values)
    assert [paired.percentile(values, p) for p in (1, 50, 99, 100)] == [1.0, 50.0, 99.0, 100.0]


def test_of_few_values_the_99th_percentile_is_the_largest(paired):
    assert paired.percentile([3.0, 1.0, 2.0], 99) == 3.0


@given(values=st.lists(NUMBERS, min_size=1), percent=st.integers(1, 100))
def test_a_percentile_is_the_smallest_that_enough_do_not_exceed(paired, values, percent):
    found = paired.percentile(values, percent)
    need = len(values) * percent / 100
    assert sum(value <= found for value in values) >= need
    assert sum(value < found for value in values) < need


def test_nobody_is_overtaken_in_order(paired):
    assert paired.overtaken(range(100)) == 0
    assert paired.overtaken([]) == 0


def test_each_one_who_went_before_an_earlier_one_counts_once(paired):
    assert paired.overtaken([0, 3, 1, 2]) == 1
    assert paired.overtaken([2, 1, 0]) == 2


@given(order=st.permutations(range(8)))
def test_overtaking_agrees_with_its_definition(paired, order):
    expected = sum(any(later < order[i] for later in order[i + 1 :]) for i in range(len(order)))
    assert paired.overtaken(order) == expected


@pytest.mark.parametrize(
    ("value", "goal", "met"),
    [
        (1.6, ">= 1.6", True),
        (1.59, ">= 1.6", False),
        (1.05, "<= 1.05 s", True),
        (1.051, "<= 1.05 s", False),
        (1.0, "< 1 ms", False),
        (0.99, "< 1 ms", True),
        (2990, "= 2,990", True),
        (0, "= 2,990", False),
        (1900.0, "<= 2,000 ns", True),
        (2100.0, "<= 2,000 ns", False),
        (1.0, "", None),
    ],
)
def test_a_goal_is_read_as_it_is_written(paired, value, goal, met):
    assert paired.meets(value, goal) is met


def test_a_line_says_whether_its_goal_is_met(figures, capsys):
    section = figures.Section(
        "A row",
        "",
        [figures.Figure("reached", 0.0, "", "= 0"), figures.Figure("missed", 1.0, "", "= 0")],
        details=[figures.Figure("beside", 1.0, "")],
    )
    figures.publish("database", section)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["what"], line.get("met")) for line in lines] == [
        ("reached", True),
        ("missed", False),
        ("beside", None),
    ]


def test_a_table_shows_intervals_and_leaves_details_out(figures, paired, monkeypatch, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- Row -->\nold\n<!-- end of Row -->\nafter\n")
    monkeypatch.setattr(figures, "_PAGE", page)
    estimate = paired.Estimate.of([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    section = figures.Section(
        "Speed",
        "How.",
        [figures.Figure.estimated("ratio", estimate, "times", ">= 1")],
        details=[figures.Figure("aside", 1.0, "")],
    )
    figures.write_page("Row", figures.environment([]), [section])
    text = page.read_text()
    assert "| ratio | 1.25 times | 1 to 1.5 | >= 1 |" in text
    assert "aside" not in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
