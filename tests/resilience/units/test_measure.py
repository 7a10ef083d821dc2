"""Counters, histograms and rolling counts."""

import itertools
import math
import random
import statistics
from array import array

import pytest

from koo.resilience import Counter, Histogram, HistogramStats, RollingCount
from koo.resilience.measure import Span, less, more


def recorded(*seconds):
    histogram = Histogram()
    for value in seconds:
        histogram.record(value)
    return histogram.stats()


def test_a_counter_only_grows():
    counter = Counter()
    counter.add()
    counter.add(4)
    assert counter.value == 5


def test_an_empty_histogram_knows_nothing():
    stats = Histogram().stats()
    assert (stats.count, stats.total, stats.mean, stats.quantile(0.5)) == (0, 0, None, None)
    assert stats == HistogramStats()


def test_count_total_and_mean_are_exact():
    stats = recorded(0.1, 0.2, 0.6)
    assert (stats.count, stats.total) == (3, pytest.approx(0.9))
    assert stats.mean == pytest.approx(0.3)


def test_the_count_can_be_asked_for_without_a_photograph():
    histogram = Histogram()
    assert histogram.count == 0
    for _ in range(5):
        histogram.record(0.1)
    assert histogram.count == 5


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
def test_a_quantile_is_off_by_at_most_one_bucket(share, seed):
    draw = random.Random(seed)
    values = sorted(draw.lognormvariate(-2, 1.5) for _ in range(5000))
    exact = statistics.quantiles(values, n=1000)[int(share * 1000) - 1]
    assert recorded(*values).quantile(share) == pytest.approx(exact, rel=0.25)


@pytest.mark.parametrize("value", [2.0**-20, 1e-3, 0.1, 1.0, 7.3, 600.0])
def test_a_single_value_lies_in_its_own_bucket(value):
    stats = recorded(value)
    bounds = (0.0, *HistogramStats.bounds())
    (index,) = [number for number, count in enumerate(stats.buckets) if count]
    assert bounds[index] < value <= bounds[index + 1]
    assert bounds[index] <= stats.quantile(0.0) <= stats.quantile(1.0) <= bounds[index + 1]


def test_there_are_four_buckets_to_an_octave_from_a_microsecond_to_a_quarter_of_an_hour():
    bounds = HistogramStats.bounds()
    assert len(bounds) == 120
    assert bounds[3] == 2.0**-19
    assert bounds[-1] == 2.0**10
    ratios = [later / earlier for earlier, later in itertools.pairwise(bounds)]
    assert max(ratios) == 1.25
    assert math.prod(ratios[:4]) == pytest.approx(2)


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 0), (1e-9, 0), (1e6, 119)])
def test_what_is_too_short_or_too_long_counts_at_the_end(value, bucket):
    stats = recorded(value)
    assert stats.buckets[bucket] == 1
    assert stats.count == 1


def test_a_merger_is_as_if_one_histogram_had_seen_it_all(seed):
    draw = random.Random(seed)
    ours, theirs = ([draw.expovariate(3) for _ in range(200)] for _ in range(2))
    merged = recorded(*ours).merge(recorded(*theirs))
    together = recorded(*ours, *theirs)
    assert merged.buckets == together.buckets
    assert (merged.count, merged.total) == (400, pytest.approx(together.total))


def test_a_merger_with_nothing_changes_nothing():
    stats = recorded(0.1, 0.2)
    assert stats.merge(HistogramStats()) == stats
    assert HistogramStats().merge(stats) == stats


def test_a_merger_takes_photographs_of_any_length():
    merged = HistogramStats(3, 0.3, (1, 2)).merge(HistogramStats(9, 0.9, (2, 3, 4)))
    assert merged == HistogramStats(12, pytest.approx(1.2), (3, 5, 4))


def test_a_photograph_has_all_buckets_or_none():
    assert recorded().buckets == ()
    assert len(recorded(1e-9).buckets) == len(recorded(1e6).buckets) == 120


def test_a_histogram_counts_more_than_its_first_cells_hold():
    histogram = Histogram()
    for _ in range(2**16 + 1):
        histogram.record(1.0)
    assert histogram.count == histogram.stats().count == 2**16 + 1


def test_a_quantile_beyond_all_values_is_the_highest_bound():
    assert recorded(0.1).quantile(2.0) == 2.0**10


