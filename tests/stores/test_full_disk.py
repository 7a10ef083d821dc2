"""A disk that is really full: a file system of 300 kB, in a name space of its own."""

import json
import shutil
import subprocess
import sys

import pytest

PROGRAM = """
import json, pathlib, time
from koo.resilience import (
    Ask, DailyBudgetConfig, Limit, Permit, RateLimiterConfig, Spent, Success
)
from koo.stores import SQLiteStore

folder = pathlib.Path("/mnt")
ballast = folder / "ballast"
ballast.write_bytes(bytes(100_000))
limits = RateLimiterConfig((Limit(10**9, 60.0, "tokens"),))
limiter, budget = SQLiteStore(folder / "state.db").limiter_and_budget(
    "dep", limits, DailyBudgetConfig(10**9)
)
ask, spent = Ask(tokens=5, nanousd=5), Success(Spent(tokens=3, nanousd=3))

def call():
    permit = limiter.admit(ask)
    if not isinstance(permit, Permit):
        return str(permit)
    for each in (permit, budget.admit(ask)):
        each.settle(spent)
    return None

calls = 0
while (refusal := call()) is None:
    calls += 1
ballast.unlink()
time.sleep(0.3)
again = call()
stats = budget.stats()
used = limiter.stats().windows[0].used
print(json.dumps([calls, refusal, again, stats.spent_nanousd, stats.reserved_nanousd, used]))
"""


def in_name_space(*command):
    mounted = 'mount -t tmpfs -o size=300k tmpfs /mnt && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted, "sh", *command]


@pytest.mark.integration
def test_a_full_disk_refuses_and_loses_nothing_and_room_makes_it_admit_again():
    if not shutil.which("unshare") or subprocess.run(in_name_space("true")).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own")
    ran = subprocess.run(
        in_name_space(sys.executable, "-c", PROGRAM), capture_output=True, text=True, check=True
    )
    calls, refusal, again, spent, reserved, used = json.loads(ran.stdout)
    assert calls > 20
    assert "(the disk of state.db is full, make room)" in refusal
    assert again is None
    assert (spent, reserved) == (3 * (calls + 1), 0)
    assert used == spent
