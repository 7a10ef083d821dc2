"""The documented functions in plain scripts: several event loops, no hang, no line on stderr."""

import time

import pytest

pytestmark = pytest.mark.integration

WORK = """
from sqlalchemy import text
from core.database import check_database_health, db_manager, transactional_with_retry

@transactional_with_retry()
async def keep(session, number):
    await session.execute(text("CREATE TABLE IF NOT EXISTS kept (number int)"))
    await session.execute(text("INSERT INTO kept VALUES (:number)"), {"number": number})

async def work(number):
    await keep(number)
    async with db_manager.session_scope() as session:
        rows = (await session.execute(text("SELECT count(*) FROM kept"))).scalar_one()
    return rows, (await check_database_health())["healthy"]
"""
IMPORTS = """
from core.config import get_settings
from core.exceptions import ExternalServiceError as first
from core.database import db_manager, transactional_with_retry, check_database_health
from core.ai_error_handling import ai_error_handler, ExternalServiceError as second
from services.hybrid_ai_manager import query_ai, get_ai_service_health, reset_ai_service_errors
from services.hybrid_ai_manager import hybrid_ai_manager, ExternalServiceError as third
from api.monitoring import get_system_health
assert first is second is third
"""


def test_every_documented_name_is_where_the_documentation_says(program):
    ran = program.run("-c", IMPORTS)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_singletons_survive_one_event_loop_after_another(program):
    code = f"{WORK}\nimport asyncio\nfor n in range(3): print(asyncio.run(work(n)))"
    ran = program.run("-c", code)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "(1, True)\n(2, True)\n(3, True)\n"


def test_a_script_ends_as_soon_as_its_work_is_done(program):
    code = f"{WORK}\nimport asyncio, time\nasyncio.run(work(1)); print(time.time())"
    ran = program.run("-c", code)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert time.time() - float(ran.stdout) < 20


def test_a_script_with_background_checks_ends_without_saying_goodbye(program):
    code = f"""{WORK}
import asyncio
from services.hybrid_ai_manager import hybrid_ai_manager
async def main():
    db_manager.start()
    hybrid_ai_manager.start()
    await work(1)
asyncio.run(main())
asyncio.run(main())
"""
    ran = program.run("-c", code)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_queries_work_on_one_event_loop_after_another(program, free_port):
    code = f"""
import asyncio
from koo.testing import Simulator
from services.hybrid_ai_manager import query_ai
from api.monitoring import get_system_health
async def main():
    async with Simulator(port={free_port}):
        assert await query_ai("openai", "Your prompt here")
        return (await get_system_health())["overall_health"]
for _ in range(3): print(asyncio.run(main()))
"""
    address = f"http://127.0.0.1:{free_port}/openai/v1"
    ran = program.run("-c", code, OPENAI_API_KEY="test-key", AI_OPENAI_BASE_URL=address)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "healthy\n" * 3


def test_a_script_can_stop_in_the_middle_of_its_work(program):
    code = f"""{WORK}
import asyncio
async def main():
    async with db_manager.session_scope() as session:
        await session.execute(text("SELECT 1"))
        raise SystemExit(7)
asyncio.run(main())
"""
    ran = program.run("-c", code)
    assert (ran.returncode, ran.stderr) == (7, "")


def test_outside_of_a_loop_looking_works(program):
    code = """
from core.database import db_manager
from core.ai_error_handling import ai_error_handler
from services.hybrid_ai_manager import get_ai_service_health, reset_ai_service_errors
print(db_manager.get_pool_metrics()["pool_status"]["active_connections"])
print(db_manager.circuit_breaker_state == "healthy", db_manager.reset_circuit_breaker())
print(get_ai_service_health("claude")["state"], sorted(ai_error_handler.get_all_services_status()))
print(reset_ai_service_errors("claude"), reset_ai_service_errors("nobody"))
"""
    ran = program.run("-c", code)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "0",
        "True None",
        "maintenance ['claude', 'gemini', 'openai', 'perplexity']",
        "True False",
    ]


def test_the_working_directory_does_not_matter(program, tmp_path):
    code = f"import sys; sys.path.insert(0, {str(program.backend)!r})\n{WORK}\nimport asyncio\n"
    ran = program.run("-c", f"{code}print(asyncio.run(work(1)))", cwd=tmp_path)
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", "(1, True)\n")


def test_without_a_url_the_data_are_in_the_folder_var_of_the_repository(program, tmp_path):
    ran = program.run("-c", f"{WORK}\nimport asyncio\nasyncio.run(work(1))", DATABASE_URL="")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "clone/var/koo.db").exists()


def test_a_folder_that_cannot_be_made_is_a_sentence(program, tmp_path):
    (tmp_path / "clone/var").touch()
    ran = program.run("-c", "from core.database import db_manager", DATABASE_URL="")
    assert ran.returncode == 2
    assert ran.stderr.startswith("settings: DATABASE_URL is unset and ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "start",
    [
        ("-c", "from core.database import db_manager"),
        ("-c", "from services.hybrid_ai_manager import query_ai"),
        ("-c", "from api.monitoring import get_system_health"),
        ("-m", "api", "--port", "0"),
        ("-m", "uvicorn", "api.app:app", "--port", "0"),
    ],
    ids=" ".join,
)
def test_a_wrong_setting_stops_the_start_with_one_sentence(program, start):
    ran = program.run(*start, DATABASE_POOL_SIZE="none", DATABASE_URL="sqlite:///hush.db")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        "settings: DATABASE_POOL_SIZE must be a whole number; "
        "correct it in the environment or in .env\n"
    )
