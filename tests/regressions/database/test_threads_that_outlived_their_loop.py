"""A thread whose SQLite file could not be opened answered a loop that had ended, and failed."""

import asyncio
import sqlite3
import threading

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.drivers.on_aiosqlite import PromptConnection

pytestmark = pytest.mark.integration


async def open_in_vain(url):
    manager = DatabaseManager(DatabaseConfig(url=url))
    with pytest.raises(exc.OperationalError, match="unable to open"):
        async with manager.session_scope() as session:
            await session.execute(text("SELECT 1"))


def test_a_file_that_can_not_be_opened_leaves_no_thread_that_complains(tmp_path, monkeypatch):
    complaints = []
    monkeypatch.setattr(threading, "excepthook", complaints.append)
    before = set(threading.enumerate())
    for _ in range(20):
        asyncio.run(open_in_vain(f"sqlite:///{tmp_path}/nowhere/app.db"))
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
    assert complaints == []


def test_a_loop_that_ends_while_a_file_is_opened_leaves_no_thread_that_complains(monkeypatch):
    complaints, opened, has_ended = [], [], threading.Event()
    monkeypatch.setattr(threading, "excepthook", complaints.append)

    def open_slowly():
        has_ended.wait(20)
        opened.append(sqlite3.connect(":memory:", check_same_thread=False))
        return opened[-1]

    async def leave():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await PromptConnection(open_slowly)

    before = set(threading.enumerate())
    asyncio.run(leave())
    has_ended.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
    assert complaints == []
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")
