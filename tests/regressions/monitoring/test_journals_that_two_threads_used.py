"""A second thread's events ended the page's look at the journal, and took lines from the log."""

import sys
import threading

import pytest

from koo.monitoring import Journal
from koo.monitoring.logs.throttle import Key, Throttle
from koo.resilience import StateChanged
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
