"""A deadline and a cancellation waited until SQLite had waited for its lock."""

import asyncio
import sqlite3
import time
from contextlib import closing

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager, StatementTimedOut
from koo.resilience import RetryConfig

from ..database.saying import rows

pytestmark = pytest.mark.integration


@pytest.fixture
def locked(tmp_path):
    """The URL of a database that another connection holds the lock of."""
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as theirs:
        theirs.execute("PRAGMA journal_mode = WAL")
        theirs.execute("CREATE TABLE ledger (n INTEGER)")
        theirs.execute("BEGIN IMMEDIATE")
        yield f"sqlite:///{path}", theirs


async def write(manager):
    async with manager.session_scope() as session:
        await session.execute(text("INSERT INTO ledger VALUES (1)"))


@pytest.mark.parametrize("end", ["limit", "timeout", "cancel"])
async def test_who_waits_for_a_lock_has_control_again_at_once(locked, end, monkeypatch):
    monkeypatch.setattr("koo.database.listening.dialects._BUSY_TIMEOUT_MS", 60_000)
    url, theirs = locked
    limit = 1.5 if end == "limit" else 60.0
    manager = DatabaseManager(
        DatabaseConfig(
            url=url, timeout=limit, pool_size=1, max_overflow=0, retry=RetryConfig(max_retries=0)
        )
    )
    assert await rows(manager) == 0
    began = time.monotonic()
    writing = asyncio.create_task(asyncio.wait_for(write(manager), 0.3 if end == "timeout" else 60))
    if end == "cancel":
        await asyncio.sleep(0.3)
        writing.cancel()
    with pytest.raises((StatementTimedOut, TimeoutError, asyncio.CancelledError)):
        await writing
    # SQLite itself goes on waiting, for a minute.
    assert time.monotonic() - began < 20
    # The place in the pool is free, and what was given up is never written.
    assert await rows(manager) == 0
    theirs.execute("COMMIT")
    await write(manager)
    assert await rows(manager) == 1
    await manager.close()
