"""How often something happens, counted for the price of an addition."""

import pytest

from koo.database.pool import Frequency
from koo.resilience import RollingCount


def test_what_was_counted_leaves_with_its_bucket():
    frequency = Frequency(60.0)
    for now in (0.0, 0.5, 30.2, 59.9):
        frequency.add(now)
    assert (frequency.value, frequency.recent(59.9)) == (4, 4)
    assert frequency.recent(61.0) == 2
    assert frequency.recent(200.0) == 0
    assert frequency.per_second(61.0) == pytest.approx(2 / 60)
    assert frequency.value == 4


def test_after_a_long_silence_only_the_new_is_recent():
    frequency = Frequency(60.0)
    frequency.add(1.0)
    frequency.add(500.0)
    assert (frequency.value, frequency.recent(500.0)) == (2, 1)


def test_it_tells_what_a_rolling_count_tells():
    frequency, count = Frequency(60.0), RollingCount(60.0)
    for step in range(400):
        now = step * 0.37 + (step // 50) * 11.0
        frequency.add(now)
        count.add(now)
        assert frequency.recent(now) == count.total(now)
        assert frequency.recent(now + 7.3) == count.total(now + 7.3)
