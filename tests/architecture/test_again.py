"""`tests/again.py` forgives what passes alone, and nothing else."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

TESTS = """
from pathlib import Path

import pytest

pytestmark = pytest.mark.{mark}


@pytest.mark.parametrize("number", range({tests}))
def test_it(number):
    runs = Path(f"runs-{{number}}")
    before = len(runs.read_text()) if runs.exists() else 0
    runs.write_text("x" * (before + 1))
    assert before not in {fails_in}
"""
FILES = ("test_some.py", "test_others.py")
OTHERS = """
from pathlib import Path


def test_another():
    Path("another").open("x").close()
"""
CONFIG = "[pytest]\nmarkers =\n    integration:\n    other:\naddopts = -p xdist.plugin\n"


@pytest.fixture
def again(root, tmp_path):
    """The end of a run of some tests that fail in the runs that are named, the first being 0."""

    def again(fails_in, *, tests=1, mark="integration"):
        (tmp_path / "pytest.ini").write_text(CONFIG)
        program = TESTS.format(mark=mark, tests=tests, fails_in=fails_in)
        (tmp_path / "test_some.py").write_text(program)
        (tmp_path / "test_others.py").write_text(OTHERS)
        told = [sys.executable, str(root / "tests/again.py"), "--numprocesses", "1", "--", *FILES]
        apart = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        apart["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        ended = subprocess.run(told, cwd=tmp_path, env=apart, capture_output=True, text=True)
        runs = len((tmp_path / "runs-0").read_text())
        return ended.returncode, runs, ended.stdout.count("passed only alone:")

    return again


def test_what_passes_at_once_is_run_once(again):
    assert again([]) == (0, 1, 0)


def test_what_passes_three_times_alone_is_named(again):
    assert again([0], tests=3) == (0, 4, 3)


def test_four_may_not(again):
    assert again([0], tests=4) == (1, 1, 0)


def test_what_fails_once_alone_has_failed(again):
    assert again([0, 3]) == (1, 4, 0)


def test_what_needs_no_real_clock_gets_no_second_run(again):
    assert again([0], mark="other") == (1, 1, 0)
