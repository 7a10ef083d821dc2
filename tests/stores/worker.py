"""A process that spends from a store, and may be killed at any step; for the tests alone.

    worker.py FILE LEDGER STEP SEED     STEP 0: never killed

One call after the other is admitted, sent and settled. "Sent" means a line in the ledger, which
is what the provider would bill. The process kills itself (SIGKILL) at its STEP-th step; the steps
are the statements of its transactions, before and after, and the sending.
"""

import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

from koo.errors import StoreUnavailable
from koo.resilience import Ask, DailyBudgetConfig, Limit, Permit, RateLimiterConfig, Spent, Success
from koo.stores import SQLiteStore, file

DAY = 86400.0
BUDGET = 40_000
WORST = 2500
REQUESTS = 400
#: The time for which a file is left alone after a failure.
REST = 0.25


class Fate:
    """Counts the steps, and ends the process at one of them."""

    def __init__(self, last):
        self.left = last

    def step(self):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Cursor(sqlite3.Cursor):
    """A cursor that may not survive its statements."""

    fate: Fate

    def execute(self, *arguments):
        self.fate.step()
        answer = super().execute(*arguments)
        self.fate.step()
        return answer


class Connection(sqlite3.Connection):
    """A connection of such cursors."""

    def cursor(self):
        return super().cursor(Cursor)

    def execute(self, *arguments):
        return self.cursor().execute(*arguments)


def mortal(connect):
    """*connect*, with connections that may not survive."""
    return lambda path, **settings: connect(path, factory=Connection, **settings)


def gates(store):
    limits = RateLimiterConfig((Limit(REQUESTS, DAY), Limit(REQUESTS, 3600.0)))
    return store.limiter_and_budget("dep", limits, DailyBudgetConfig(BUDGET))


def work(path, ledger, last, seed):
    """Spend until the budget refuses for the day, or only others hold what is left."""
    fate = Cursor.fate = Fate(last)
    file.sqlite3.connect = mortal(sqlite3.connect)
    draw = random.Random(seed)
    limiter, budget = gates(SQLiteStore(path))
    refusals = 0
    with Path(ledger).open("ab", buffering=0) as bills:
        while refusals < 50:
            cost = draw.randint(0, WORST)
            permits = []
            for gate in (limiter, budget):
                answer = gate.admit(Ask(nanousd=WORST))
                if not isinstance(answer, Permit):
                    break
                permits.append(answer)
            if len(permits) < 2:
                refusals += 1
                for permit in permits:
                    permit.cancel()
                if answer.line is None and "too little" in str(answer):
                    return
                # Who holds the lock may stand still for longer than a call waits, and then the
                # file rests: what is refused meanwhile is one refusal.
                time.sleep(REST if isinstance(answer, StoreUnavailable) else 0.01)
                continue
            fate.step()
            bills.write(b"%d\n" % cost)
            fate.step()
            spent = draw.choice([Spent(nanousd=cost), Spent(nanousd=cost), None])
            for permit in permits:
                permit.settle(Success(spent=spent))


if __name__ == "__main__":
    path, ledger, last, seed = sys.argv[1:]
    work(path, ledger, int(last), seed)
