"""What a meter takes back, tells to others, and expects of those who wait."""

import pytest

from koo.resilience.limiter_windows import Limit, Meter


@pytest.fixture
def meter():
    """Four at 100 s and six at 105 s, of ten in any 64 s; it is 110 s, in buckets of a second."""
    meter = Meter("requests", (Limit(10, 64.0),))
    for moment, amount in ((100.0, 4), (105.0, 6)):
        meter.roll(moment)
        meter.credit -= amount
    meter.roll(110.0)
    return meter


def used(meter, at):
    (stats,) = meter.stats(at)
    return stats.used


def test_what_is_given_back_is_taken_from_where_it_was(meter):
    meter.take_back(100.0, 3)
    assert [used(meter, at) for at in (110.0, 164.9, 165.1, 170.1)] == [7, 7, 6, 0]
    assert meter.credit == 3


def test_all_buckets_are_told_each_in_its_place(meter):
    ((latest, amounts),) = meter.tell().values()
    assert (latest, len(amounts)) == (110, 65)
    assert {latest - 64 + place: amount for place, amount in enumerate(amounts) if amount} == {
        100: 4,
        105: 6,
    }


@pytest.mark.parametrize(
    ("amount", "moment"),
    [(0, 110), (1, 165), (4, 165), (5, 170), (10, 170), (11, 229), (14, 229), (15, 234), (30, 298)],
)
def test_who_asks_for_much_gets_it_as_the_windows_empty(meter, amount, moment):
    assert meter.empty_at(amount, 110.0) == pytest.approx(moment)


def test_what_is_pending_when_it_goes_on_is_used(meter):
    meter.resume(110.0, 2)
    assert (meter.pending, meter.credit, used(meter, 110.0)) == (2, -2, 12)
    meter.resume(110.0, 0)
    assert (meter.pending, meter.credit) == (0, 0)


def test_who_keeps_the_windows_can_tell_that_they_have_changed(meter):
    rolls = meter.rolls_total
    meter.credit -= 1
    assert meter.rolls_total == rolls
    meter.take_back(110.0, 1)
    assert meter.rolls_total == rolls
    meter.take_back(100.0, 1)
    assert meter.rolls_total == rolls + 1
    meter.roll(111.0)
    assert meter.rolls_total == rolls + 2


def test_more_taken_back_than_is_pending_comes_out_of_the_latest_bucket(meter):
    meter.roll(111.0)
    meter.credit -= 5
    meter.roll(112.0)
    meter.take_back(112.0, 3)
    (stats,) = meter.stats(112.0)
    assert (stats.used, stats.reset_after) == (12, pytest.approx(64, abs=1.1))


def test_what_is_pending_leaves_the_photograph_when_it_leaves_the_window(meter):
    meter.credit -= 2
    assert [used(meter, at) for at in (164.0, 174.9, 175.0)] == [12, 2, 0]


def test_what_was_taken_back_is_not_what_leaves_last(meter):
    meter.credit -= 5
    meter.roll(110.5)
    meter.take_back(110.5, 5)
    (stats,) = meter.stats(110.5)
    assert (stats.used, stats.reset_after) == (10, pytest.approx(59.5))
