"""`scripts/demo`: the whole system on real parts, through an outage, to a clean end."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
#: How long anything may take (seconds).
PATIENCE = 60


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    """A copy of the application, which keeps its data beside itself."""
    copy = tmp_path_factory.mktemp("clone") / "backend"
    return shutil.copytree(ROOT / "backend", copy, ignore=shutil.ignore_patterns("__py*"))


@pytest.fixture
def demo(backend):
    """Starts demos, and ends those that are left."""
    started = []

    def start(*arguments):
        started.append(Demo(backend, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.kill()


class Demo:
    """A running demo and what it has said so far."""

    def __init__(self, backend, *arguments):
        self.began = time.monotonic()
        self.said = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "demo", "--port", "0", *arguments],
            cwd=backend,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ANTHROPIC_API_KEY": "mine"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_for(self, pattern):
        """The first match in what it says."""
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.said)):
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} in:\n{self.said}"
            if select.select([self._process.stdout], [], [], left)[0]:
                chunk = os.read(self._process.stdout.fileno(), 65536).decode()
                assert chunk or re.search(pattern, self.said), f"it ended:\n{self.said}"
                self.said += chunk
        return found

    def interrupt(self):
        """Ctrl-C in its terminal; how long it took to end, and its exit code."""
        began = time.monotonic()
        self.press()
        return self.end(began)

    def press(self):
        """Ctrl-C alone; nothing if it has ended already."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)

    def end(self, began, seconds=90):
        code = self._process.wait(seconds)
        took = time.monotonic() - began
        self.said += self._process.stdout.read().decode()
        return took, code

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def folder(self):
        """Where its PostgreSQL keeps the data."""
        return re.search(r"data in (\S+)", self.said)[1]

    def left_behind(self):
        """The processes that still serve its data."""
        found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        return [line for line in found.stdout.splitlines() if self.folder in line]


def get(address):
    with urllib.request.urlopen(address, timeout=30) as answer:
        return json.loads(answer.read())


def database_of(address):
    dashboard = get(f"{address}/api/v1/monitoring/dashboard")
    return dashboard["database"]["health"]["state"]


def wait_until(holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_it_stops_by_itself_with_a_summary(demo):
    run = demo("--seconds", "5")
    took, code = run.end(run.began)
    assert code == 0
    assert took < 60
    assert "Traceback" not in run.said
    assert "DB_CIRCUIT_BREAKER_RECOVERY_TIMEOUT=5 SHUTDOWN_GRACE=1" in run.said
    summary = run.said.partition("summary")[2]
    for name in ("database", "claude", "openai", "gemini", "perplexity"):
        assert re.search(rf"^  {name} +\w+", summary, re.MULTILINE)
    assert re.search(r"[1-9]\d* of \d+ calls answered", summary)
    assert not run.left_behind()


def test_two_can_run_at_the_same_time(demo):
    first, second = demo(), demo()
    for run in (first, second):
        run.wait_for(r"the page: (\S+)")
    assert first.folder != second.folder
    for run in (first, second):
        assert run.interrupt()[1] == 0
        assert not run.left_behind()


def test_an_impatient_visitor_gets_the_same_clean_end(demo):
    run = demo()
    run.wait_for("Ctrl-C ends everything")
    began = time.monotonic()
    for _ in range(3):
        run.press()
        time.sleep(0.05)
    took, code = run.end(began)
    assert (code, took < 20) == (0, True)
    assert run.said.endswith("stopped; no process is left behind\n")
    assert "Traceback" not in run.said
    assert not run.left_behind()


def test_a_killed_server_is_seen_started_again_and_healthy_by_itself(demo):
    run = demo()
    address = run.wait_for(r"the page: (\S+)")[1]
    pid, port = run.wait_for(r"PostgreSQL +process (\d+), port (\d+)").groups()
    wait_until(lambda: database_of(address) == "healthy")
    time.sleep(1)

    os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: database_of(address) == "circuit_open")
    alerts = get(f"{address}/api/v1/monitoring/alerts")
    assert alerts["alerts"][0]["component"] == "database"
    assert alerts["alerts"][0]["severity"] == "critical"

    run.wait_for(rf"is back on port {port}")
    wait_until(lambda: database_of(address) == "healthy")

    stream = urllib.request.urlopen(f"{address}/api/v1/monitoring/stream", timeout=30)
    assert stream.readline()
    took, code = run.interrupt()
    stream.close()
    assert (code, took < 20) == (0, True)
    assert not run.left_behind()
    assert "Traceback" not in run.said
