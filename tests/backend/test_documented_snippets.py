"""Every Python block of the platform's documentation, word for word, from backend/."""

import json
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TEXT = (HERE / "koo-documentation.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
ENV_BLOCKS = re.findall(r"^```env\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
#: What the blocks take for granted: a query, and two names that other blocks import.
BEFORE = """
from sqlalchemy import text
from core.database import db_manager
from core.exceptions import ExternalServiceError
query = text("SELECT 41 + 1")
"""
SIMULATED = """
import atexit, asyncio, threading
from koo.testing import Simulator
simulator = Simulator(port={port})
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
asyncio.run_coroutine_threadsafe(simulator.start(), loop).result()
"""
TITLES = {
    0: "sessions",
    1: "retries",
    2: "database health",
    3: "a query",
    4: "service health",
    5: "a reset",
}
#: What shows, after each block, that it did what the documentation says.
AFTER = {
    0: "assert result.scalar_one() == 42",
    1: "assert (await my_database_operation()).scalar_one() == 42",
    2: "assert health_status['healthy'] is True and metrics['healthy'] is True",
    3: "assert isinstance(response, str) and response",
    4: "assert health['state'] == 'healthy' and health['metrics']['success_rate'] is None",
    5: "assert success is True",
}


@pytest.fixture
def simulator(free_port):
    """The preamble that starts a provider beside the snippet, and the variables that lead to it."""
    address = f"http://127.0.0.1:{free_port}/claude"
    variables = {"ANTHROPIC_API_KEY": "test-key", "AI_CLAUDE_BASE_URL": address}
    return SIMULATED.format(port=free_port), variables


def test_the_documentation_has_the_blocks_that_are_tested():
    assert len(BLOCKS) == len(TITLES) == len(AFTER)
    assert len(ENV_BLOCKS) == 2


@pytest.mark.integration
@pytest.mark.parametrize("number", TITLES, ids=TITLES.get)
def test_a_block_runs_and_says_nothing(program, tmp_path, simulator, number):
    preamble, variables = simulator
    blocks = [preamble, BEFORE, BLOCKS[number], AFTER[number]]
    (tmp_path / "blocks.json").write_text(json.dumps(blocks))
    ran = program.run(HERE / "snippet_program.py", tmp_path / "blocks.json", **variables)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.integration
def test_all_blocks_run_as_one_program(program, tmp_path, simulator):
    preamble, variables = simulator
    (tmp_path / "blocks.json").write_text(json.dumps([preamble, BEFORE, *BLOCKS]))
    ran = program.run(HERE / "snippet_program.py", tmp_path / "blocks.json", **variables)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Database healthy: True" in ran.stdout
    assert "Service errors reset successfully" in ran.stdout


@pytest.mark.integration
def test_the_query_without_a_key_is_a_service_error_that_names_the_variable(program, tmp_path):
    (tmp_path / "blocks.json").write_text(json.dumps([BEFORE, BLOCKS[3]]))
    ran = program.run(HERE / "snippet_program.py", tmp_path / "blocks.json", ANTHROPIC_API_KEY="")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "Service error: claude: no API key; set ANTHROPIC_API_KEY\n"


@pytest.mark.integration
def test_the_documented_variables_are_the_defaults(program):
    """Started with the documentation's own env blocks, nothing differs from the defaults."""
    said = "from core.config import read_settings; print(read_settings().texts())"
    lines = "\n".join(ENV_BLOCKS).splitlines()
    given = dict(line.split("=") for line in lines if line and not line.startswith("#"))
    assert len(given) == 25
    as_documented = program.run("-c", said, **given)
    assert as_documented.returncode == 0
    assert as_documented.stdout == program.run("-c", said, **dict.fromkeys(given, "")).stdout
