"""What the tests of the stores say in one word."""

import sqlite3
from contextlib import closing

from koo.resilience import Ask, DailyBudgetConfig, Limit, Permit, RateLimiterConfig, Spent, Success

MINUTE, HOUR = 60.0, 3600.0
#: The time for which a file is left alone after a failure.
REST = 0.25


def cost(nanousd):
    return Ask(nanousd=nanousd)


def spent(nanousd):
    return Success(spent=Spent(nanousd=nanousd))


def budget(store, limit=1000, name="dep"):
    return store.budget(name, DailyBudgetConfig(limit))


def limiter(store, *limits, name="dep", **config):
    return store.limiter(name, RateLimiterConfig(limits or (Limit(10, MINUTE),), **config))


def money(gate):
    stats = gate.stats()
    return stats.spent_nanousd, stats.reserved_nanousd, stats.remaining_nanousd


def used(gate):
    return [window.used for window in gate.stats().windows]


def admitted(gate, ask) -> Permit:
    """The permit that *gate* must give."""
    answer = gate.admit(ask)
    assert isinstance(answer, Permit), f"refused: {answer}"
    return answer


def refused(gate, ask):
    """The refusal that *gate* must give."""
    answer = gate.admit(ask)
    assert not isinstance(answer, Permit)
    return answer


def rows(place, sql="SELECT * FROM states ORDER BY name"):
    """What is in the file."""
    with closing(sqlite3.connect(place)) as connection:
        return connection.execute(sql).fetchall()


def change(place, *statements):
    """Do something to the file from outside."""
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


class Here:
    """The home of whoever waits without a loop: this thread, for ever."""

    is_elsewhere = is_gone = False


class Visitor:
    """Someone in line, without a loop: takes what it is given and remembers it."""

    home = Here()

    def __init__(self, ask, *, gone=False):
        self.ask = ask
        self.arrived = 0.0
        self.gone = gone
        self.permit = self.refusal = self.due = None

    def grant(self, permit):
        self.permit = None if self.gone else permit
        return not self.gone

    def refuse(self, rejection):
        self.refusal = rejection

    def can_wait(self, seconds):
        return True

    def serve_in(self, seconds, gate):
        self.due = seconds


def queue(gate, *asks):
    """Visitors with these asks, in line in this order."""
    visitors = [Visitor(ask) for ask in asks]
    for visitor in visitors:
        assert gate.join(visitor) is None
    return visitors


def fill(store):
    """Let the file grow no more, as on a disk that is full."""
    connection = store._file._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    return connection
