"""Asks, outcomes and what they say."""

from dataclasses import FrozenInstanceError, fields

import pytest

from koo.resilience import (
    ABANDONED,
    ONE_REQUEST,
    SUCCESS,
    Abandoned,
    Advice,
    Ask,
    Failure,
    RetryClass,
    Spent,
    Success,
)
from koo.resilience.outcome import is_evidence, last_cause

from ..tools import CONFLICTED, FAILED, THROTTLED, WRONG


@pytest.mark.parametrize("weight", ["requests", "tokens", "nanousd"])
def test_an_ask_that_would_give_instead_of_take_is_refused(weight):
    with pytest.raises(ValueError, match="^Ask: weights can't be negative; ask for 0 or more$"):
        Ask(**{weight: -1})


def test_an_ask_is_one_request_unless_it_says_more():
    assert Ask() == ONE_REQUEST == Ask(1, 0, 0, 0, None)
    assert Ask(requests=0).requests == 0


def test_what_was_spent_is_one_request_unless_it_says_more():
    assert Spent() == Spent(1, 0, 0)
    assert Spent(requests=0).weights == (0, 0, 0)


@pytest.mark.parametrize("weight", ["requests", "tokens", "nanousd"])
@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_what_was_spent_is_a_whole_number(weight, value):
    with pytest.raises(ValueError, match=f"^Spent: {weight} must be a whole number"):
        Spent(**{weight: value})


@pytest.mark.parametrize("part", ["remaining_requests", "remaining_tokens", "reset_after"])
def test_advice_that_nobody_has_read_is_refused(part):
    with pytest.raises(ValueError, match=f"^Advice: {part} must be a"):
        Advice(**{part: "7"})
    assert getattr(Advice(**{part: 7}), part) == 7


@pytest.mark.parametrize(
    ("part", "cure"), [("retry_class", "RetryClass.TRANSIENT"), ("cause", '"timeout"')]
)
def test_a_part_of_a_failure_that_is_something_else_is_refused_with_what_to_write(part, cure):
    with pytest.raises(ValueError, match=f"^Failure: {part} must be a .*, not 7; write {cure}$"):
        Failure(**{"retryable": True, "trips": True, part: 7})


@pytest.mark.parametrize("value", [ONE_REQUEST, SUCCESS, FAILED, ABANDONED, Spent()])
def test_nobody_can_change_what_was_said(value):
    for field in fields(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, None)


@pytest.mark.parametrize("outcome", [SUCCESS, ABANDONED, FAILED])
def test_what_was_spent_is_unknown_unless_it_is_told(outcome):
    assert (outcome.spent, outcome.advice) == (None, None)


@pytest.mark.parametrize("outcome", [SUCCESS, Success(spent=Spent()), FAILED, WRONG, CONFLICTED])
def test_an_answer_or_a_failure_is_evidence(outcome):
    assert is_evidence(outcome)


@pytest.mark.parametrize("outcome", [ABANDONED, Abandoned(spent=Spent()), THROTTLED])
def test_who_left_and_who_was_throttled_say_nothing(outcome):
    assert not is_evidence(outcome)


def test_overload_that_trips_is_evidence_even_if_it_is_retried_as_throttled():
    assert is_evidence(Failure(retryable=True, trips=True, retry_class=RetryClass.THROTTLED))


def test_only_a_failure_has_a_last_cause():
    assert last_cause(FAILED) == "; last: boom"
    assert [last_cause(outcome) for outcome in (SUCCESS, ABANDONED)] == ["", ""]


@pytest.mark.parametrize(
    ("retry_class", "base", "cap", "cost"),
    [
        (RetryClass.CONFLICT, 0.05, 0.05, 0),
        (RetryClass.TRANSIENT, 1, 1, 1),
        (RetryClass.THROTTLED, 5, 2, 0.35),
        (RetryClass.RESOLVED, 1, 1, 0),
    ],
)
def test_each_class_of_retry_has_its_scale_and_its_price(retry_class, base, cap, cost):
    assert (retry_class.base_scale, retry_class.cap_scale, retry_class.cost) == (base, cap, cost)


@pytest.mark.parametrize("value", [True, 1.0])
def test_an_ask_is_in_whole_numbers_though_some_or_all_are_alike(value):
    for amounts in ((value, value, 1, 1), (value, value, value, 1), (value,) * 4):
        with pytest.raises(ValueError, match="^Ask: requests must be a whole number"):
            Ask(*amounts)


@pytest.mark.parametrize("value", [True, 1.0])
def test_what_was_spent_is_a_whole_number_though_two_or_three_are_alike(value):
    for amounts in ((value, value, 1), (value, value, value)):
        with pytest.raises(ValueError, match="^Spent: requests must be a whole number"):
            Spent(*amounts)


@pytest.mark.parametrize("reset_after", [None, "7"])
def test_advice_that_nobody_has_read_is_refused_though_its_parts_are_alike(reset_after):
    header = "7"
    with pytest.raises(ValueError, match="^Advice: remaining_requests must be a"):
        Advice(header, header, reset_after and header)