def test_a_rolling_count_forgets_after_its_span():
    count = RollingCount(60, 60)
    count.add(0.0, 5)
    count.add(30.0, 2)
    assert count.total(59.9) == 7
    assert count.total(61.1) == 2
    assert count.total(200) == 0
    assert count.per_second(59.9) == pytest.approx(7 / 60)


def test_a_rolling_count_never_misses_what_is_younger_than_its_span(seed):
    draw, now, log = random.Random(seed), 0.0, []
    count = RollingCount(10, 7)
    for _ in range(2000):
        now += draw.choice([0, 0.01, 0.5, 2, 30]) * draw.random()
        amount = draw.randrange(1, 5)
        count.add(now, amount)
        log.append((now, amount))
        young = sum(amount for at, amount in log if at > now - 10)
        not_old = sum(amount for at, amount in log if at >= now - 10 - 2 * 10 / 7)
        assert young <= count.total(now) <= not_old


def test_looking_at_a_rolling_count_changes_nothing():
    count = RollingCount(60, 60)
    count.add(0.0, 5)
    assert (count.total(500), count.total(1)) == (0, 5)


def test_a_rolling_count_keeps_what_it_has_not_been_told_to_forget():
    count = RollingCount(60, 60)
    count.add(0.0, 5)
    count.forget(61.5)
    assert count.total(0.0) == 0


def test_it_says_whether_what_is_counted_at_a_moment_still_counts():
    count = RollingCount(60, 60)
    assert [count.keeps(10.5, now) for now in (10.5, 70.9, 71.0)] == [True, True, False]


def test_taking_back_uncounts_at_its_own_moment():
    count = RollingCount(60, 60)
    count.add(0.0, 5)
    count.add(30.0, 2)
    assert count.take_back(0.5, 3) == 3
    assert count.take_back(0.5, 3) == 2
    assert count.take_back(15.0, 1) == 0
    assert count.take_back(-5.0, 1) == 0
    assert count.total(30.0) == 2


def test_taking_back_reaches_as_far_as_the_oldest_bucket_that_counts():
    count = RollingCount(60, 60)
    count.add(100.0, 2)
    count.forget(160.9)
    assert count.take_back(100.5, 1) == 1
    count.forget(161.0)
    assert (count.total(161.0), count.take_back(100.5, 1)) == (0, 0)


def test_what_was_counted_just_now_can_be_taken_back():
    count = RollingCount(60, 60)
    count.add(100.0, 5)
    assert count.take_back(100.5, 2) == 2
    assert (count.total(160.5), count.total(161.0)) == (3, 0)


def test_taking_back_what_left_long_ago_or_has_not_come_is_nothing():
    count = RollingCount(60, 60)
    count.add(500.0, 2)
    assert count.take_back(100.0, 1) == count.take_back(501.0, 1) == 0
    assert count.total(500.0) == 2


def test_taking_back_never_reaches_into_another_round_of_buckets():
    """A span later or earlier is the same place of a ring, and another time."""
    count = RollingCount(60, 60)
    for now in (100.0, 110.0, 120.0):
        count.add(now, 5)
    for stamp in (40.0, 50.0, 160.0, 170.0):
        assert count.take_back(stamp, 1) == 0
    assert [count.total(now) for now in (120.0, 161.0, 171.0, 181.0)] == [15, 10, 5, 0]


def test_what_was_taken_back_from_the_latest_bucket_does_not_leave_it_again():
    count = RollingCount(60, 60)
    count.add(100.0, 5)
    assert [count.take_back(100.5, 2), count.take_back(100.5, 9)] == [2, 3]
    count.add(100.7, 4)
    assert count.take_back(100.8, 1) == 1
    count.add(130.0, 1)
    assert [count.total(now) for now in (160.5, 161.0, 191.0)] == [4, 1, 0]


def test_a_rolling_count_counts_ones_in_sixty_buckets_unless_told_otherwise():
    count = RollingCount(60)
    count.add(0.5)
    assert (count.span, count.total(0.5), count.next_edge(0.5)) == (60, 1, 1.0)


def held(span, *counted):
    """What *counted*, as (moment, amount), comes to; and the number of the latest bucket."""
    amounts, latest = b"", 0
    for moment, amount in counted:
        amounts = more(span.aged(amounts, span.tick(moment) - latest), amount)
        latest = span.tick(moment)
    return amounts, latest


