"""A second thread's events ended the page's look at the journal, and took lines from the log.

So did what the collector settles while somebody looks, and an event ended the scrape.
"""

import contextlib
import gc
import itertools
import sys
import threading

import pytest

from koo.monitoring import Journal
from koo.monitoring.logs.throttle import Key, Throttle
from koo.monitoring.metrics.counts import EventCounts
from koo.resilience import HealthChecked, StateChanged
from koo.testing import FakeClock

TIMES = 3000


@pytest.fixture
def _hasty():
    """Threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def beside(*works):
    """Do each of *works* in a thread of its own; what they raised."""
    raised = []

    def work_of(work):
        try:
            for number in range(TIMES):
                work(number)
        except (RuntimeError, KeyError) as error:
            raised.append(error)

    threads = [threading.Thread(target=work_of, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.usefixtures("_hasty")
def test_reading_the_journal_while_another_thread_writes():
    journal = Journal(kept=50, clock=FakeClock())
    event = StateChanged("database", "closed", "open", "down")
    looks = (lambda _: journal.read(), lambda _: journal.read(journal.read().cursor))
    assert beside(lambda _: journal.record(event), lambda _: journal.record(event), *looks) == []
    numbers = [entry.number for entry in journal.entries()]
    assert numbers == list(range(2 * TIMES, 2 * TIMES - 50, -1))


@pytest.mark.usefixtures("_hasty")
def test_a_throttle_that_two_threads_ask():
    throttle = Throttle(1, 5.0)

    def ask(number):
        throttle.passes(Key(f"c{number % 1500}", "e", 1), float(number))
        list(throttle.held_back(float(number)))

    assert beside(ask, ask, ask) == []


@pytest.mark.usefixtures("_hasty")
def test_a_scrape_while_another_thread_counts():
    counts = EventCounts(most=2 * TIMES)

    def count(number):
        counts.record(HealthChecked(f"c{number}", ok=True, error=None, seconds=0.0))

    assert beside(count, lambda number: number % 30 or list(counts.families())) == []
    assert sum(len(family.points) for family in counts.families()) == TIMES


@contextlib.contextmanager
def collecting(tell):
    """The collector comes as often as it can, and each time something tells of it."""

    def told(phase, _):
        if phase == "start":
            tell()

    before = gc.get_threshold()
    gc.callbacks.append(told)
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(told)


def test_the_collector_tells_something_while_the_journal_is_read():
    journal = Journal(kept=50, clock=FakeClock())
    event = StateChanged("database", "closed", "open", "down")
    for _ in range(50):
        journal.record(event)
    with collecting(lambda: journal.record(event)):
        for _ in range(100):
            assert len(journal.read(journal.read().cursor).entries) <= 50
    assert journal.entries(1)[0].number > 50


def test_the_collector_lets_something_be_logged_while_a_throttle_looks():
    throttle, numbers = Throttle(1, 5.0), itertools.count()

    def ask():
        throttle.passes(Key(f"c{next(numbers)}", "e", 1), 0.0)

    for _ in range(1000):
        ask()
    with collecting(ask):
        for _ in range(100):
            assert list(throttle.held_back(1.0)) == []
            ask()
    assert next(numbers) > 1100
