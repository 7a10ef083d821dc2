"""Each failure moved the numbers of all that the window holds: 100 us at a threshold of 500,000."""

from array import array

import pytest

from koo.resilience import OutcomeWindow, Tally, WindowConfig


class Watched(array):
    """An array that counts how many of its numbers were moved."""

    moved = 0

    def __delitem__(self, place):
        super().__delitem__(place)
        self.moved += len(self)


def _filled(size):
    """A window of *size* outcomes that has seen three times as many failures, and its numbers."""
    window = OutcomeWindow(WindowConfig(size=size, span=0))
    window.add_failure(1.0)
    kind = window._failures
    kind._numbers = Watched("q", kind._numbers)
    for _ in range(3 * size - 1):
        window.add_failure(1.0)
    return window, kind._numbers


@pytest.mark.parametrize("size", [100, 10_000])
def test_a_failure_moves_few_others_however_many_the_window_holds(size):
    _, numbers = _filled(size)
    assert numbers.moved <= 5 * 3 * size
    assert len(numbers) <= 1.25 * size


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 100])
def test_no_more_failures_count_than_the_window_has_room_for(size):
    window, _ = _filled(size)
    assert window.tally(1.0) == Tally(size, size, 0)
    window.add_success(1.0)
    assert window.tally(1.0) == Tally(size, size - 1, 0)
    assert window.latest(2) == (False, True)


def test_a_window_of_time_alone_keeps_no_more_numbers_than_are_shown():
    window = OutcomeWindow(WindowConfig(size=0, span=1.0))
    for _ in range(1000):
        window.add_failure(1.0)
    assert len(window._failures._numbers) <= 25
    assert window.tally(1.0) == Tally(1000, 1000, 0)
