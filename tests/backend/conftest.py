"""The application with settings of its own: nobody's `.env`, nobody's database, nobody's keys."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from core.config import ROOT, isolate
from koo.testing import free_port as draw_port

FOLDER = Path(tempfile.mkdtemp(prefix="koo-backend-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
# Before anything imports the singletons, which are built from the settings.
isolate(
    {
        "DATABASE_URL": f"sqlite:///{FOLDER / 'koo.db'}",
        "STATE_URL": f"sqlite:///{FOLDER / 'state.db'}",
    }
)


@pytest.fixture
def variables(monkeypatch):
    """A setter of variables, in an environment that has none of ours; undone after the test."""
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("STATE_URL")

    def set_all(**values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_all


class Program:
    """A Python program beside a fresh copy of the application: no `.env`, its own `var/`."""

    def __init__(self, folder):
        self.backend = folder / "clone/backend"
        shutil.copytree(ROOT / "backend", self.backend, ignore=shutil.ignore_patterns("__py*"))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DATABASE_URL": f"sqlite:///{folder / 'koo.db'}",
            "PYTHONWARNINGS": "error",
        }

    def command(self, *arguments):
        return [sys.executable, *map(str, arguments)]

    def run(self, *arguments, cwd=None, timeout=120, **variables):
        """Run to its end; what it said and how it ended."""
        return subprocess.run(
            self.command(*arguments),
            cwd=cwd or self.backend,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def start(self, *arguments, **variables):
        """Start; standard output and errors are pipes."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.backend,
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


@pytest.fixture
def free_port():
    """A port of this machine that nobody has now."""
    return draw_port()
