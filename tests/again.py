"""Runs the tests; the few that failed on the real clock, beside others, are run again alone.

usage: again.py OPTIONS -- FILES, both as pytest takes them

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
    """The exit status of pytest with *arguments*, by the rules above."""
    split = arguments.index("--")
    options, files = arguments[:split], arguments[split + 1 :]
    ended = _pytest("--cache-clear", *options, *files)
    failed = _failed()
    if ended != pytest.ExitCode.TESTS_FAILED or not 0 < len(failed) <= AT_MOST:
        return ended
    if not _need_the_real_clock(failed):
        return ended
    # The first run's share of the coverage stays.
    append = ["--cov-append"] if "--cov" in options else []
    for _ in range(TIMES):
        if ended := _pytest(*options, *append, "--numprocesses", "0", *failed):
            return ended
    for test in failed:
        print(f"passed only alone: {test}")
    return ended


def _pytest(*arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    return subprocess.run(command, check=False).returncode


def _need_the_real_clock(tests: list[str]) -> bool:
    others = _pytest("--collect-only", "-m", "not integration", *tests)
    return others == pytest.ExitCode.NO_TESTS_COLLECTED


def _failed() -> list[str]:
    return sorted(json.loads(FAILED.read_text())) if FAILED.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
