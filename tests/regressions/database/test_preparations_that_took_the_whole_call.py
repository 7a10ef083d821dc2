"""On MariaDB, a connection gone dark took the whole call if the transaction asked something of it.

What is said before a transaction had the limit of the call, not that of an attempt, so that no time
was left to repeat it on a connection that works.
"""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.resilience import Backoff, RetryConfig
from koo.testing import Action, FaultProxy

pytestmark = pytest.mark.integration

LIMITS = {"attempt_timeout": 1.0, "timeout": 300.0}
QUICK = RetryConfig(backoff=Backoff(base_delay=0.01, max_delay=0.05))


@pytest.mark.parametrize("asked", [{"readonly": True}, {"isolation_level": "SERIALIZABLE"}])
async def test_it_costs_an_attempt(mariadb, asked):
    async with FaultProxy("127.0.0.1", mariadb.port) as proxy:
        config = DatabaseConfig(url=mariadb.url(port=proxy.port), retry=QUICK, **LIMITS)
        manager = DatabaseManager(config)
        swallowed = []

        def swallow_first(chunk):
            if swallowed or b"SET" not in chunk.payload:
                return Action.PASS
            swallowed.append(chunk)
            return Action.DROP

        try:
            await manager.transact(one, **asked)
            proxy.hook = swallow_first
            async with asyncio.timeout(60):
                assert await manager.transact(one, **asked) == 1
            assert swallowed
        finally:
            await manager.close()


async def one(session):
    return (await session.execute(text("SELECT 1"))).scalar_one()
