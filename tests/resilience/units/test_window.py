"""The window of a breaker against an exact log."""

import random
import tracemalloc

import pytest

from koo.resilience import OutcomeWindow, Tally, WindowConfig

STEP = 300 / 20


def filled(config=None, **when):
    window = OutcomeWindow(config or WindowConfig())
    for kind, times in when.items():
        for at in times:
            getattr(window, f"add_{kind}")(at)
    return window


@pytest.mark.parametrize("config", [WindowConfig(), WindowConfig(span=0)])
def test_an_empty_window_holds_nothing(config):
    assert filled(config).tally(1000) == Tally(0, 0, 0)


def test_a_success_begins_no_streak():
    assert filled(success=[1.0]).streak == 0


def test_what_is_as_old_as_the_span_still_counts():
    window = filled(WindowConfig(size=0, span=10.0), success=[0.5])
    assert window.tally(10.5) == Tally(1, 0, 0)
    assert window.tally(11.0) == Tally(0, 0, 0)


def test_exactly_the_last_hundred_count():
    window = OutcomeWindow(WindowConfig())
    now = 0.0
    for number in range(1000):
        now += 0.5
        window.add_failure(now) if number % 10 == 0 else window.add_success(now)
    assert window.tally(now) == Tally(100, 10, 0)


def test_the_latest_outcomes_are_told_in_their_order():
    window = filled(success=[1.0, 2.0], failure=[3.0])
    assert window.latest(9) == (True, True, False)
    window.add_success(4.0)
    assert window.latest(2) == (False, True)
    assert window.latest(0) == ()


def test_twenty_of_the_latest_outcomes_are_told_however_small_the_window():
    for size in (0, 2, 100):
        window = filled(WindowConfig(size=size), failure=[1.0, 2.0], success=[3.0])
        for number in range(300):
            window.add_failure(4.0 + number)
        assert window.latest(3) == (False,) * 3
        assert window.latest(99) == (False,) * 20


def test_a_burst_that_is_over_does_not_stretch_the_window():
    """More than a hundred in a second, then silence: the last hundred count again."""
    window = filled(success=[1.0 + number / 1000 for number in range(500)])
    window.add_failure(50.0)
    assert window.tally(50.0) == Tally(100, 1, 0)


@pytest.mark.parametrize("gap", [STEP + 0.01, 100, 250, 299, 301, 1000])
def test_nothing_is_older_than_the_age_and_a_step_however_rare_outcomes_are(gap):
    window, times = OutcomeWindow(WindowConfig()), []
    for number in range(30):
        times.append(number * gap)
        window.add_failure(times[-1])
        now = times[-1]
        young = sum(at > now - 300 for at in times)
        not_old = sum(at >= now - 300 - STEP for at in times)
        assert young <= window.tally(now).failures <= not_old


def test_with_regular_calls_the_edges_do_not_lose_the_past():
    """Ten buckets of a tenth are a second, whatever the float says."""
    window, now = OutcomeWindow(WindowConfig(size=0, span=1.0, age=1.0)), 0.0
    for _ in range(2000):
        window.add_success(now)
        assert window.tally(now).outcomes <= 12
        now += 0.1


def test_slow_calls_are_counted_with_their_own_outcome():
    window = OutcomeWindow(WindowConfig())
    for number in range(200):
        window.add_success(float(number))
        if number % 4 == 0:
            window.note_slow(float(number))
    assert window.tally(199.0) == Tally(100, 0, 25)


def test_looking_changes_nothing():
    window = filled(failure=[1.0, 2.0])
    assert window.tally(1e6) == Tally(0, 0, 0)
    assert window.tally(2.0) == Tally(2, 2, 0)


def test_a_cleared_window_is_empty():
    window = filled(failure=[1.0, 2.0])
    window.clear()
    assert window.tally(2.0) == Tally(0, 0, 0)
    assert (window.streak, window.outcomes) == (0, 0)


@pytest.mark.no_cover
def test_the_memory_of_a_busy_window_is_bounded():
    """The least of three readings: other threads take memory, too."""
    assert min(_growth_of(OutcomeWindow(WindowConfig())) for _ in range(3)) < 1_000


def _growth_of(window):
    tracemalloc.start()
    try:
        _keep_busy(window, 0.0, 20_000)
        before, _ = tracemalloc.get_traced_memory()
        _keep_busy(window, 20.0, 80_000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


def _keep_busy(window, start, number):
    for step in range(number):
        now = start + step / 1000
        window.add_failure(now) if step % 3 else window.add_success(now)
        window.note_slow(now)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "config",
    [
        WindowConfig(),
        WindowConfig(size=0, span=10, age=10),
        WindowConfig(size=10, span=0),
        WindowConfig(size=20, span=5, age=30),
    ],
    ids=["default", "time", "count", "both"],
)
def test_the_window_is_the_exact_log_to_one_bucket(config, seed):
    draw, now, log = random.Random(seed), 0.0, []
    window = OutcomeWindow(config)
    for _ in range(4000):
        now += draw.choice([0.0, 0.0, 0.001, 0.05, 0.3, 4.0, 50.0]) * draw.random()
        failed, slow = draw.random() < 0.4, draw.random() < 0.2
        window.add_failure(now) if failed else window.add_success(now)
        if slow:
            window.note_slow(now)
        log.append((now, failed, slow))
        del log[:-3000]
        tally = window.tally(now)
        least, most = _exact(log, config, now, 0), _exact(log, config, now, 1)
        assert least[0] <= tally.outcomes <= most[0]
        assert least[1] <= tally.failures <= most[1]
        assert least[2] <= tally.slow <= most[2]


def _exact(log, config, now, buckets):
    """What the window must hold, with *buckets* buckets of grace."""
    age = now - config.age - buckets * config.age / 20
    span = now - config.span - buckets * config.span / 10
    young = [entry for entry in log if entry[0] >= age]
    by_count = young[len(young) - min(config.size, len(young)) :]
    by_time = [entry for entry in log if entry[0] >= span] if config.span else []
    kept = max(by_count, by_time, key=len)
    return len(kept), sum(entry[1] for entry in kept), sum(entry[2] for entry in kept)
