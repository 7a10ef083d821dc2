"""README and docs/ keep their word: every block of code runs, every link leads somewhere.

Python blocks of one page run as one program, in order, `await` allowed, in a process of their own
with a fresh SQLite database and the provider simulator behind all four services (see
`page_program.py`). Lines after `$` in console blocks run too: against the application if they
call it, by their `--help` if they would not end. What shall not run is a `text` block.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from koo.testing import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
PAGES = [page for page in PAGES if page.exists()]
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
RUN = {"python", "console"}
SHOWN = {"text", "ini", "json", "sql", "toml", "yaml", "html", "http", "nginx"}
# Scripts that do not end by themselves, or that run this very test.
NEVER_ENDING = {"scripts/demo", "scripts/serve"}
NOT_RUN_HERE = {"scripts/test", "scripts/soak", "scripts/mutation", "scripts/bench", "scripts/pin"}
DOCUMENTED_ADDRESS = "http://127.0.0.1:8000"
TOKEN = "operate-token-of-the-test"


def _name(page):
    return str(page.relative_to(ROOT))


def _blocks(page):
    """Each fenced block as (language, line number, code)."""
    text = page.read_text()
    for found in FENCE.finditer(text):
        indent, language, code = found.groups()
        line = text.count("\n", 0, found.start()) + 2
        yield language.strip(), line, re.sub(f"^{indent}", "", code, flags=re.MULTILINE)


def _pages_with(language):
    return [page for page in PAGES if any(block[0] == language for block in _blocks(page))]


def _commands(page):
    for language, line, code in _blocks(page):
        if language == "console":
            joined = code.replace("\\\n", " ")
            for text in re.findall(r"^\$ (.*)$", joined, re.MULTILINE):
                yield line, text


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_block_says_what_it_is(page):
    unknown = [
        f"{_name(page)}:{line}: {language or 'no language'}"
        for language, line, _ in _blocks(page)
        if language not in RUN | SHOWN
    ]
    assert not unknown


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_fence_is_closed(page):
    fences = re.findall(r"^ *```", page.read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(list(_blocks(page)))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page):
    dead = []
    for target, anchor in LINK.findall(page.read_text()):
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            dead.append(f"{target}#{anchor}" if anchor else target)
    assert not dead


def _anchors(page):
    headings = re.findall(r"^#+ +(.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.integration
@pytest.mark.parametrize("page", _pages_with("python"), ids=_name)
def test_the_python_of_a_page_runs(page, tmp_path):
    program = [
        {"file": _name(page), "line": line, "code": code}
        for language, line, code in _blocks(page)
        if language == "python"
    ]
    (tmp_path / "page.json").write_text(json.dumps(program))
    ran = subprocess.run(
        [sys.executable, "-W", "error", Path(__file__).with_name("page_program.py"), "page.json"],
        cwd=tmp_path,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert ran.returncode == 0, ran.stderr


def _environment(folder):
    """As a user's who has just cloned: nothing set but what every shell sets."""
    return {
        "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT / "backend"),
        "DATABASE_URL": f"sqlite:///{folder / 'docs.db'}",
        "STATE_URL": f"sqlite:///{folder / 'state.db'}",
    }


@pytest.mark.integration
@pytest.mark.parametrize("page", _pages_with("console"), ids=_name)
def test_the_commands_of_a_page_run(page, tmp_path):
    plain, calls = [], []
    for line, command in _commands(page):
        (calls if DOCUMENTED_ADDRESS in command else plain).append((line, command))
    for line, command in plain:
        _try(page, line, command, tmp_path)
    if calls:
        with _application(tmp_path) as address:
            for line, command in calls:
                _try(page, line, command.replace(DOCUMENTED_ADDRESS, address), tmp_path)


def _try(page, line, command, folder):
    if command.startswith("git clone"):
        return
    program, *arguments = shlex.split(command)
    if program.startswith("scripts/"):
        assert os.access(ROOT / program, os.X_OK), f"{_name(page)}:{line}: no {program}"
    if program in NOT_RUN_HERE:
        return
    if program in NEVER_ENDING:
        _try_options(page, line, program, arguments)
        return
    ran = subprocess.run(
        ["sh", "-ec", command],
        cwd=ROOT,
        env=_environment(folder) | {"KOO_OPERATE_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert ran.returncode == 0, f"{_name(page)}:{line}: {command}\n{ran.stdout}{ran.stderr}"


def _try_options(page, line, program, arguments):
    usage = subprocess.run([ROOT / program, "--help"], capture_output=True, text=True, check=True)
    for option in arguments:
        if option.startswith("--"):
            assert option in usage.stdout, f"{_name(page)}:{line}: {program} has no {option}"


@contextmanager
def _application(folder):
    """The application on a port of its own, as `scripts/serve` starts it."""
    port = free_port()
    tokens = {"KOO_OPERATE_TOKEN": TOKEN, "SHUTDOWN_GRACE": "1"}
    server = subprocess.Popen(
        [sys.executable, "-m", "api", "--port", str(port)],
        cwd=ROOT,
        env=_environment(folder) | tokens,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(f"{address}/livez")
        yield address
    finally:
        server.terminate()
        server.wait(60)


def _wait_until_it_answers(address):
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
