"""The clock that the test owns."""

import pytest

from koo.testing import FakeClock, run


def test_both_clocks_stand_still_until_they_are_advanced():
    clock = FakeClock()
    before = clock.monotonic(), clock.time()
    assert (clock.monotonic(), clock.time()) == before
    clock.advance(2.5)
    assert (clock.monotonic(), clock.time()) == (before[0] + 2.5, before[1] + 2.5)


def test_sleeping_advances_at_once_and_is_remembered():
    clock = FakeClock(now=10.0)

    async def two_naps():
        await clock.sleep(1.0)
        await clock.sleep(0.5)

    run(two_naps())
    assert clock.monotonic() == 11.5
    assert clock.slept == [1.0, 0.5]


def test_a_negative_sleep_does_not_turn_time_back():
    clock = FakeClock(now=10.0)
    run(clock.sleep(-3.0))
    assert clock.monotonic() == 10.0


def test_advancing_backwards_is_refused_with_the_cure():
    with pytest.raises(ValueError, match="use step_wall"):
        FakeClock().advance(-1.0)


def test_a_step_of_the_wall_clock_leaves_monotonic_time_alone():
    clock = FakeClock(now=5.0)
    wall = clock.time()
    clock.step_wall(-3600.0)
    assert clock.monotonic() == 5.0
    assert clock.time() == wall - 3600.0
