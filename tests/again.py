"""Runs pytest; the few that failed on the real clock, beside others, are run again alone.

    passed ------------------------------------------------------------> 0
    failed --> three or fewer, all marked integration --no--> 1
                        |
                   three times, alone --one fails--> 1
                        |
                        +--> 0, and the last lines name them

A test with real servers may miss its deadline on a machine that stands still. What is broken
fails alone, too. What passes only alone is named, since it may be a race and wants a look.
CPython's own tests are run again for the same reason (`python -m test --rerun`).
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FAILED = Path(".pytest_cache/v/cache/lastfailed")
AT_MOST = 3
TIMES = 3


def main(arguments: list[str]) -> int:
    """The exit status of `pytest *arguments*`, by the rules above."""
    ended = _pytest("--cache-clear", *arguments)
    failed = _failed()
    if ended != pytest.ExitCode.TESTS_FAILED or not 0 < len(failed) <= AT_MOST:
        return ended
    if (
        _pytest("--collect-only", "-m", "not integration", *failed)
        != pytest.ExitCode.NO_TESTS_COLLECTED
    ):
        return ended
    # The first run's share of the coverage stays.
    append = ["--cov-append"] if "--cov" in arguments else []
    for _ in range(TIMES):
        if ended := _pytest(*arguments, *append, "--numprocesses", "0", *failed):
            return ended
    for test in failed:
        print(f"passed only alone: {test}")
    return ended


def _pytest(*arguments: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments], check=False
    ).returncode


def _failed() -> list[str]:
    return sorted(json.loads(FAILED.read_text())) if FAILED.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
