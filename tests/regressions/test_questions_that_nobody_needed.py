"""The first read-only session asked a database without replicas about its log, ever after."""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration


async def test_a_database_without_replicas_is_not_asked_about_its_log(tmp_path):
    manager = DatabaseManager(DatabaseConfig(url=f"sqlite:///{tmp_path}/d.sqlite"))
    try:
        async with manager.session_scope(readonly=True) as session:
            await session.execute(text("SELECT 1"))
        asking = [one for one in asyncio.all_tasks() if "_follow" in repr(one.get_coro())]
        assert asking == []
    finally:
        await manager.close()
