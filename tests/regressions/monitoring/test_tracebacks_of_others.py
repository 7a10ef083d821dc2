"""What asyncio or SQLAlchemy logged went past the redaction, and was no line of the JSON log."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

BACKEND = Path(__file__).parents[3] / "backend"
PROGRAM = """
import asyncio, gc, logging
from fastapi import FastAPI
from api.server import make_server
from koo.monitoring.logs import JSONLines

async def fail():
    raise RuntimeError("postgresql://koo:pw-of-koo@db/koo refused")

async def forget():
    task = asyncio.create_task(fail())
    await asyncio.sleep(0.01)
    del task
    gc.collect()

make_server(FastAPI(), grace=1, lines=JSONLines())
asyncio.run(forget())
logging.getLogger("sqlalchemy.pool").error("password=hunter2-is-it")
logging.getLogger("uvicorn.error").error("one line, told once")
logging.getLogger("koo.events").error("one event, told once")
logging.getLogger("somebody").info("chatter")
"""


def test_every_line_of_the_process_has_one_form_and_no_secret():
    command = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(
        command, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(BACKEND)}
    )
    lines = [json.loads(line) for line in ended.stderr.splitlines() if line]
    said = [(line["logger"], line["message"].splitlines()[0]) for line in lines]
    assert said == [
        ("asyncio", "Task exception was never retrieved"),
        ("sqlalchemy.pool", "password=***"),
        ("uvicorn.error", "one line, told once"),
        ("koo.events", "one event, told once"),
    ]
    assert "koo:***@db" in lines[0]["traceback"]
    assert "pw-of-koo" not in ended.stderr + ended.stdout
