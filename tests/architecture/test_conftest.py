"""The guard over the tests themselves: whoever waits for real is found."""

import os
import re
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

CASES = """
import asyncio, gc, os, socket, threading, time
import pytest

os.environ.pop("KOO_SEED")

async def test_virtual_time_passes():
    await asyncio.sleep(3600)

def test_waking_a_loop_from_a_thread_passes():
    async def hop():
        await asyncio.to_thread(lambda: None)
    asyncio.run(hop())

@pytest.mark.integration
async def test_marked_passes():
    await asyncio.sleep(0.03)

def test_sleeping_fails():
    time.sleep(0.03)

def test_a_real_loop_fails():
    asyncio.run(asyncio.sleep(0.03))

async def test_a_coroutine_that_fails_fails():
    assert False

@pytest.mark.integration
def test_a_socket_left_to_the_collector_fails():
    left = [socket.socket()]
    left.append(left)

def test_who_collects_what_is_left_passes():
    gc.collect()

def test_the_soaks_seed_counts_although_it_is_taken_out_of_the_environment_passes(seed):
    assert seed == 2692353205
"""


def test_only_tests_that_own_their_time_pass(root, tmp_path):
    shutil.copy(root / "tests/conftest.py", tmp_path)
    shutil.copy(root / "pyproject.toml", tmp_path)
    (tmp_path / "test_cases.py").write_text(CASES)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "test_cases.py"],
        cwd=tmp_path,
        env=os.environ | {"KOO_SEED": "7"},
        capture_output=True,
        text=True,
    )
    judged = re.findall(r"^(PASSED|FAILED|ERROR) test_cases.py::(\w+)", ran.stdout, re.MULTILINE)
    passed = {name for verdict, name in judged if verdict == "PASSED"}
    stopped = {name for verdict, name in judged if verdict != "PASSED"}
    assert len(passed | stopped) == CASES.count("def test_"), ran.stdout
    assert stopped == {name for name in passed | stopped if name.endswith("fails")}, ran.stdout
