"""What the counterparts owe the machine: none outlives the program that started it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ..servers import program

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is not installed"),
]

HERE = Path(__file__).resolve().parents[1]
PROGRAM = """
import sys, time
from servers import MariadbServer, Pgbouncer
with {server} as server:
    print(server._process.pid, flush=True)
    time.sleep(100)
"""


@pytest.fixture
def folder():
    """A temporary folder that whoever a server becomes can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield folder


@pytest.mark.parametrize(
    ("name", "server"), [("mariadbd", "MariadbServer()"), ("pgbouncer", "Pgbouncer(1)")]
)
def test_a_parent_killed_with_9_leaves_no_server_behind(name, server, folder):
    program(name)
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(server=server)],
        cwd=HERE,
        env=os.environ | {"TMPDIR": folder},
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        pid = int(child.stdout.readline())
        child.kill()
    end = time.monotonic() + 30
    while (is_there := _runs(pid)) and time.monotonic() < end:
        time.sleep(0.05)
    if is_there:
        os.kill(pid, signal.SIGKILL)
    assert not is_there, "it has outlived its parent"


def _runs(pid):
    """Whether the process is there; what is dead and not yet buried has no files any more."""
    return Path(f"/proc/{pid}/cwd").exists()
