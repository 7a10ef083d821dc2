"""A session_scope() that was kept could be entered again, with what was known of its first end.

The second transaction began as one that had committed already, on whose word the room relies
when a COMMIT is lost.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration


@asynccontextmanager
async def opened(tmp_path):
    manager = DatabaseManager(DatabaseConfig(url=f"sqlite:///{tmp_path}/app.db"))
    try:
        yield manager
    finally:
        await manager.close()


async def use(scope):
    async with scope as session:
        return (await session.execute(text("SELECT 1"))).scalar_one()


async def test_a_scope_is_for_one_block(tmp_path):
    async with opened(tmp_path) as manager:
        scope = manager.session_scope()
        assert await use(scope) == 1
        with pytest.raises(RuntimeError, match="one transaction, for one block; ask for another"):
            await use(scope)
        assert manager.stats().pool.checkouts_total == 1
        assert manager.stats().breaker.failures == 0
        assert await use(manager.session_scope()) == 1


async def test_two_tasks_can_not_share_a_scope(tmp_path):
    async with opened(tmp_path) as manager:
        scope = manager.session_scope()
        ended = await asyncio.gather(use(scope), use(scope), return_exceptions=True)
        assert [type(one) for one in ended] == [int, RuntimeError]
