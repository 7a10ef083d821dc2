"""The rates that refusals teach: cut by a share, raised step by step, or by time alone."""

import math

import pytest

from koo.ai import Urge
from koo.ai.pacing.rate import Additive, Ramp


def _cut(rate=10.0, now=100.0, newest=50):
    additive = Additive()
    assert additive.cut(rate, newest=newest, number=newest, wait=None, now=now)
    return additive


def test_unrefused_there_is_no_rate():
    additive = Additive()
    additive.succeeded(1, 0.0, 1.0)
    assert additive.at(1.0) == math.inf
    assert additive.hold == 0.0


def test_a_refusal_cuts_what_passed_lately_by_a_fifth():
    assert _cut(10.0).at(100.0) == pytest.approx(8.0)


def test_nothing_passed_lately_is_one_call_a_minute():
    assert _cut(0.0).at(100.0) == pytest.approx(1 / 60)


def test_refusals_of_calls_from_before_the_cut_are_not_news():
    additive = _cut()
    assert not additive.cut(10.0, newest=60, number=50, wait=None, now=101.0)
    assert additive.at(101.0) == pytest.approx(8.0)


def test_refused_again_and_again_calls_only_ask_each_time_after_twice_as_long():
    additive, holds = _cut(), []
    for number in range(51, 58):
        holds.append(additive.hold)
        assert additive.cut(10.0, newest=number, number=number, wait=None, now=float(100 + number))
    assert holds == [1, 2, 4, 8, 16, 30, 30]
    assert additive.at(158.0) == pytest.approx(8.0), "that it is closed says nothing of how wide"
    additive.succeeded(58, 0.0, 160.0)
    assert additive.hold == 0.0


def test_a_refusal_that_names_its_wait_leaves_the_asking_to_it():
    additive = Additive()
    additive.cut(10.0, newest=1, number=1, wait=7.0, now=100.0)
    assert additive.hold == 0.0
    assert additive.at(100.0) == pytest.approx(8.0)


def test_a_success_that_had_to_wait_raises_the_rate_and_one_that_had_not_does_not():
    additive = _cut()
    additive.succeeded(51, 0.0, 101.0)
    assert additive.at(101.0) == pytest.approx(8.0)
    additive.succeeded(50, 0.1, 101.0)
    assert additive.at(101.0) == pytest.approx(8.0), "it was sent before the cut"
    additive.succeeded(52, 0.1, 101.0)
    assert additive.at(101.0) == pytest.approx(8 + 0.1 / 800 * 8 / 0.9)


def test_eight_hundred_successes_win_back_a_slight_cut_and_as_many_more_for_each_refusal():
    for refusals in (1, 2):
        additive = _cut(10.0)
        for _ in range(refusals - 1):
            additive.cut(10.0, newest=60, number=50, wait=None, now=100.0)
        for number in range(51, 51 + 800 * refusals):
            additive.succeeded(number, 0.1, 101.0)
        assert additive.at(101.0) == pytest.approx(8.0 / 0.9)


def test_far_above_the_rate_that_was_refused_it_rises_many_times_as_fast():
    additive = _cut(10.0)
    for number in range(51, 5_000):
        additive.succeeded(number, 0.1, 101.0)
    before = additive.at(101.0)
    assert before > 12.5
    additive.succeeded(5_000, 0.1, 101.0)
    assert additive.at(101.0) - before == pytest.approx(before * 0.004)


def test_of_what_a_whole_minute_answered_forty_nine_fiftieths_are_borne():
    additive = Additive()
    for second in range(61):
        additive.succeeded(second, 0.0, float(second))
    assert additive.cut(50.0, newest=99, number=99, wait=None, now=60.5)
    assert additive.at(60.5) == pytest.approx(0.98, rel=0.02)


def test_in_the_first_minute_what_was_answered_says_too_little():
    additive = Additive()
    additive.succeeded(1, 0.0, 1.0)
    assert additive.cut(50.0, newest=99, number=99, wait=None, now=2.0)
    assert additive.at(2.0) == pytest.approx(40.0)


def test_a_rate_that_nobody_had_to_wait_for_is_forgotten_after_ten_minutes():
    additive = _cut(now=100.0)
    assert additive.at(699.0) < math.inf
    assert additive.at(700.0) == math.inf


@pytest.mark.parametrize(
    ("urge", "doubles_in"), [(Urge.EASE, 30.0), (Urge.GROW_SLOWLY, 900.0 * 1.7095113)]
)
def test_a_ramp_begins_at_half_and_ends_at_twice_the_rate_before(urge, doubles_in):
    ramp = Ramp()
    assert ramp.at(5.0) == math.inf
    assert ramp.begin(urge, 10.0, 7, number=7, now=100.0)
    assert ramp.at(100.0) == pytest.approx(5.0)
    assert ramp.at(100.0 + doubles_in) == pytest.approx(10.0)
    assert ramp.at(100.0 + 1.99 * doubles_in) == pytest.approx(20.0, rel=0.01)
    assert ramp.at(100.1 + 2 * doubles_in) == math.inf
    assert ramp.at(1e9) == math.inf


def test_a_ramp_begins_again_only_for_calls_that_were_sent_since():
    ramp = Ramp()
    ramp.begin(Urge.EASE, 10.0, 7, number=7, now=100.0)
    assert not ramp.begin(Urge.EASE, 10.0, 9, number=7, now=101.0)
    assert ramp.begin(Urge.GROW_SLOWLY, 10.0, 9, number=8, now=100.0)
    assert ramp.at(100.0) == pytest.approx(2.5)


def test_a_ramp_never_begins_below_one_call_a_minute():
    ramp = Ramp()
    ramp.begin(Urge.EASE, 0.0, 1, number=1, now=0.0)
    assert ramp.at(0.0) == pytest.approx(1 / 60)
