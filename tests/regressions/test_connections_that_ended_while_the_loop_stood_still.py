"""What the server ended while the loop stood still was lent, for asyncpg had not read it yet."""

import psycopg
import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration


async def backend(manager):
    async with manager.session_scope() as session:
        return (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()


def end(server, pid):
    """End a backend without letting the loop turn."""
    with psycopg.connect(server.url(""), autocommit=True) as connection:
        connection.execute(f"SELECT pg_terminate_backend({pid}, 20000)")


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_nobody_is_lent_what_the_kernel_knows_to_be_dead(server, driver):
    manager = DatabaseManager(DatabaseConfig(url=server.url(driver)))
    before = await backend(manager)
    end(server, before)
    assert await backend(manager) != before
    assert manager.stats().breaker.failures == 0
    await manager.close()