def test_what_need_not_leave_has_left_already():
    span = Span(60, 60)
    amounts = held(span, (500.0, 2))
    assert span.leaves_at(*amounts, 0) == 0
    assert span.leaves_at(*amounts, 1) == pytest.approx(561)


def test_it_says_when_enough_will_have_left():
    span = Span(60, 60)
    assert span.leaves_at(b"", 0, 0) == span.leaves_at(b"", 0, 5) == 0
    amounts = held(span, (0.0, 5), (30.0, 2))
    assert span.leaves_at(*amounts, 5) == pytest.approx(61)
    assert span.leaves_at(*amounts, 6) == pytest.approx(91)


def test_more_than_is_kept_has_left_when_all_has():
    span = Span(60, 60)
    amounts = held(span, (0.0, 5), (1.0, 5), (59.0, 5))
    assert span.leaves_at(*amounts, 99) == span.leaves_at(*amounts, 15) == pytest.approx(120)


def test_what_was_counted_at_a_moment_is_gone_when_it_is_said_to_be():
    span = Span(60, 60)
    amounts, latest = held(span, (30.5, 2))
    gone_at = span.left_at(latest)
    assert gone_at == span.leaves_at(amounts, latest, 2) == pytest.approx(91)
    left = [sum(span.aged(amounts, span.tick(at) - latest)) for at in (gone_at - 1e-6, gone_at)]
    assert left == [2, 0]


def test_the_bucket_of_a_moment_ends_after_it():
    count = RollingCount(60, 64)
    assert count.next_edge(0.0) == pytest.approx(60 / 64)
    assert count.next_edge(60 / 64) == pytest.approx(120 / 64)


def test_a_histogram_counts_on_when_a_byte_is_full():
    histogram = Histogram()
    for _ in range(256):
        histogram.record(1.0)
    assert histogram.count == 256
    histogram.record(4.0)
    histogram.record(1e-6)
    assert histogram.stats().count == 258
    assert histogram.stats().quantile(1.0) == pytest.approx(4.0, rel=0.2)


@pytest.mark.parametrize("amount", [2**8, 2**16 - 1, 2**16, 2**32 - 1, 2**32, 2**40, 2**80])
def test_a_rolling_count_counts_any_amount(amount):
    count = RollingCount(60.0)
    count.add(1.0, amount)
    count.add(2.5, 1)
    assert count.total(3.0) == amount + 1
    assert count.take_back(1.0, amount) == amount
    assert count.total(3.0) == 1


def test_amounts_take_no_more_bytes_than_they_need():
    assert more(b"", 255) == b"\xff"
    assert more(b"\xff\x01", 1) == b"\xff\x02"
    wide = more(b"\x01\xff", 1)
    assert (wide, wide.itemsize) == (array("H", [1, 256]), 2)
    assert more(wide, 2**16).itemsize == 4
    assert more(wide, 2**64) == [1, 2**64 + 256]
    assert less(wide, 1, 0) == b"\x01\xff"


def test_what_adds_up_to_nothing_is_forgotten_when_its_bucket_ends():
    """More may have been taken back than its bucket held, when the bucket before had it."""
    span = Span(60, 60)
    amounts = array("q", [1, -1])
    assert span.aged(amounts, 1) == b""
    assert sum(span.aged(array("q", [2, -1]), 1)) == 1
    assert span.aged(array("q", [3, -1, 1, -2, 2]), 57) == b""
    assert less(amounts, 1, 0) is amounts


def test_amounts_end_with_the_bucket_they_are_aged_to():
    span = Span(4.0, 4)
    assert span.aged(b"\x01", 0) == b"\x01"
    assert span.aged(b"\x01", 2) == b"\x01\x00\x00"
    assert span.aged(b"\x02\x00\x03", 3) == b"\x03\x00\x00\x00"
    assert span.aged(array("H", [300, 0, 1]), 4) == b"\x01\x00\x00\x00\x00"
    assert span.aged(array("H", [300, 0, 1]), 5) == span.aged(b"", 3) == b""


def test_what_is_older_than_all_that_is_kept_is_not_taken_from_the_latest():
    assert [list(less([1, 2], 1, age)) for age in (0, 1, 2)] == [[1, 1], [0, 2], [1, 2]]


@pytest.mark.parametrize("amount", range(1, 256))
def test_an_amount_that_grows_old_stays_what_it_was(amount):
    assert Span(10, 10).aged(bytes([amount]), 1) == bytes([amount, 0])
