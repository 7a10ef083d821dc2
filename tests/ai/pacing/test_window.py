"""One window of a vendor: what it leaves, when it gives back, and whom it believes."""

import math
from dataclasses import dataclass

import pytest

from koo.ai import WindowTold
from koo.ai.pacing.window import LearnedWindow


@dataclass
class Call:
    """A call as a window sees it."""

    generation: int
    stamp: float
    first_near: int
    counted: tuple[int, int, int, int] = (1, 0, 0, 0)


def _told(remaining, reset_after, limit=60):
    return WindowTold("requests", "requests", limit, remaining, reset_after)


def _call(number, at, first_near=None):
    return Call(number, at, number if first_near is None else first_near)


def _window(remaining=10, reset_after=30.0, limit=60):
    window = LearnedWindow("requests", "requests")
    window.hear(_told(remaining, reset_after, limit), 0.0, _call(1, 0.0), 0)
    return window


def _bucket():
    """A window of 60 a minute that has shown to be a bucket with 30 left at second 9."""
    window = _window(50, 10.0)
    window.hear(_told(30, 30.0), 9.0, _call(2, 9.0), 0)
    return window


def test_before_any_answer_everything_passes():
    window = LearnedWindow("requests", "requests")
    assert window.free(5.0) == math.inf
    assert window.fits_at(10**9, 5.0) == 5.0


def test_what_is_told_is_left_and_what_is_sent_is_subtracted():
    window = _window(10)
    window.sent(1)
    assert window.free(1.0) == 9
    assert window.fits_at(9, 1.0) == 1.0
    assert window.fits_at(10, 1.0) == 30.0


def test_a_fixed_window_gives_nothing_back_before_its_reset_and_then_all():
    window = _window(0)
    assert window.free(29.9) == 0
    assert window.free(30.0) == 60
    window.lapse(30.0, 7)
    window.sent(1)
    assert window.free(30.0) == 59


def test_a_window_that_is_not_told_again_is_forgotten_after_one_more():
    window = _window(0)
    window.lapse(30.0, 2)
    window.sent(60)
    assert window.free(59.0) == 0
    window.lapse(60.0, 3)
    assert window.free(60.0) == math.inf


def test_without_a_limit_nothing_is_known_after_the_reset():
    window = _window(0, limit=None)
    assert window.fits_at(5, 1.0) == 30.0
    window.lapse(30.0, 2)
    assert window.free(30.0) == math.inf


def test_the_vendors_word_alone_holds_calls_back_for_an_hour_then_one_asks():
    window = _window(0, reset_after=80_000.0)
    assert window.fits_at(1, 0.0) == 3600.0
    window.lapse(3600.0, 2)
    assert window.free(3600.0) == 1
    window.sent(1)
    assert window.fits_at(1, 3601.0) == 7200.0


def test_a_reset_that_moves_with_the_use_shows_a_bucket_which_fills():
    window = _bucket()
    assert window.free(9.0) == 30
    assert window.free(19.0) == pytest.approx(40)
    assert window.fits_at(35, 9.0) == pytest.approx(14.0)
    assert window.free(1000.0) == 60


def test_a_reset_that_stands_still_shows_a_fixed_window():
    window = _window(50, 30.0)
    window.hear(_told(20, 20.0), 10.0, _call(2, 10.0), 0)
    assert window.free(20.0) == 20


def test_resets_that_fit_both_kinds_show_nothing():
    window = _window(50, 10.0)
    window.hear(_told(51, 9.0), 1.0, _call(2, 1.0), 0)
    assert window.free(8.0) == 51


@pytest.mark.parametrize(
    "first",
    [_told(60, 0.0), _told(59, 1.0), _told(50, 10.0, limit=100)],
    ids=["nothing used", "too short to tell", "another limit"],
)
def test_some_answers_are_no_witnesses(first):
    window = LearnedWindow("requests", "requests")
    window.hear(first, 0.0, _call(1, 0.0), 0)
    window.hear(_told(30, 30.0), 4.0, _call(2, 4.0), 0)
    assert window.free(20.0) == 30


def test_a_bucket_that_is_full_again_has_no_refill_to_count():
    window = _bucket()
    window.hear(_told(60, 0.0), 60.0, _call(3, 60.0), 0)
    assert window.free(60.0) == 60


