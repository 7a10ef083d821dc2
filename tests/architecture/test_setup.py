"""`scripts/setup` on machines that lack something: one sentence, never a traceback."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.integration

NEEDED = ("scripts/setup", "pyproject.toml", "requirements.txt", "requirements-bootstrap.txt")


@pytest.fixture
def copy(root, tmp_path):
    """A copy of what setup reads, and of nothing else."""
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(root / name, tmp_path / name)
    return tmp_path


def _python(folder, answers):
    """A python3 that answers as told by a shell `case`."""
    fake = folder / "python-of-the-test"
    fake.write_text(f'#!/bin/sh\ncase "$*" in {answers} esac\n')
    fake.chmod(0o755)
    return fake


def _setup(folder, python, **kwargs):
    return subprocess.run(
        [folder / "scripts/setup"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHON": str(python)},
        capture_output=True,
        text=True,
        **kwargs,
    )


def _sentence(ran):
    assert ran.returncode == 1
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    return line


def test_an_old_python_is_told_its_version(copy):
    old = _python(copy, '*version_info*) exit 1;; -V) echo "Python 3.10.1";;')
    said = _sentence(_setup(copy, old))
    assert said.startswith("setup: Python 3.11 or newer is needed")
    assert "Python 3.10.1" in said


def test_a_python_without_venv_is_told_what_to_install(copy):
    bare = _python(copy, "*ensurepip*) exit 1;;")
    assert "apt-get install python3-venv" in _sentence(_setup(copy, bare))


def test_a_missing_python_is_named(copy):
    assert "python-that-is-not" in _sentence(_setup(copy, "python-that-is-not"))


def test_interrupted_it_ends_at_once_in_one_sentence_and_leaves_nothing_outside(
    copy, tmp_path_factory
):
    """As by Ctrl-C, which reaches every process of the terminal, in the middle of `venv`."""
    outside = tmp_path_factory.mktemp("outside")
    process = subprocess.Popen(
        # Whoever runs this test in the background ignores the signal, and a shell can't trap that.
        ["env", "--default-signal=INT", copy / "scripts/setup"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(outside),
            "TMPDIR": str(outside),
            "PYTHON": sys.executable,
        },
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr.readline() == "setup: installing into .venv\n"
    time.sleep(0.5)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert said == "setup: interrupted; the next run goes on\n"
    assert time.monotonic() - began < 20
    assert process.returncode in {130, -signal.SIGINT}
    assert not (copy / ".venv/.stamp").exists()
    assert list(outside.iterdir()) == []


def test_what_is_already_set_up_is_left_alone(root):
    """Run twice on the real tree: the second says nothing and changes nothing."""
    stamp = root / ".venv/.stamp"
    if not stamp.exists():
        pytest.skip("this environment was not made by scripts/setup")
    before = stamp.stat().st_mtime_ns
    ran = subprocess.run([root / "scripts/setup"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert stamp.stat().st_mtime_ns == before
