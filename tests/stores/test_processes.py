"""Several real processes on one file, killed where it hurts and started again."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from koo.stores import SQLiteStore

from . import worker
from .tools import admitted, budget, cost, money, spent

WORKER = Path(worker.__file__)
PROCESSES = 3
SCENARIOS = 50


def start(place, ledger, last, seed):
    return subprocess.Popen([sys.executable, WORKER, place, ledger, str(last), str(seed)])


def billed(ledger):
    return [int(line) for line in ledger.read_text().split()] if ledger.exists() else []


def audit(place, ledger):
    """What the provider bills is within the limits, and no more than what is booked."""
    bills = billed(ledger)
    store = SQLiteStore(place)
    limiter, money_gate = worker.gates(store)
    try:
        stats, windows = money_gate.stats(), limiter.stats().windows
        booked = stats.spent_nanousd + stats.reserved_nanousd
        assert sum(bills) <= booked <= worker.BUDGET
        for window in windows:
            assert len(bills) <= window.used <= worker.REQUESTS
    finally:
        store.close()
    return bills, stats


@pytest.mark.integration
@pytest.mark.properties
@pytest.mark.timeout(0)
def test_whenever_processes_are_killed_the_budget_holds_and_nothing_is_forgotten(
    tmp_path, scale, seed
):
    """The provider's ledger is never above what is booked, and that never above the budget."""
    draw = random.Random(seed)
    killed = 0
    for number in range(round(SCENARIOS * scale)):
        folder = tmp_path / str(number)
        folder.mkdir()
        place, ledger = folder / "state.db", folder / "ledger"
        # Each dies at a step of its own; one more is started, and lives.
        lives = [draw.randint(1, 90) for _ in range(PROCESSES)]
        running = [start(place, ledger, last, draw.random()) for last in lives]
        for process in running:
            killed += process.wait(60) == -signal.SIGKILL
            audit(place, ledger)
        survivor = start(place, ledger, 0, draw.random())
        assert survivor.wait(60) == 0
        bills, stats = audit(place, ledger)
        # Nothing hangs on the dead: all is spent, down to less than one more call.
        assert stats.reserved_nanousd == 0
        assert stats.spent_nanousd > worker.BUDGET - worker.WORST
        assert bills
    assert killed >= SCENARIOS * scale


@pytest.mark.integration
def test_a_killed_process_is_missed_by_those_who_run_on(tmp_path):
    """Without any restart: the kernel has let go of its lock."""
    place, ready = tmp_path / "state.db", tmp_path / "ready"
    program = f"""
import os, signal
from koo.stores import SQLiteStore
from koo.resilience import Ask, DailyBudgetConfig
budget = SQLiteStore({str(place)!r}).budget("dep", DailyBudgetConfig(1000))
permit = budget.admit(Ask(nanousd=900))
open({str(ready)!r}, "w").close()
signal.pause()
"""
    store = SQLiteStore(place)
    gate = budget(store)
    admitted(gate, cost(1)).settle(spent(1))
    process = subprocess.Popen([sys.executable, "-c", program])
    while not ready.exists():
        assert process.poll() is None
        time.sleep(0.01)
    refusal = gate.admit(cost(500))
    assert refusal.line is gate
    assert money(gate) == (1, 900, 99)
    process.kill()
    process.wait()
    refusal = gate.admit(cost(500))
    assert refusal.line is None
    assert money(gate) == (901, 0, 99)
    store.close()


@pytest.mark.integration
def test_several_processes_at_once_spend_what_one_would(tmp_path):
    """Nobody dies: not a nano-dollar is lost between them, whoever comes first."""
    place, ledger = tmp_path / "state.db", tmp_path / "ledger"
    running = [start(place, ledger, 0, seed) for seed in range(PROCESSES)]
    assert [process.wait(60) for process in running] == [0] * PROCESSES
    bills, stats = audit(place, ledger)
    assert stats.reserved_nanousd == 0
    assert stats.spent_nanousd > worker.BUDGET - worker.WORST
    assert len(bills) > worker.BUDGET // worker.WORST


@pytest.mark.integration
def test_a_fork_leaves_its_parent_what_is_its_own(tmp_path):
    """The child has a connection and a name of its own, and debits nothing of its parent's."""
    store = SQLiteStore(tmp_path / "state.db")
    gate = budget(store)
    held = admitted(gate, cost(300))
    child = os.fork()
    if not child:
        held.settle(spent(300))
        own = gate.admit(cost(600))
        own.settle(spent(100))
        gate.admit(cost(50)).done = True
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert money(gate) == (100, 350, 550)
    gate.admit(cost(600))
    assert money(gate) == (150, 300, 550)
    held.settle(spent(200))
    assert money(gate) == (350, 0, 650)
    store.close()