def test_a_refusal_in_spite_of_a_refill_ends_the_belief_and_doubles_the_witnesses_needed():
    window = _bucket()
    window.doubt(8.0)
    assert window.free(19.0) == pytest.approx(40), "that call was let in before"
    window.doubt(11.0)
    assert window.free(20.0) == 30
    window.hear(_told(10, 50.0), 14.0, _call(3, 14.0), 0)
    assert window.free(20.0) == 10, "one witness is not enough any more"
    window.hear(_told(0, 60.0), 20.0, _call(4, 20.0), 0)
    assert window.free(25.0) == pytest.approx(5)


def test_calls_on_their_way_may_not_be_counted_yet():
    window = LearnedWindow("requests", "requests")
    window.hear(_told(10, 30.0), 0.5, _call(5, 0.0, first_near=2), 4)
    assert window.free(0.5) == 6
    window.hear(_told(12, 30.0), 0.6, _call(3, 0.0), 99)
    assert window.free(0.6) == 7, "it was answered, so it is counted in the lower of the two"


def test_of_answers_of_about_the_same_time_the_one_that_tells_of_least_is_believed():
    window = LearnedWindow("requests", "requests")
    window.hear(_told(10, 30.0), 0.5, _call(5, 0.0, first_near=2), 3)
    window.hear(_told(8, 30.0), 0.6, _call(4, 0.0), 99)
    assert window.free(0.6) == 6
    window.hear(_told(12, 30.0), 0.7, _call(6, 0.4), 99)
    assert window.free(0.7) == 7
    window.hear(_told(12, 29.0), 1.6, _call(7, 1.1, first_near=7), 0)
    assert window.free(1.6) == 12, "a second later it is no question of overtaking any more"


def test_an_answer_of_the_window_before_says_nothing_of_this_one():
    window = _window(0)
    window.lapse(30.0, 2)
    window.hear(_told(0, 0.0), 30.1, _call(1, 29.5), 0)
    assert window.free(30.1) == 60


def test_the_first_answer_after_a_reset_replaces_what_was_guessed():
    window = LearnedWindow("requests", "requests")
    window.hear(_told(58, 6.0), 0.0, _call(1, 0.0), 0)
    window.lapse(30.0, 2)
    window.sent(1)
    window.hear(_told(59, 1.0), 30.0, _call(2, 30.0), 0)
    assert window.free(30.0) == 59


def test_an_old_answer_is_not_believed_even_if_it_tells_of_less():
    window = _window(30)
    window.hear(_told(20, 20.0), 10.0, _call(9, 10.0), 0)
    window.hear(_told(5, 20.0), 10.0, _call(2, 3.0), 0)
    assert window.free(10.0) == 20


def test_the_first_answer_of_a_new_window_is_believed_at_once():
    window = _window(0, 2.0)
    window.hear(_told(59, 60.0), 0.9, _call(2, 0.5), 1)
    assert window.free(0.9) == 58


def test_what_a_bucket_took_back_while_the_answer_was_made_is_not_missing():
    window = _bucket()
    window.hear(_told(30, 30.0), 40.0, _call(3, 20.0, first_near=3), 25)
    assert window.free(40.0) == pytest.approx(25), "20 of those 25 have come back since"


def test_an_unused_part_comes_back_only_to_whom_it_was_taken_from():
    window = _window(10)
    window.sent(5)
    window.took_back(3, _call(2, 0.5))
    assert window.free(1.0) == 8
    window.took_back(3, _call(0, 0.0))
    assert window.free(1.0) == 8
    window.took_back(30, _call(2, 0.5))
    assert window.free(1.0) == 10


def test_an_estimate_above_the_limit_waits_for_the_whole_of_it():
    window = _window(60, 0.5)
    assert window.fits_at(1_000, 0.1) == 0.1
    window.sent(1)
    assert window.fits_at(1_000, 0.1) == 0.5


def test_a_photograph_says_it_in_words():
    stats = _window(3).stats("m", None, 5.0)
    assert (stats.model, stats.remaining, stats.reset_after, stats.refill) == ("m", 3, 25.0, 0.0)
    assert stats.words == "3 of 60 requests are left at the service"
    untold = _window(3, limit=None).stats("m", None, 5.0)
    assert untold.words == "3 requests are left at the service"
    assert _bucket().stats("m", None, 14.0).refill == pytest.approx(1.0)
